"""A client as any other: submits by XADD, reads replies and events by XREAD, shows what comes."""

import json
import time

from demo_cluster import DemoError
from demo_show import NAME_WIDTH, WIDTH, about

LINE = WIDTH - NAME_WIDTH - 4
NODE_WORDS = {"node_up": "is up", "node_down": "is lost: no sign of life any more",
              "node_hot": "is hot: no new work for it"}
FLUSH_S = 0.7  # a slow model's half line is shown after that long


class Request:
    def __init__(self, name, fields):
        self.name, self.fields = name, fields
        self.last_id = "0"
        self.end = None  # the last entry
        self.attempt = 0
        self.length = 0  # characters in this attempt
        self.text = ""  # not shown yet
        self.shown_s = 0.0
        self.node = None

    @property
    def streams(self):
        return self.fields.get("stream") == "1"


def piece_text(response):
    """The text in a piece of Ollama's answer, or in the whole of it."""
    answer = json.loads(response)
    return (answer.get("message") or {}).get("content") or answer.get("response") or ""


class Client:
    def __init__(self, cluster):
        self.cluster, self.db = cluster, cluster.db
        self.requests = {}
        self.events_id = (self.db.xrevrange(cluster.key("events"), count=1) or [["0"]])[0][0]
        self.seen = set()  # (event, node)
        self.on_event = {"routed": self._routed, "requeued": self._requeued,
                         "failed": self._failed, **{event: self._node for event in NODE_WORDS}}

    def submit(self, name, what, **fields):
        """One XADD; `what` is the line that tells the reader about it."""
        fields = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        fields = {"request_id": name, "callback": self.cluster.key(f"responses:{name}"), **fields}
        self.requests[name] = Request(name, fields)
        about(name, "", what, "head")
        self.db.xadd(self.cluster.key("requests"), fields)
        return self.requests[name]

    # --- reading -------------------------------------------------------------------------------

    def pump(self, until, what, timeout_s):
        """Reads and shows what comes until until() is true."""
        deadline = time.monotonic() + timeout_s
        while not until():
            if time.monotonic() > deadline:
                raise DemoError(f"not within {timeout_s} s: {what}")
            self.cluster.check()
            self._read(block_ms=100)
            self._show_half_lines()

    def finish(self, requests, timeout_s):
        """Until each of these has its last entry."""
        names = ", ".join(r.name for r in requests)
        self.pump(lambda: all(r.end for r in requests), f"an answer to each of {names}", timeout_s)

    def _read(self, block_ms):
        open_ones = {r.fields["callback"]: r for r in self.requests.values() if not r.end}
        events = self.cluster.key("events")
        streams = {events: self.events_id, **{key: r.last_id for key, r in open_ones.items()}}
        for key, entries in self.db.xread(streams, block=block_ms) or []:
            for entry_id, entry in entries:
                if key == events:
                    self.events_id = entry_id
                    self.seen.add((entry.get("event"), entry.get("node")))
                    self.on_event.get(entry.get("event"), lambda _: None)(entry)
                else:
                    open_ones[key].last_id = entry_id
                    self._entry(open_ones[key], entry)

    # --- the reply -----------------------------------------------------------------------------

    def _entry(self, request, entry):
        kind = entry["type"]
        if kind == "status":
            self._status(request, entry)
        elif kind == "chunk":
            self._chunk(request, entry)
        else:
            request.end = entry
            self.flush(request)
            (self._done if kind == "done" else self._error)(request, entry)

    def _status(self, request, entry):
        if entry["state"] == "queued" and entry.get("position", "0") != "0":
            about(request.name, "..", f"queued, {entry['position']} before it", "dim")
        elif entry["state"] == "loading":
            about(request.name, "..", f"{entry['node']} loads the model", "dim")

    def _chunk(self, request, entry):
        attempt = int(entry["attempt"])
        if attempt > request.attempt and request.attempt > 0:
            self.flush(request)
            about(request.name, "!!", f"attempt {attempt} begins anew: the pieces of attempt "
                  f"{request.attempt} are void", "warn")
            request.length = 0
        piece = piece_text(entry["response"]).replace("\n", " ")
        request.attempt = attempt
        request.length += len(piece)
        request.shown_s = request.shown_s or time.monotonic()
        request.text += piece
        while len(request.text) > LINE:
            cut = request.text.rfind(" ", 1, LINE)
            self._print(request, request.text[:cut if cut > 0 else LINE])
            request.text = request.text[cut if cut > 0 else LINE:].lstrip()

    def _print(self, request, text):
        about(request.name, "|", text)
        request.shown_s = time.monotonic()

    def flush(self, request):
        """Shows what is there of an unfinished line."""
        if request.text.strip():
            self._print(request, request.text.strip())
        request.text = ""

    def _show_half_lines(self):
        now_s = time.monotonic()
        for request in self.requests.values():
            waited = now_s - request.shown_s > FLUSH_S
            if waited and len(request.text) >= LINE // 2:
                cut = request.text.rfind(" ", 1)
                if cut > 0:
                    self._print(request, request.text[:cut])
                    request.text = request.text[cut:].lstrip()

    def _done(self, request, entry):
        request.node = entry["node"]
        answer = json.loads(entry["response"])
        if "embeddings" in answer:
            vectors = answer["embeddings"]
            about(request.name, "|", f"{len(vectors)} vectors of {len(vectors[0])} numbers")
            amount = f"{answer.get('prompt_eval_count', 0)} tokens read"
        else:
            if not request.streams:
                about(request.name, "|", piece_text(entry["response"]).strip())
            amount = f"{answer.get('eval_count', 0)} tokens"
        about(request.name, "ok", f"{entry['node']} answered, attempt {entry['attempt']}: queued "
              f"{entry['queued_ms']} ms, ran {entry['run_ms']} ms, {amount}", "good")

    def _error(self, request, entry):
        about(request.name, "!!", f"error {entry['code']}: {entry['error']}", "bad")

    # --- events --------------------------------------------------------------------------------

    def _routed(self, event):
        name = event["request_id"]
        if name in self.requests:
            again = "" if event["attempt"] == "1" else f", attempt {event['attempt']}"
            about(name, "->", f"{event['node']}{again}: {event['why']}", "dim")

    def _requeued(self, event):
        if event["request_id"] in self.requests:
            self.flush(self.requests[event["request_id"]])
            reason = event.get("error") or event.get("why") or "taken back"
            about(event["request_id"], "!!", f"back in the queue: {reason}", "warn")

    def _failed(self, event):
        if event["request_id"] in self.requests:
            reason = event.get("error") or "failed"
            about(event["request_id"], "!!", f"{event['node']}: {reason}", "warn")

    def _node(self, event):
        about(event["node"], "**", NODE_WORDS[event["event"]], "warn")

    # --- the sum -------------------------------------------------------------------------------

    def broken_promises(self):
        """Sentences about requests that did not get exactly one last entry, `done`, at the end."""
        broken = []
        for request in self.requests.values():
            kinds = [e["type"] for _, e in self.db.xrange(request.fields["callback"])]
            ends = [kind for kind in kinds if kind in ("done", "error")]
            if ends != ["done"] or kinds[-1] != "done":
                broken.append(f"{request.name}: its last entries are {ends or 'missing'}")
        return broken

    def left_over(self):
        """Requests that are still somewhere."""
        pattern = self.cluster.key("requests")
        keys = [pattern] + list(self.db.scan_iter(match=pattern + ":*"))
        return sum(self.db.xlen(key) for key in keys)
