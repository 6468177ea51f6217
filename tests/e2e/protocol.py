"""The rules of docs/protocol.md section 3 as code: every reply that a test reads is checked here.

Nothing in this file knows how the daemons work; it knows what a client may rely on.
"""

import json

CODES = {  # code -> retryable
    "invalid_request": "0",
    "unknown_model": "0",
    "queue_full": "1",
    "deadline_exceeded": "1",
    "cancelled": "0",
    "attempts_exhausted": "1",
    "reply_too_large": "0",
}
COMMON = {"type", "request_id", "attempt"}
REQUIRED = {
    "status": {"state"},
    "chunk": {"seq", "response"},
    "done": {"response", "node", "model", "queued_ms", "run_ms"},
    "error": {"code", "error", "retryable"},
}
OPTIONAL = {
    "status": {"position", "eta_ms", "node"},
    "chunk": set(),
    "done": {"dropped", "metadata"},
    "error": {"node", "metadata"},
}
STATES = {"queued", "routed", "loading", "running", "retrying"}
WITH_NODE = {"routed", "loading", "running", "retrying"}


class Keys:
    """Names of protocol section 1."""

    def __init__(self, prefix):
        self.prefix = prefix
        for name in "requests health routers events dead drained control".split():
            setattr(self, name, f"{prefix}:{name}")

    def node(self, node):
        return f"{self.prefix}:requests:{node}"

    def reply(self, request_id):
        return f"{self.prefix}:responses:{request_id}"

    def job(self, request_id):
        return f"{self.prefix}:job:{request_id}"

    def epoch(self, node):
        return f"{self.prefix}:epoch:{node}"


class BrokenReply(AssertionError):
    """A reply that breaks a sentence of the protocol."""


def _need(condition, sentence, entry):
    if not condition:
        raise BrokenReply(f"{sentence}: {entry!r}")


def _number(entry, field):
    _need(entry[field].isdigit(), f"{field} is a number", entry)
    return int(entry[field])


def texts(response):
    """(content, thinking) of one answer or chunk of Ollama's, whichever endpoint it is from."""
    message = response.get("message")
    if message is not None:
        return message.get("content") or "", message.get("thinking") or ""
    return response.get("response") or "", response.get("thinking") or ""


def _check_fields(entry, request_id):
    _need(COMMON <= entry.keys(), "every entry has type, request_id, attempt", entry)
    kind = entry["type"]
    _need(kind in REQUIRED, "type is status, chunk, done or error", entry)
    _need(entry["request_id"] == request_id, f"request_id is {request_id}", entry)
    _need(_number(entry, "attempt") >= 1, "attempt counts from 1", entry)
    known = COMMON | REQUIRED[kind] | OPTIONAL[kind]
    _need(COMMON | REQUIRED[kind] <= entry.keys(), f"{kind} has all its fields", entry)
    _need(entry.keys() <= known, f"{kind} has no fields but its own", entry)


def _check_status(entry):
    state = entry["state"]
    _need(state in STATES, "state is one of the protocol's", entry)
    if state == "queued":
        _need({"position", "eta_ms"} <= entry.keys(), "queued tells position and eta_ms", entry)
        _number(entry, "position")
        _number(entry, "eta_ms")
    if state in WITH_NODE:
        _need(entry.get("node"), "node is told once routed", entry)


def _check_terminal(entry, request):
    if entry["type"] == "done":
        _number(entry, "queued_ms")
        _number(entry, "run_ms")
        _need(entry["node"] and entry["model"], "done names node and model", entry)
        _need(entry.get("dropped", "x"), "dropped is absent when nothing was dropped", entry)
        response = json.loads(entry["response"])
        if "embeddings" not in response:
            _need(response.get("done") is True, "the answer is Ollama's last line", entry)
    else:
        _need(entry["code"] in CODES, "code is one of the protocol's", entry)
        _need(entry["retryable"] == CODES[entry["code"]], "retryable follows from code", entry)
        _need(len(entry["error"]) > 5 and entry["error"].isprintable(),
              "error is a sentence for people", entry)
    if request is not None and request.get("request_id"):
        _need(entry.get("metadata") == request.get("metadata"), "metadata is echoed", entry)


def _check_wanted(entry, request):
    if request is None:
        return
    if entry["type"] == "chunk":
        _need(request.get("stream") == "1", "chunks come only with stream", entry)
    if entry["type"] == "status":
        _need(request.get("progress") == "1", "status entries come only with progress", entry)


def check_reply(entries, request_id, request=None, may_end_early=False):
    """Checks a whole reply, a list of field dicts in stream order; `request` is what was submitted.
    may_end_early: something was broken on purpose that lets the pieces end early; see docs/protocol.md.

    Returns a Reply. Raises BrokenReply if a sentence of section 3 does not hold.
    """
    attempt, seq, ended = 0, 0, False
    content = thinking = ""
    for entry in entries:
        _need(not ended, "nothing comes after the terminal entry", entry)
        _check_fields(entry, request_id)
        _check_wanted(entry, request)
        _need(int(entry["attempt"]) >= attempt, "attempts do not go back", entry)
        if int(entry["attempt"]) > attempt:
            attempt, seq, content, thinking = int(entry["attempt"]), 0, "", ""
        if entry["type"] == "status":
            _check_status(entry)
        elif entry["type"] == "chunk":
            _need(_number(entry, "seq") == seq, f"seq counts without gaps, {seq} is next", entry)
            seq += 1
            piece = texts(json.loads(entry["response"]))
            content, thinking = content + piece[0], thinking + piece[1]
        else:
            ended = True
            _check_terminal(entry, request)
            if entry["type"] == "done" and seq > 0:
                whole = texts(json.loads(entry["response"]))
                if may_end_early and whole[0].startswith(content) and whole[1].startswith(thinking):
                    continue
                _need(whole == (content, thinking), "the chunks' texts make up the answer",
                      {"chunks": (content, thinking), "done": whole})
    return Reply(entries)


class Reply:
    """A checked reply."""

    def __init__(self, entries):
        self.entries = entries
        last = entries[-1] if entries else {}
        self.end = last if last.get("type") in ("done", "error") else None

    def of(self, kind):
        return [e for e in self.entries if e["type"] == kind]

    @property
    def chunks(self):
        return self.of("chunk")

    @property
    def states(self):
        return [e["state"] for e in self.of("status")]

    @property
    def done(self):
        """The terminal entry, which must be `done`."""
        assert self.end and self.end["type"] == "done", self.end
        return self.end

    @property
    def answer(self):
        """Ollama's answer as an object."""
        return json.loads(self.done["response"])

    @property
    def text(self):
        return texts(self.answer)[0]

    @property
    def node(self):
        return self.done["node"]

    @property
    def code(self):
        """The code of the terminal entry, which must be `error`."""
        assert self.end and self.end["type"] == "error", self.end
        return self.end["code"]

    @property
    def error(self):
        assert self.end and self.end["type"] == "error", self.end
        return self.end["error"]

    @property
    def attempt(self):
        return int(self.end["attempt"])
