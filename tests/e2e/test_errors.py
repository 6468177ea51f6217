"""Everything that section 2 of the protocol calls an error, and hostile input besides."""

import json

import pytest

from cluster import SLOW_CHAT, wait_until

DEEP_64 = '{"a":' * 63 + "[]" + "}" * 63
DEEP_65 = '{"a":' * 64 + "[]" + "}" * 64
MESSAGES = ("messages", '[{"role":"user","content":"hi"}]')
BASE = [("model", "gemma3:1b"), MESSAGES]


def without(name):
    return [pair for pair in BASE if pair[0] != name]


def instead(name, value):
    return without(name) + [(name, value)]


def prompt(*more):
    return [("model", "gemma3:1b"), ("prompt", "hi"), *more]


def embed(value):
    return [("model", "nomic-embed-text"), ("input", value)]


# what is wrong -> (fields besides request_id, what the error must name)
INVALID = {
    "no model": (without("model"), "model"),
    "empty model": (instead("model", ""), "model"),
    "model that is no name": (instead("model", "a b\x00c"), "model"),
    "model in bad UTF-8": (instead("model", b"gemma\xff"), "model"),
    "no content": (without("messages"), "messages"),
    "messages and prompt": (BASE + [("prompt", "hi")], "prompt"),
    "prompt and input": (prompt(("input", '"hi"')), "input"),
    "messages that are no JSON": (instead("messages", "[{"), "messages"),
    "messages with something behind": (instead("messages", "[] x"), "messages"),
    "messages that are an object": (instead("messages", "{}"), "messages"),
    "empty messages field": (instead("messages", ""), "messages"),
    "messages deeper than 64": (instead("messages", f"[{DEEP_64}]"), "messages"),
    "messages of 100,000 brackets": (instead("messages", "[" * 100000), "messages"),
    "messages in bad UTF-8": (instead("messages", b'[{"content":"\xc3\x28"}]'), "messages"),
    "messages in UTF-16 surrogates": (instead("messages", b'["\xed\xa0\x80"]'), "messages"),
    "messages with a raw NUL": (instead("messages", b'["a\x00b"]'), "messages"),
    "prompt in bad UTF-8": ([("model", "gemma3:1b"), ("prompt", b"\x80")], "prompt"),
    "input that is a number": (embed("5"), "input"),
    "input of numbers": (embed('["a", 5]'), "input"),
    "input that is no JSON": (embed("hello"), "input"),
    "params that are no JSON": (prompt(("params", "{a:1}")), "params"),
    "params that are an array": (prompt(("params", "[]")), "params"),
    "params deeper than 64": (prompt(("params", DEEP_65)), "params"),
    "params in bad UTF-8": (prompt(("params", b'{"a":"\xff"}')), "params"),
    "params.model": (prompt(("params", '{"model":"x"}')), "model"),
    "params.stream": (prompt(("params", '{"options":{},"stream":false}')), "stream"),
    "params.messages": (prompt(("params", '{"messages":[]}')), "messages"),
    "params.prompt": (prompt(("params", '{"prompt":"x"}')), "prompt"),
    "params.input": (prompt(("params", '{"input":"x"}')), "input"),
    "params.Model, which Go takes for model": (prompt(("params", '{"Model":"x"}')), "odel"),
    "params.m\\u006fdel": (prompt(("params", '{"m\\u006fdel":"x"}')), "model"),
    "stream that is neither": (prompt(("stream", "yes")), "stream"),
    "progress that is neither": (prompt(("progress", "2")), "progress"),
    "session too long": (prompt(("session", "s" * 257)), "session"),
    "client too long": (prompt(("client", "c" * 129)), "client"),
    "metadata too long": (prompt(("metadata", "m" * 4097)), "metadata"),
    "metadata in bad UTF-8": (prompt(("metadata", b"\xfe")), "metadata"),
    "unknown priority": (prompt(("priority", "urgent")), "priority"),
    "timeout of 0": (prompt(("timeout_ms", "0")), "timeout_ms"),
    "timeout over a day": (prompt(("timeout_ms", "86400001")), "timeout_ms"),
    "negative timeout": (prompt(("timeout_ms", "-1")), "timeout_ms"),
    "fractional timeout": (prompt(("timeout_ms", "1.5")), "timeout_ms"),
    "endless timeout": (prompt(("timeout_ms", "9" * 30)), "timeout_ms"),
    "empty timeout": (prompt(("timeout_ms", "")), "timeout_ms"),
    "a typo": (prompt(("promt", "hi")), "promt"),
    "a field in capitals": (prompt(("Stream", "1")), "Stream"),
    "a nameless field": (prompt(("", "x")), "field"),
    "a field name in bad UTF-8": (prompt((b"\xff\xfe", "x")), "field"),
    "a field name of a megabyte": (prompt(("n" * 2**20, "x")), "field"),
    "model twice": (BASE + [("model", "gemma3:1b")], "model"),
    "messages twice": (BASE + [MESSAGES], "messages"),
    "stream twice": (prompt(("stream", "1"), ("stream", "1")), "stream"),
    "forged attempt": (prompt(("attempt", "2")), "attempt"),
    "forged origin_id": (prompt(("origin_id", "1-1")), "origin_id"),
    "forged submitted_ms": (prompt(("submitted_ms", "1")), "submitted_ms"),
    "forged deadline_ms": (prompt(("deadline_ms", "99999999999999")), "deadline_ms"),
    "forged tried": (prompt(("tried", "pi-1,pi-2")), "tried"),
    "everything forged": (prompt(("attempt", "1"), ("origin_id", "1-1"), ("submitted_ms", "1"),
                                 ("deadline_ms", "99999999999999")), ""),
    "10,000 fields": (prompt(*((f"f{i}", "x") for i in range(10000))), "field"),
    "over 8 MiB": ([("model", "gemma3:1b"), ("prompt", "x" * (8 * 2**20))], "8388608"),
    "a value of 20 MiB": ([("model", "gemma3:1b"), ("prompt", "x" * (20 * 2**20))], "8388608"),
}


@pytest.mark.parametrize("what", INVALID)
def test_a_broken_request_is_refused_with_the_name_of_the_field(fleet, what):
    fields, named = INVALID[what]
    request_id = f"bad-{list(INVALID).index(what)}"
    fleet.submit_raw([("request_id", request_id), *fields])
    reply = fleet.read_reply(request_id)
    assert reply.code == "invalid_request" and named in reply.error
    assert len(reply.entries) == 1 and len(reply.error) < 1000


ALLOWED = {
    "JSON 64 deep": [("messages", f"[{DEEP_64[5:-1]}]"), ("model", "gemma3:1b")],
    "the longest session, client, metadata, timeout":
        prompt(("session", "s" * 256), ("client", "c" * 128), ("metadata", "m" * 4096),
               ("timeout_ms", "86400000")),
    "an empty prompt": [("model", "gemma3:1b"), ("prompt", "")],
    "a prompt with a NUL": [("model", "gemma3:1b"), ("prompt", b"a\x00b")],
    "8 MiB less a little": [("model", "gemma3:1b"), ("prompt", "x" * (8 * 2**20 - 4096))],
    "a request_id of 128 bytes": prompt(),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_the_largest_of_everything_is_taken(fleet, what):
    request_id = "x" * 124 + ".:_-" if "request_id" in what else f"ok-{list(ALLOWED).index(what)}"
    fleet.submit_raw([("request_id", request_id), *ALLOWED[what]])
    fleet.submitted.pop(request_id, None)
    reply = fleet.read_reply(request_id, 30)
    assert reply.end["type"] == "done" or "longer" in reply.error or "ontext" in reply.error


UNANSWERABLE = {
    "no request_id": [("model", "gemma3:1b"), ("prompt", "u0")],
    "empty request_id": prompt(("request_id", "")),
    "request_id with a blank": prompt(("request_id", "a b")),
    "request_id with a slash": prompt(("request_id", "a/b")),
    "request_id of 129 bytes": prompt(("request_id", "x" * 129)),
    "request_id with a NUL": prompt(("request_id", b"a\x00b")),
    "request_id in bad UTF-8": prompt(("request_id", b"a\xff")),
    "request_id twice": prompt(("request_id", "twice-1"), ("request_id", "twice-2")),
    "callback outside the prefix": prompt(("request_id", "c1"), ("callback", "other:stream")),
    "callback that is the health hash":
        prompt(("request_id", "c2"), ("callback", "orion:inference:health")),
    "callback that is a node's stream":
        prompt(("request_id", "c3"), ("callback", "orion:inference:requests:pi-1")),
    "callback without a name":
        prompt(("request_id", "c4"), ("callback", "orion:inference:responses:")),
    "callback with a NUL":
        prompt(("request_id", "c5"), ("callback", b"orion:inference:responses:a\x00b")),
    "nothing that we know": [("a", "b")],
}


@pytest.mark.parametrize("what", UNANSWERABLE)
def test_a_request_that_cannot_be_answered_is_put_on_dead_and_logged(fleet, what):
    before, log = len(fleet.dead()), len(fleet.daemon("router-1").log)
    keys = set(fleet.db.keys())
    entry_id = fleet.submit_raw(UNANSWERABLE[what])
    wait_until(lambda: len(fleet.dead()) == before + 1, "it is on P:dead")
    dead = fleet.dead()[-1]
    assert dead["code"] == "invalid_request" and dead["error"] and dead["origin_id"] == entry_id
    assert set(fleet.db.keys()) - keys <= {fleet.keys.dead}
    wait_until(lambda: entry_id in fleet.daemon("router-1").log[log:], "the log names the entry")
    wait_until(lambda: fleet.db.xlen(fleet.keys.requests) == 0, "it has left the queue")


@pytest.mark.parametrize("make", [lambda db, key: db.set(key, "mine"),
                                  lambda db, key: db.hset(key, "a", "b"),
                                  lambda db, key: db.sadd(key, "a")])
def test_a_callback_of_another_type_is_left_alone_and_the_request_put_on_dead(fleet, make):
    request_id = f"type-{len(fleet.dead())}"
    key = fleet.keys.reply(request_id)
    make(fleet.db, key)
    before = fleet.db.dump(key)
    fleet.submit(request_id=request_id, stream=True, progress=True)
    wait_until(lambda: any(e["request_id"] == request_id for e in fleet.dead()), "it is on P:dead")
    assert fleet.db.dump(key) == before
    wait_until(lambda: fleet.job(request_id)["state"] == "done", "it has ended")
    fleet.db.delete(key)


def test_a_repeated_callback_is_answered_nowhere_or_refused(fleet):
    fleet.submit_raw(prompt(("request_id", "cc"), ("callback", fleet.keys.reply("cc")),
                            ("callback", fleet.keys.reply("dd"))))
    wait_until(lambda: fleet.db.xlen(fleet.keys.requests) == 0, "it has left the queue")
    wait_until(lambda: any(e.get("request_id") == "cc" for e in fleet.dead())
               or fleet.entries("cc").end, "it has ended")


def test_what_ollama_refuses_with_400_is_invalid_request(cluster):
    sims = [cluster.sim(), cluster.sim()]
    cluster.router(placement="no")  # a model loaded ahead of need is a question to Ollama too
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
        sim.fault("status=notools400")
    reply = cluster.ask(prompt="hi", metadata="m")
    assert reply.code == "invalid_request" and "does not support tools" in reply.error
    assert reply.attempt == 1 and reply.end["node"] in ("pi-1", "pi-2")
    assert sims[0].asked() + sims[1].asked() == 1


def test_a_model_that_no_node_has_is_unknown_after_model_wait(fleet):
    start = fleet.db.time()
    reply = fleet.ask(model="nobody-has:1b", prompt="hi", metadata="m")
    end = fleet.db.time()
    assert reply.code == "unknown_model" and "nobody-has:1b" in reply.error
    assert (end[0] - start[0]) + (end[1] - start[1]) / 1e6 >= 1.9


def test_a_fleet_that_boots_within_model_wait_is_no_error(cluster):
    cluster.router(model_wait="20s")
    request_id = cluster.submit(prompt="hi")
    wait_until(lambda: cluster.db.xpending(cluster.keys.requests, "inference-routers")["pending"],
               "the router has it")
    cluster.worker("pi-1", cluster.sim())
    assert cluster.read_reply(request_id).text


def test_an_answer_over_reply_max_is_reply_too_large(cluster):
    sim = cluster.sim("gemma3:1b,load=1ms,gen_tps=20000,prompt_tps=1e6,tokens=3000",
                      "nomic-embed-text,load=1ms,dim=4096")
    cluster.router()
    cluster.worker("pi-1", sim, reply_max="4KiB")
    for fields in ({"prompt": "hi"}, {}, {"prompt": "hi", "stream": True},
                   {"model": "nomic-embed-text", "input": ["hi"]}):
        reply = cluster.ask(**fields)
        assert reply.code == "reply_too_large", fields
    assert sim.asked() == 4  # no node would do better


def test_a_full_queue_is_queue_full(cluster):
    cluster.router(max_queue=5, window=2)
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    running = cluster.submit(prompt="hi")
    cluster.wait_running(running)
    asked = [cluster.submit(prompt="hi", metadata=f"m{i}") for i in range(10)]
    codes = {}
    wait_until(lambda: sum(1 for r in asked if cluster.entries(r).end) >= 5, "five are refused")
    for request_id in asked:
        end = cluster.entries(request_id).end
        codes[request_id] = end and end["code"]
    assert list(codes.values()) == [None] * 5 + ["queue_full"] * 5  # the newest beyond the limit
    for request_id in [running] + asked:
        cluster.cancel(request_id)
    for request_id in [running] + asked:
        cluster.read_reply(request_id)
    cluster.assert_no_leftovers()


def test_the_fleet_works_on_after_all_of_this(fleet):
    assert fleet.ask(prompt="hi").text
    json.dumps(fleet.health("pi-1"))
    for daemon in fleet.daemons:
        assert daemon.rss_mib() < 400 and daemon.alive
