"""A client that may do nothing but XADD, and does its worst: everybody else is served on."""

import pytest
import redis

from cluster import SLOW_CHAT, wait_until

HIGHEST = f"{2**64 - 1}-{2**64 - 1}"


def skip_on_redis_8(hostile):
    """From there on XSETID takes no id below that of a deleted entry, and heal.lua leaves all alone."""
    if int(hostile.db.info("server")["redis_version"].split(".")[0]) >= 8:
        pytest.skip("Redis 8 cannot put the ids of a stream back")


@pytest.fixture
def hostile(new_cluster):
    """A fleet of one, and a client's connection under the shipped ACL."""
    cluster = new_cluster(users=True)
    cluster.fleet(1)
    cluster.enemy = cluster.redis.client("orion-client")
    return cluster


def served(cluster):
    return cluster.read_reply(cluster.submit(prompt="hi"), 20).text


def test_a_trimmed_stream_costs_only_what_waited(hostile):
    """XADD with MAXLEN 0: what no router has moved is gone, which no server can know of any more; what
    a node has is answered, and so is everything after it."""
    slow = "slow:1b" + SLOW_CHAT[SLOW_CHAT.index(","):]
    hostile.worker("pi-2", hostile.sim(slow))
    running = hostile.submit(model="slow:1b", prompt="hi", stream=True)
    hostile.wait_running(running)
    waiting = hostile.submit(model="slow:1b", prompt="hi")
    wait_until(lambda: hostile.db.xpending(hostile.keys.requests, "inference-routers")["pending"],
               "a router has read it")
    hostile.enemy.execute_command("XADD", hostile.keys.requests, "MAXLEN", "0", "*", "a", "b")
    assert hostile.db.xlen(hostile.keys.requests) == 0
    hostile.cancel(running)
    assert hostile.read_reply(running).code == "cancelled"
    assert served(hostile)
    del hostile.submitted[waiting]
    assert hostile.entries(waiting).end is None
    wait_until(lambda: not hostile.db.xpending(hostile.keys.requests, "inference-routers")["pending"],
               "the routers have forgotten it too", 20)
    hostile.submit(request_id=waiting, prompt="hi")  # as its client does that hears nothing
    assert hostile.read_reply(waiting).text


@pytest.mark.parametrize("entry_id", [HIGHEST, f"{2**64 - 1}-0", f"{4 * 10**12}-5"])
def test_the_highest_entry_id_closes_the_stream_for_a_moment_only(hostile, entry_id):
    skip_on_redis_8(hostile)
    before = hostile.submit(prompt="hi")
    hostile.enemy.execute_command("XADD", hostile.keys.requests, entry_id, "request_id", "evil",
                                  "model", "gemma3:1b", "prompt", "hi")

    def is_open():
        try:
            return hostile.submit(request_id="after", prompt="hi")
        except redis.exceptions.ResponseError:
            return False

    wait_until(is_open, "requests are taken again")
    assert hostile.read_reply("after").text
    assert hostile.read_reply(before).text
    hostile.read_reply("evil")  # which counts as any other
    wait_until(lambda: int(hostile.db.xinfo_stream(hostile.keys.requests)["last-generated-id"]
                           .split("-")[0]) < 4 * 10**12, "ids are of the clock again")
    assert served(hostile)


def test_the_highest_id_that_is_trimmed_in_the_same_moment_is_found_too(hostile):
    hostile.enemy.execute_command("XADD", hostile.keys.requests, "MAXLEN", "0", HIGHEST, "a", "b")

    def is_open():
        try:
            return hostile.submit(request_id="after", prompt="hi")
        except redis.exceptions.ResponseError:
            return False

    wait_until(is_open, "requests are taken again", 20)
    assert hostile.read_reply("after").text


def test_a_control_stream_that_was_closed_is_obeyed_again_once_it_is_deleted(hostile):
    """The highest id on P:control ends cancelling and draining until somebody deletes that stream, and no
    longer: routers and workers that read up to that id see what comes after it."""
    slow = "slow:1b" + SLOW_CHAT[SLOW_CHAT.index(","):]
    hostile.worker("pi-2", hostile.sim(slow))
    hostile.enemy.execute_command("XADD", hostile.keys.control, HIGHEST, "op", "cancel", "request_id", "x")
    wait_until(lambda: hostile.db.xinfo_groups(hostile.keys.control)[0]["last-delivered-id"] == HIGHEST,
               "the router has read it")
    with pytest.raises(redis.exceptions.ResponseError):
        hostile.cancel("y")
    hostile.db.delete(hostile.keys.control)
    request_id = hostile.submit(model="slow:1b", prompt="hi")
    hostile.wait_running(request_id)
    hostile.cancel(request_id)
    assert hostile.read_reply(request_id, 25).code == "cancelled"
    hostile.control(op="drain", node="pi-1")
    wait_until(lambda: hostile.db.smembers(hostile.keys.drained) == {"pi-1"}, "pi-1 is drained")

    def is_heard():  # by a worker, too: what is wished while it has not looked again is lost
        hostile.control(op="preload", node="pi-2", model="slow:1b")
        return hostile.events(event="preloaded", node="pi-2")

    wait_until(is_heard, "pi-2 hears of a wish", 20, pause=0.5)


def test_ten_thousand_fields_are_refused_in_words(hostile):
    many = [part for i in range(10_000) for part in (f"f{i}", "x")]
    for i, head in enumerate([("request_id", "many-0", "model", "gemma3:1b"), ()]):
        hostile.enemy.execute_command("XADD", hostile.keys.requests, "*", *head, *many)
        assert served(hostile), i
    end = hostile.read_reply("many-0").end
    assert end["code"] == "invalid_request" and "fields" in end["error"], end
    wait_until(lambda: any("request_bytes" in e for e in hostile.dead()), "the other is a dead letter")


@pytest.mark.parametrize("callback", ["orion:inference:requests", "orion:inference:requests:pi-1",
                                      "orion:inference:health", "another:application",
                                      "orion:inference:responses:", "orion:inference:responsesX:r"])
def test_a_forged_callback_is_written_by_nobody(hostile, callback):
    before = hostile.db.dump(callback) if hostile.db.type(callback) != "hash" else None
    hostile.enemy.xadd(hostile.keys.requests, {"request_id": "forged", "model": "gemma3:1b",
                                               "prompt": "hi", "callback": callback})
    wait_until(lambda: any(e.get("request_id") == "forged" for e in hostile.dead()), "a dead letter")
    assert served(hostile)
    if callback == "another:application":
        assert hostile.db.dump(callback) == before
    assert hostile.db.type(hostile.keys.health) == "hash"


def test_anothers_request_id_gets_no_second_answer(hostile):
    """Who guesses an id and comes first has its answer sent to the other; nobody gets two."""
    hostile.enemy.xadd(hostile.keys.requests, {"request_id": "victim", "model": "gemma3:1b",
                                               "prompt": "echo stolen"})
    hostile.submit(request_id="victim", prompt="echo mine")
    ends = [e for e in hostile.read_reply("victim").entries if e["type"] in ("done", "error")]
    assert len(ends) == 1
    wait_until(lambda: hostile.events(event="duplicate", request_id="victim"), "the copy is dropped")
    assert len([e for e in hostile.entries("victim").entries if e["type"] == "done"]) == 1


def test_an_answer_on_anothers_stream_names_the_request_it_belongs_to(hostile):
    """The callback may name any reply stream: a client must look at `request_id`."""
    hostile.enemy.xadd(hostile.keys.requests, {
        "request_id": "evil", "model": "gemma3:1b", "prompt": "echo false",
        "callback": hostile.keys.reply("victim")})
    wait_until(lambda: hostile.events(event="done", request_id="evil"), "it is answered there")
    hostile.submit(request_id="victim", prompt="echo true")
    wait_until(lambda: hostile.events(event="done", request_id="victim"), "and so is the victim")
    entries = [e for _, e in hostile.db.xrange(hostile.keys.reply("victim"))]
    mine = [e for e in entries if e["request_id"] == "victim"]
    assert len([e for e in mine if e["type"] in ("done", "error")]) == 1
    assert {e["request_id"] for e in entries} == {"victim", "evil"}


@pytest.mark.parametrize("field", ["client", "session", "model", "metadata", "request_id", "no such field"])
def test_what_a_client_writes_forges_no_log_line(hostile, field):
    attack = 'x\n2026-01-01T00:00:00Z error event=forged why="y"\r\n\x1b[31mred\x1b[0m\x00\u009b31m'
    request = {"request_id": "log-1", "model": "gemma3:1b", "prompt": "hi", field: attack}
    hostile.enemy.xadd(hostile.keys.requests, request)
    assert served(hostile)
    for daemon in hostile.daemons:
        for line in daemon.log.splitlines():
            assert not line.startswith("2026-01-01"), line
            assert "event=forged" not in line.split('"')[0], line
        with open(daemon.log_path, "rb") as file:
            text = file.read()
        assert not any(byte < 32 and byte != 10 for byte in text) and b"\xc2\x9b" not in text
