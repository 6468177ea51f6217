"""The account after a run: what was promised to every request, and what Redis and the clients saw.

Every request of every client is looked up in Redis. A violation is a sentence about one request, or
about the installation as a whole.
"""

import json
import os
import re
import time

import redis

from client import UNANSWERABLE
from stage import CLIENTS, ROUTERS, SANITIZE, BrokenReply, check_reply, figures, texts

TERMINAL = ("done", "error")
ORDER = ("seq counts", "attempts do not go back", "the chunks' texts")
# Only these may cost a streaming client the last pieces before `done`, which holds the whole text.
AWAY = ("net-", "kill-redis", "freeze-redis", "maxmemory", "debug-sleep", "client-kill",
        "slow-fsync", "foreign-value", "empty-restart", "del-node-stream", "xgroup-destroy")
LATE = {"deadline_exceeded", "attempts_exhausted"}
INVALID = ("bad_field", "bad_json", "bad_number", "no_input", "many_fields")
# "No growth": connections to an Ollama come and go with the work (slots, probes), and malloc keeps
# pages: at most 2 descriptors and 456 KiB were seen in 35 scenarios and in minutes of `mixed`. Two
# thousand requests that leave 800 bytes each are more. A sanitizer keeps what was freed for a while.
FDS_SLACK, ANON_SLACK_KIB = 4, 65536 if SANITIZE else 1536


def read_clients(stage):
    """Records of all requests, and the clients' own errors by name."""
    records, errors = [], {}
    for i in range(CLIENTS):
        path = stage.path(f"client-{i}.json")
        if not os.path.exists(path):
            stage.faults.append(f"client-{i} has written no account")
            continue
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        records += told["requests"]
        for name, n in told["errors"].items():
            errors[name] = errors.get(name, 0) + n
    return records, errors


class Account:
    def __init__(self, stage, torment, calm):
        self.stage, self.torment, self.calm = stage, torment, calm
        self.violations = []  # (kind, request id or "", sentence)
        self.codes = {}
        self.count = dict.fromkeys(
            "submitted accepted answered done lost excused duplicated order after late short "
            "runs runs_max rerun left_entries left_keys growth mem_kib fds".split(), 0)
        self.marks = stage.marks()["marks"]
        self.db = stage.db(timeout=20)

    def violation(self, kind, request_id, sentence):
        self.violations.append((kind, request_id, sentence))

    # --- one request ---

    def excused(self, record):
        """Redis itself forgot it: by our own hand, or because of `everysec` and a kill."""
        acked = record["ack_s"] or record["first_s"]
        silent = record["kind"] in UNANSWERABLE + ("foreign_reply",)  # the client does not wait
        answered = float("inf") if silent else record["answered_s"] or float("inf")
        if any(acked <= t <= answered for t in self.torment.wiped):
            return True
        when = self.torment.deleted.get(record["id"])
        if when is not None and when <= answered:
            return True
        return self.may_forget() and record["forgotten"] == record["lost"] > 0

    def may_forget(self):
        return self.stage.fsync == "everysec" and self.torment.redis_kills > 0

    def allowed(self, record):
        """The codes ('done' included) that this kind of request may end with."""
        kind = record["kind"]
        if kind in INVALID:
            return {"invalid_request"} | LATE
        if kind == "unknown_model":
            return {"unknown_model"} | LATE
        codes = {"done"} | LATE
        if record["cancelled"]:
            codes.add("cancelled")
        if "ollama" in self.torment.flags:
            codes |= {"invalid_request", "reply_too_large"}
        if self.torment.wiped:
            codes.add("unknown_model")
        return {"done"} if self.calm else codes

    def judge(self, record, entries):
        ends = [e for e in entries if e.get("type") in TERMINAL]
        excused = self.excused(record)
        self.count["submitted"] += 1
        self.count["accepted"] += record["acked"] > 0
        if record["lost"] and record["acked"]:
            self.judge_lost(record, excused)
        if not ends and record["acked"]:
            self.judge_unanswered(record)
        if ends:
            self.count["answered"] += 1
            code = ends[0].get("code") or "done"
            self.codes[code] = self.codes.get(code, 0) + 1
            self.count["done"] += code == "done"
            self.count["late"] += code in LATE and record["kind"] != "short"
            self.judge_end(record, entries, ends, code)
        self.judge_runs(record, ends)

    def judge_lost(self, record, excused):
        self.count["excused" if excused else "lost"] += 1
        if not excused:
            self.violation("lost", record["id"], "had no terminal entry after its deadline; Redis "
                           f"then held {json.dumps(record['state_when_lost'][:1])}")

    def judge_unanswered(self, record):
        answered = record["answered_s"]
        if record["terminal"] and (self.may_forget() or
                                   any(t >= answered for t in self.torment.wiped)):
            self.count["answered"] += 1  # read before Redis forgot it
            self.count["done"] += record["terminal"]["type"] == "done"
            return
        if not record["lost"]:
            self.count["lost"] += 1
        self.violation("lost", record["id"], "never got a terminal entry"
                       + (", not even when it was sent again" if record["lost"] else ""))

    def judge_end(self, record, entries, ends, code):
        if len(ends) > 1:
            self.count["duplicated"] += 1
            self.violation("duplicated", record["id"], f"has {len(ends)} terminal entries")
        if code not in self.allowed(record):
            self.violation("code", record["id"], f"({record['kind']}) ended with {ends[0]}")
        seen = record["terminal"]
        if seen is not None and not self.may_forget() and not self.torment.wiped:
            told = {k: v for k, v in ends[0].items() if k != "response"}
            if seen != told:
                self.violation("changed", record["id"], f"the client read {seen}, Redis has {told}")
        try:
            check_reply(entries, record["id"], record["fields"])
        except BrokenReply as broken:
            self.judge_broken(record, entries, str(broken))

    def is_prefix(self, entries):
        """The pieces that came are the beginning of the answer."""
        if entries[-1].get("type") != "done":
            return False
        newest = entries[-1]["attempt"]
        pieces = [texts(json.loads(e["response"])) for e in entries
                  if e["type"] == "chunk" and e["attempt"] == newest]
        whole = texts(json.loads(entries[-1]["response"]))
        return all(whole[i].startswith("".join(p[i] for p in pieces)) for i in (0, 1))

    def judge_broken(self, record, entries, sentence):
        if sentence.startswith("the chunks' texts") and self.is_prefix(entries):
            self.count["short"] += 1
            if record["kind"] == "cancel":
                return  # a cancel that came when the answer was complete stops the last pieces
            if any(name.startswith(AWAY) for name in self.torment.struck):
                return
            kind = "short"
        elif sentence.startswith("nothing comes after"):
            kind = "after"
            if any(mark in sentence for mark in ("'type': 'done'", "'type': 'error'")):
                return  # counted as duplicated
        elif sentence.startswith(ORDER):
            kind = "order"
            if self.may_forget() or self.torment.wiped:
                return  # pieces were lost with what Redis forgot
        else:
            kind = "malformed"
        if kind in ("order", "after"):
            self.count[kind] += 1
        self.violation(kind, record["id"], sentence[:400])

    def judge_runs(self, record, ends):
        runs = self.marks.get(record["id"], 0)
        self.count["runs"] += runs
        self.count["runs_max"] = max(self.count["runs_max"], runs)
        attempt = int(ends[0].get("attempt", 0)) if ends else 0
        self.count["rerun"] += runs > attempt > 0
        if record["kind"] in INVALID + UNANSWERABLE + ("unknown_model",) and runs:
            self.violation("runs", record["id"], f"({record['kind']}) ran {runs} times")
        if self.calm and runs != 1:
            self.violation("runs", record["id"], f"ran {runs} times although nothing went wrong")

    # --- what is dead-lettered ---

    def judge_dead(self, records):
        dead = {}
        for _, entry in self.db.xrange(self.stage.keys.dead):
            for name in {entry.get("request.metadata"), entry.get("request_id")} - {None}:
                dead[name] = dead.get(name, 0) + 1
        for record in records:
            self.count["submitted"] += 1
            self.count["accepted"] += record["acked"] > 0
            n = dead.get(record["id"], 0)
            forgiven = self.excused(record) or self.torment.wiped or self.may_forget() \
                or "foreign-value" in self.torment.struck
            replaced = record["kind"] == "foreign_reply" and \
                self.db.type(record["stream"]) != "string"  # Redis had forgotten the string
            self.count["answered"] += n > 0 or replaced
            if record["acked"] and n == 0 and forgiven and not replaced:
                self.count["excused"] += 1
            elif record["acked"] and n == 0 and not replaced:
                self.count["lost"] += 1
                self.violation("lost", record["id"], f"({record['kind']}) is not on dead")
            self.judge_runs(record, [])

    # --- the whole ---

    def judge_all(self, records):
        on_dead = [r for r in records if r["kind"] in UNANSWERABLE + ("foreign_reply",)]
        rest = [r for r in records if r not in on_dead] if len(on_dead) < 200 else \
            [r for r in records if r["kind"] not in UNANSWERABLE + ("foreign_reply",)]
        for start in range(0, len(rest), 500):
            part = rest[start:start + 500]
            pipe = self.db.pipeline(transaction=False)
            for record in part:
                pipe.xrange(record["stream"])
            for record, entries in zip(part, pipe.execute(raise_on_error=False)):
                if isinstance(entries, redis.ResponseError):
                    self.violation("malformed", record["id"], f"its reply: {entries}")
                    entries = []
                self.judge(record, [e for _, e in entries])
        self.judge_dead(on_dead)

    def left_entries(self):
        """Sentences about work that is still somewhere."""
        left, keys = [], self.stage.keys
        for key in self.db.keys(f"{keys.prefix}:requests*"):
            if self.db.type(key) != "stream":
                left.append(f"{key} is a {self.db.type(key)}")
                continue
            left += [f"{key} holds {i} {e.get('request_id')}" for i, e in self.db.xrange(key)]
            for group in self.db.xinfo_groups(key):
                if group["pending"]:
                    left.append(f"{key}: {group['pending']} pending of {group['name']}")
        for key in self.db.keys(f"{keys.prefix}:job:*"):
            job = self.db.hgetall(key) if self.db.type(key) == "hash" else {"state": "foreign"}
            if job.get("state", "done") != "done":
                left.append(f"{key} is {job}")
        return left

    def left_keys(self):
        """Sentences about keys that nobody will ever remove."""
        keys, left = self.stage.keys, []
        lasting = {keys.requests, keys.health, keys.routers, keys.events, keys.dead, keys.drained,
                   keys.control}
        for key in self.db.scan_iter(count=1000):
            if key in lasting or re.match(rf"{keys.prefix}:(requests|epoch):pi-\d$", key):
                continue
            if not key.startswith((f"{keys.prefix}:job:", f"{keys.prefix}:responses:")):
                left.append(f"{key} is no key of the protocol")
            elif self.db.pttl(key) <= 0:
                left.append(f"{key} has no time to live")
        if self.db.exists(keys.requests):
            for group in self.db.xinfo_groups(keys.requests):
                for consumer in self.db.xinfo_consumers(keys.requests, group["name"]):
                    if consumer["name"] not in ROUTERS:
                        left.append(f"consumer {consumer['name']} of {keys.requests}")
        return left

    def wait_empty(self, seconds):
        """What is left once nothing changes any more."""
        deadline = time.monotonic() + seconds
        while True:
            self.stage.supervise()
            try:
                left = self.left_entries()
            except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
                left = [f"Redis: {error}"]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.1)

    def judge_leftovers(self, seconds):
        # An excused request may have left its job: it goes away by itself.
        left = [s for s in self.wait_empty(seconds) if not self.is_excused_job(s)]
        self.count["left_entries"] = len(left)
        for sentence in left[:20]:
            found = re.search(r"\bc\d+-\d+\b", sentence)
            self.violation("left", found.group(0) if found else "", sentence)
        left = self.left_keys()
        self.count["left_keys"] = len(left)
        for sentence in left[:20]:
            self.violation("left", "", sentence)

    def is_excused_job(self, sentence):
        found = re.match(rf"{self.stage.keys.prefix}:job:(\S+) is", sentence)
        return bool(found) and found.group(1) in self.torment.deleted

    def judge_growth(self):
        """Rows (name, before, after) and violations for what has grown."""
        rows = []
        for unit in self.stage.units.values():
            before, after = unit.before, figures(unit.process)
            rows.append((unit, before, after))
            if unit.kind not in ("router", "worker") or not before or not after:
                continue
            for name, slack, most in (("fds", FDS_SLACK, "fds"),
                                      ("anon", ANON_SLACK_KIB, "mem_kib")):
                warm = [u.warm[name] for u in self.stage.units.values()
                        if u.kind == unit.kind and u.warm]
                grown = after[name] - max([before[name]] + warm)
                self.count[most] = max(self.count[most], grown)
                if grown > slack:
                    self.count["growth"] += 1
                    self.violation("growth", "", f"{unit.name}: {name} {before[name]} -> "
                                   f"{after[name]}, {max(warm, default='?')} before the faults")
        return rows
