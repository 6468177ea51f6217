"""The checker that every reply in these tests goes through finds what it has to find."""

import json

import pytest

from cluster import Cluster
from protocol import BrokenReply, check_reply

BASE = {"request_id": "r1", "attempt": "1"}


def chunk(seq, text, **more):
    return {**BASE, "type": "chunk", "seq": str(seq),
            "response": json.dumps({"response": text, "done": False}), **more}


def done(text, **more):
    return {**BASE, "type": "done", "node": "n", "model": "m", "queued_ms": "1", "run_ms": "2",
            "response": json.dumps({"response": text, "done": True}), **more}


def error(**more):
    return {**BASE, "type": "error", "code": "cancelled", "error": "It was cancelled.",
            "retryable": "0", **more}


def status(state, **more):
    return {**BASE, "type": "status", "state": state, **more}


def without(entry, field):
    return {k: v for k, v in entry.items() if k != field}


GOOD = {
    "done": [done("ab")],
    "chunks": [chunk(0, "a"), chunk(1, "b"), done("ab")],
    "second attempt": [chunk(0, "x"), chunk(0, "ab", attempt="2"), done("ab", attempt="2")],
    "status": [status("queued", position="0", eta_ms="5"), status("routed", node="n"), done("")],
    "error": [error()],
    "unfinished": [chunk(0, "a")],
}
BROKEN = {
    "two ends": [done("a"), error()],
    "chunk after the end": [done("a"), chunk(0, "a")],
    "no attempt": [without(done("a"), "attempt")],
    "no request_id": [without(done("a"), "request_id")],
    "foreign request_id": [done("a", request_id="r2")],
    "gap": [chunk(0, "a"), chunk(2, "b"), done("ab")],
    "does not begin at 0": [chunk(1, "a"), done("a")],
    "seq goes on in the next attempt": [chunk(0, "a"), chunk(1, "a", attempt="2")],
    "attempt goes back": [chunk(0, "a", attempt="2"), chunk(0, "a")],
    "text differs": [chunk(0, "a"), done("ab")],
    "unknown type": [{**BASE, "type": "note"}],
    "unknown state": [status("waiting")],
    "routed without node": [status("routed")],
    "queued without position": [status("queued", eta_ms="5")],
    "unknown code": [error(code="oops")],
    "wrong retryable": [error(retryable="1")],
    "no sentence": [error(error="")],
    "surplus field": [done("a", cost="5")],
    "done without node": [without(done("a"), "node")],
    "empty dropped": [done("a", dropped="")],
    "not done": [done("a", response='{"done":false}')],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_reply_passes(name):
    assert check_reply(GOOD[name], "r1").entries == GOOD[name]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reply_is_noticed(name):
    with pytest.raises(BrokenReply):
        check_reply(BROKEN[name], "r1")


def test_what_was_not_asked_for_is_noticed():
    for entries in ([chunk(0, "a")], [status("routed", node="n")], [done("a", metadata="other")]):
        with pytest.raises(BrokenReply):
            check_reply(entries, "r1", {"request_id": "r1", "metadata": "mine"})
    check_reply([chunk(0, "a"), done("a")], "r1", {"request_id": "r1", "stream": "1"})


def test_pieces_may_end_early_only_where_that_is_said_and_only_at_the_end():
    check_reply([chunk(0, "a"), done("ab")], "r1", may_end_early=True)
    for entries, may_end_early in (([chunk(0, "a"), done("ab")], False), ([chunk(0, "b"), done("ab")], True)):
        with pytest.raises(BrokenReply):
            check_reply(entries, "r1", may_end_early=may_end_early)


def test_leftovers_and_late_entries_are_noticed(cluster: Cluster):
    cluster.assert_no_leftovers()
    stream = cluster.keys.reply("r1")
    cluster.db.xadd(stream, error())
    with pytest.raises(AssertionError, match="no TTL"):
        cluster._nothing_is_left()
    cluster.db.pexpire(stream, 60000)
    assert cluster.read_reply("r1").code == "cancelled"
    cluster.assert_no_leftovers()
    cluster.db.xadd(stream, chunk(0, "late"))
    with pytest.raises(AssertionError, match="after its terminal entry"):
        cluster.assert_nothing_after_the_end()
    cluster.db.delete(stream)
    cluster.db.xadd(cluster.keys.node("pi-1"), {"a": "b"})
    with pytest.raises(AssertionError):
        cluster._nothing_is_left()


def test_a_redis_with_an_append_only_file_survives_kill_9_and_can_be_emptied(new_cluster):
    cluster = new_cluster(aof=True)
    cluster.db.set("a", "b")
    cluster.redis.kill()
    cluster.redis.start()
    assert cluster.db.get("a") == "b"
    cluster.redis.kill()
    cluster.redis.forget_everything()
    cluster.redis.start()
    assert cluster.db.get("a") is None
