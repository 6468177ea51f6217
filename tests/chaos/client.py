"""One submitting client: does what sections 2 and 3 of the protocol say, and is suspicious.

    client.py SPEC.json         see stage.Stage.start_clients() for the keys

Keeps a number of requests open, of many kinds: plain, streaming, submitted twice, cancelled at a
random moment, not valid. A request whose XADD was not acknowledged is sent again under the same
id. One that has no terminal entry when it should have is recorded as lost, and sent again so.
Ends when all is answered or at `give_up_at`; writes what it saw to `out`.
"""

import ctypes
import json
import random
import signal
import sys
import time

import redis

PR_SET_PDEATHSIG = 1
NORMAL_TIMEOUT_MS = 20000
GRACE_S = 6.0  # after its deadline a request must have its terminal entry within this
YOUNG_S = 4.0
READ_BLOCK_MS = 100
MODELS = ("gemma3:1b", "qwen2.5:0.5b")
# kind -> share of the requests; the rest is plain
KINDS = {"twice": 4, "again_later": 2, "cancel": 5, "short": 2, "embed": 6, "bad_field": 1,
         "bad_json": 1, "no_input": 1, "many_fields": 1, "bad_id": 1, "bad_callback": 1,
         "foreign_reply": 1, "foreign_job": 1, "no_id": 1, "bad_number": 1, "unknown_model": 1}
FOREIGN = ("foreign_reply", "foreign_job")  # a string stands where that stream or hash should be
TERMINAL = ("done", "error")
UNANSWERABLE = ("bad_id", "no_id", "bad_callback")


class Request:
    def __init__(self, request_id, kind, fields, stream):
        self.id, self.kind, self.fields, self.stream = request_id, kind, fields, stream
        self.acked = self.sent = 0  # XADDs acknowledged; tried
        self.wanted = 2 if kind == "twice" else 1
        self.first_s = self.due_s = self.ack_s = None
        self.cancel_s, self.cancelled = None, False
        self.last_id, self.entries, self.terminal = "0-0", [], None
        self.answered_s = None
        self.lost, self.forgotten, self.refused = 0, 0, 0
        self.state_when_lost = []

    def timeout_s(self):
        text = self.fields["timeout_ms"]
        return (int(text) if text.isdigit() else NORMAL_TIMEOUT_MS) / 1000

    def record(self):
        return {"id": self.id, "kind": self.kind, "fields": self.fields, "stream": self.stream,
                "acked": self.acked, "sent": self.sent, "lost": self.lost,
                "forgotten": self.forgotten,
                "refused": self.refused, "cancelled": self.cancelled, "terminal": self.terminal,
                "terminal_id": self.last_id if self.terminal else None, "first_s": self.first_s,
                "ack_s": self.ack_s, "answered_s": self.answered_s, "entries": len(self.entries),
                "state_when_lost": self.state_when_lost}


class Client:
    def __init__(self, spec):
        self.spec, self.prefix = spec, spec["prefix"]
        self.dice = random.Random(f"{spec['seed']}-client-{spec['index']}")
        # No retries inside redis-py (6 has them): what was sent twice has to be in the account.
        self.db = redis.Redis(host="127.0.0.1", port=spec["port"], decode_responses=True, encoding_errors="replace",
                              socket_timeout=3, socket_connect_timeout=2, retry=None)
        self.open, self.closed, self.number = [], [], 0
        self.later = []  # (when, request) to be submitted once more after its end
        self.pause_until = 0.0
        self.backoff_s = 0.05
        self.errors = {}

    # --- making requests ---

    def fields_of(self, request_id, kind):
        fields = {"request_id": request_id, "model": self.dice.choice(MODELS),
                  "timeout_ms": str(NORMAL_TIMEOUT_MS), "metadata": request_id,
                  "client": f"client-{self.spec['index']}"}
        if kind == "embed":
            fields.update(model="nomic-embed-text", input=json.dumps(f"[[{request_id}]] blue"))
        elif self.dice.random() < 0.5:
            fields["prompt"] = f"[[{request_id}]] Why is the sky blue?"
        else:
            fields["messages"] = json.dumps(
                [{"role": "user", "content": f"[[{request_id}]] Why is the sky blue?"}])
        if kind != "embed" and self.dice.random() < 0.5:
            fields["stream"] = "1"
        if self.dice.random() < 0.3:
            fields["progress"] = "1"
        if self.dice.random() < 0.2:
            fields["priority"] = self.dice.choice(["high", "low", "normal"])
        return fields

    def spoil(self, kind, fields):
        if kind == "short":
            fields["timeout_ms"] = str(self.dice.randint(1, 400))
        elif kind == "bad_field":
            fields["modle"] = "x"
        elif kind == "bad_json":
            fields.pop("prompt", None)
            fields["messages"] = '[{"role":"user",'
        elif kind == "no_input":
            fields.pop("prompt", None)
            fields.pop("messages", None)
        elif kind == "many_fields":
            fields.update({f"f{i}": "x" for i in range(1000)})
        elif kind == "bad_id":
            fields["request_id"] += " with blanks"
        elif kind == "no_id":
            fields.pop("request_id")
        elif kind == "bad_number":
            fields["timeout_ms"] = "soon"
        elif kind == "bad_callback":
            fields["callback"] = f"{self.prefix}:requests"
        elif kind == "unknown_model":
            fields["model"] = "nobody-has-this"

    def new_request(self):
        self.number += 1
        kind = self.dice.choices(list(KINDS) + ["plain"],
                                 list(KINDS.values()) + [100 - sum(KINDS.values())])[0]
        if kind not in self.spec["kinds"]:
            kind = "plain"
        request_id = f"c{self.spec['index']}-{self.number}"
        fields = self.fields_of(request_id, kind)
        self.spoil(kind, fields)
        stream = f"{self.prefix}:responses:{request_id}"
        if self.dice.random() < 0.1 and kind != "bad_callback":
            stream += ":own"
            fields["callback"] = stream
        request = Request(request_id, kind, fields, stream)
        request.first_s = time.monotonic()
        if kind == "cancel":
            request.cancel_s = request.first_s + self.dice.choice([0.0, 0.05, 0.2, 0.5, 1.5])
        self.open.append(request)

    # --- talking to Redis ---

    def guarded(self, call):
        """The call's value, or None when Redis is away or unwilling; then we pause a little."""
        try:
            value = call()
            self.backoff_s = 0.05
            return value
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
            name = str(error).split(" ", 1)[0] if isinstance(error, redis.ResponseError) \
                else type(error).__name__
            self.errors[name] = self.errors.get(name, 0) + 1
            self.pause_until = time.monotonic() + self.backoff_s
            self.backoff_s = min(self.backoff_s * 2, 0.4)
            return None

    def submit(self, request):
        if request.kind in FOREIGN and request.sent == 0:
            key = request.stream if request.kind == "foreign_reply" \
                else f"{self.prefix}:job:{request.id}"
            if self.guarded(lambda: self.db.set(key, "foreign", ex=600)) is None:
                return
        request.sent += 1
        entry = self.guarded(lambda: self.db.xadd(f"{self.prefix}:requests", request.fields))
        if entry is None:
            return
        request.acked += 1
        if request.due_s is None:
            now = time.monotonic()
            request.ack_s = request.ack_s or now
            request.due_s = now + request.timeout_s() + GRACE_S

    def cancel(self, request):
        request.cancelled = True  # also if the answer is lost: it may have been applied
        fields = {"op": "cancel", "request_id": request.id}
        if self.guarded(lambda: self.db.xadd(f"{self.prefix}:control", fields)) is not None:
            request.cancel_s = None

    def send_what_is_due(self):
        for request in self.open:
            while request.acked < request.wanted and time.monotonic() >= self.pause_until:
                self.submit(request)
        now = time.monotonic()
        for request in self.open:
            if request.cancel_s is not None and request.cancel_s <= now and request.acked:
                if now >= self.pause_until:
                    self.cancel(request)
        for item in [i for i in self.later if i[0] <= now]:
            self.later.remove(item)
            item[1].sent += 1
            self.guarded(lambda: self.db.xadd(f"{self.prefix}:requests", item[1].fields))

    def read(self):
        """XREAD from the last id seen, on every open reply at once."""
        streams = {r.stream: r.last_id for r in self.open
                   if r.acked and r.kind not in UNANSWERABLE + ("foreign_reply",)}
        if not streams:
            time.sleep(0.02)
            return
        found = self.guarded(lambda: self.db.xread(streams, count=200, block=READ_BLOCK_MS))
        by_stream = {r.stream: r for r in self.open}
        for stream, entries in found or []:
            for entry_id, entry in entries:
                self.take(by_stream[stream], entry_id, entry)

    def take(self, request, entry_id, entry):
        if request.terminal is not None:
            return  # the account looks for what comes after
        request.last_id = entry_id
        request.entries.append(entry)
        if entry.get("type") in TERMINAL:
            request.terminal = {k: v for k, v in entry.items() if k != "response"}

    # --- judging ---

    def close(self, request):
        request.answered_s = time.monotonic()
        self.open.remove(request)
        self.closed.append(request)
        if request.kind == "again_later":
            self.later.append((time.monotonic() + self.dice.uniform(0, 2), request))

    def look(self, request):
        """What Redis holds of a request that has no answer when it should."""
        job = self.db.hgetall(f"{self.prefix}:job:{request.id}")
        entries = self.db.xrevrange(f"{self.prefix}:requests", count=1000)
        waiting = [i for i, e in entries if e.get("request_id") == request.id]
        return {"job": job, "waiting": waiting, "reply": self.db.xlen(request.stream)}

    def check_lost(self, request):
        """Past its deadline without an end: note it, and send it again under the same id."""
        seen = self.guarded(lambda: self.look(request))
        if seen is None:
            return
        seen["at_s"] = time.monotonic()
        request.lost += 1
        request.forgotten += not seen["job"] and not seen["waiting"] and not seen["reply"]
        request.state_when_lost.append(seen)
        request.wanted = request.acked + 1
        request.due_s = None
        self.submit(request)

    def judge(self):
        now = time.monotonic()
        for request in list(self.open):
            silent = request.kind in UNANSWERABLE + ("foreign_reply",)
            if request.terminal or (silent and request.acked):
                self.close(request)
            elif request.due_s is not None and now > request.due_s and now >= self.pause_until \
                    and now > self.spec["calm_at"]:
                self.check_lost(request)

    def busy(self, now):
        """Open requests; those that take long do not keep us from asking, up to a limit."""
        young = sum(now - r.first_s < YOUNG_S for r in self.open)
        return max(young, len(self.open) - 4 * self.spec["open"])

    def run(self):
        limit = self.spec["open"]
        while time.monotonic() < self.spec["give_up_at"]:
            now = time.monotonic()
            while now < self.spec["stop_at"] and self.busy(now) < limit and now >= self.pause_until:
                self.new_request()
            if now < self.pause_until:
                time.sleep(0.01)
                continue
            self.send_what_is_due()
            self.read()
            self.judge()
            if now >= self.spec["stop_at"] and not self.open and not self.later:
                break
        with open(self.spec["out"], "w", encoding="utf-8") as file:
            json.dump({"requests": [r.record() for r in self.closed + self.open],
                       "errors": self.errors}, file)


def main():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with open(sys.argv[1], encoding="utf-8") as file:
        Client(json.load(file)).run()


if __name__ == "__main__":
    main()
