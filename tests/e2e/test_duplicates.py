"""request_id is the idempotency key: an id seen within response_ttl never runs twice."""

from cluster import SLOW_CHAT, wait_until


def test_a_second_entry_with_the_same_id_is_dropped_while_the_first_runs(cluster):
    sim = cluster.sim("gemma3:1b,load=1ms,gen_tps=40,tokens=20")
    cluster.router()
    cluster.worker("pi-1", sim)
    cluster.submit(request_id="same", prompt="one")
    cluster.wait_running("same")
    cluster.submit(request_id="same", prompt="one")
    wait_until(lambda: cluster.events(event="duplicate", request_id="same"), "it is noticed")
    reply = cluster.read_reply("same")
    assert reply.text and sim.asked() == 1
    cluster.assert_no_leftovers()


def test_a_second_entry_is_dropped_after_the_first_has_ended(cluster):
    (sim,) = cluster.fleet(1)
    cluster.ask(request_id="same", prompt="one")
    cluster.submit(request_id="same", prompt="two")
    wait_until(lambda: cluster.events(event="duplicate", request_id="same"), "it is noticed")
    cluster.assert_no_leftovers()
    assert sim.asked() == 1


def test_of_ten_entries_at_once_one_runs(cluster):
    cluster.router("router-1")
    cluster.router("router-2")
    sims = [cluster.sim() for _ in range(2)]
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    pipe = cluster.db.pipeline(transaction=True)
    for _ in range(10):
        cluster.submit(_db=pipe, request_id="same", prompt="hi")
    pipe.execute()
    assert cluster.read_reply("same").text
    wait_until(lambda: len(cluster.events(event="duplicate", request_id="same")) == 9, "nine drop")
    assert sum(sim.asked() for sim in sims) == 1
    cluster.assert_no_leftovers()


def test_a_refused_request_is_remembered_too(cluster):
    cluster.fleet(1)
    cluster.submit_raw([("request_id", "same"), ("model", "gemma3:1b")])
    assert cluster.read_reply("same").code == "invalid_request"
    cluster.submit(request_id="same", prompt="now it is right")
    wait_until(lambda: cluster.events(event="duplicate", request_id="same"), "it is noticed")
    cluster.assert_no_leftovers()


def test_a_broken_duplicate_does_not_end_the_request_that_runs(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=1ms,gen_tps=40,tokens=20"))
    cluster.submit(request_id="same", prompt="one")
    cluster.wait_running("same")
    cluster.submit_raw([("request_id", "same"), ("model", "gemma3:1b")])
    cluster.submit_raw([("request_id", "same"), ("model", "gemma3:1b"), ("prompt", "x"),
                        ("attempt", "2"), ("origin_id", "1-1"), ("submitted_ms", "1"),
                        ("deadline_ms", "99999999999999")])
    wait_until(lambda: cluster.db.xlen(cluster.keys.requests) == 0, "both are gone")
    assert cluster.read_reply("same").text
    cluster.assert_no_leftovers()


def test_an_id_can_be_used_again_after_response_ttl(cluster):
    sim = cluster.sim()
    cluster.router(response_ttl="1s")
    cluster.worker("pi-1", sim)
    cluster.ask(request_id="same", prompt="one")
    wait_until(lambda: not cluster.db.exists(cluster.keys.job("same"), cluster.keys.reply("same")),
               "job and reply have expired")
    cluster.read.clear()
    assert cluster.ask(request_id="same", prompt="two").text
    assert sim.asked() == 2


def test_a_client_that_waits_in_vain_may_send_the_same_again(cluster):
    """Section 4, end: no terminal entry by the deadline: the same request under the same id."""
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    first = cluster.submit(prompt="long")
    cluster.wait_running(first)
    cluster.submit(request_id="again", prompt="hi", timeout_ms=400)
    assert cluster.read_reply("again").code == "deadline_exceeded"
    cluster.cancel(first)
    cluster.read_reply(first)
