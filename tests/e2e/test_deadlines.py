"""timeout_ms counts from the entry's arrival in Redis: queued, loading or generating."""

import pytest

from cluster import SLOW_CHAT, wait_until
from process import SLOW


def took_ms(cluster, request_id):
    """From the arrival of the request (its event) to the terminal entry, in Redis time."""
    stream = cluster.db.xrange(cluster.keys.reply(request_id))
    return int(stream[-1][0].split("-")[0])


def now_ms(cluster):
    seconds, micros = cluster.db.time()
    return seconds * 1000 + micros // 1000


def node(cluster, model=SLOW_CHAT, **router):
    sim = cluster.sim(model)
    cluster.router(**router)
    cluster.worker("pi-1", sim)
    return sim


def check_ended(cluster, request_id, start_ms, timeout_ms):
    reply = cluster.read_reply(request_id, 8)
    assert reply.code == "deadline_exceeded"
    took = took_ms(cluster, request_id) - start_ms
    assert timeout_ms - 5 <= took <= timeout_ms + 1500 * SLOW, took
    return reply


def test_a_deadline_passes_while_it_is_queued(cluster):
    sim = node(cluster)
    running = cluster.submit(prompt="long")
    cluster.wait_running(running)
    start = now_ms(cluster)
    request_id = cluster.submit(prompt="late", timeout_ms=500, metadata="m")
    reply = check_ended(cluster, request_id, start, 500)
    assert "node" not in reply.end and sim.asked() == 1
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()


def test_a_deadline_passes_on_the_nodes_stream(cluster):
    sim = node(cluster, prefetch=1)
    running = cluster.submit(prompt="long")
    cluster.wait_running(running)
    start = now_ms(cluster)
    request_id = cluster.submit(prompt="late", timeout_ms=700)
    cluster.wait_state(request_id, "routed")
    check_ended(cluster, request_id, start, 700)
    assert sim.asked() == 1
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("what,model,fault", [
    ("loading", "gemma3:1b,load=60s", None),
    ("evaluating the prompt", SLOW_CHAT, "slow-prefill=60s"),
    ("generating", SLOW_CHAT, None),
    ("hanging", SLOW_CHAT, "hang-after=2")])
def test_a_deadline_passes_at_the_node_and_closes_the_connection(cluster, what, model, fault):
    sim = node(cluster, model)
    if fault:
        sim.fault(fault)
    start = now_ms(cluster)
    timeout_ms = 800 * SLOW  # enough to reach the node, too little for what it does there
    request_id = cluster.submit(prompt="late", timeout_ms=timeout_ms, stream=True)
    reply = check_ended(cluster, request_id, start, timeout_ms)
    assert reply.end["node"] == "pi-1" and sim.asked() == 1, what
    wait_until(lambda: sim.running() == 0 or fault, "the simulator works for nobody")
    cluster.assert_no_leftovers()


def test_a_request_that_names_no_timeout_gets_the_default(cluster):
    node(cluster, default_timeout="600ms")
    start = now_ms(cluster)
    check_ended(cluster, cluster.submit(prompt="late"), start, 600)
    assert cluster.read_reply(cluster.submit(prompt="x", timeout_ms=900), 8).code == \
        "deadline_exceeded"


def test_time_counts_from_the_arrival_even_if_no_router_was_there(cluster):
    sim = cluster.sim()
    worker = cluster.new_worker("pi-1", sim).start()
    cluster.wait_available("pi-1")
    start = now_ms(cluster)
    late = cluster.submit(prompt="late", timeout_ms=300)
    in_time = cluster.submit(prompt="in time", timeout_ms=60000)
    wait_until(lambda: now_ms(cluster) > start + 400, "its time is over")
    cluster.router()
    assert cluster.read_reply(late).code == "deadline_exceeded"
    assert cluster.read_reply(in_time).text
    assert sim.asked() == 1 and worker.alive


def test_retries_do_not_extend_the_deadline(cluster):
    sim = node(cluster, max_attempts=20)
    sim.fault("hang-after=0")
    cluster.daemon("pi-1").stop()
    cluster.worker("pi-1", sim, first_byte_timeout="300ms", stall_timeout="300ms")
    start = now_ms(cluster)
    check_ended(cluster, cluster.submit(prompt="late", timeout_ms=1500), start, 1500)
    cluster.assert_no_leftovers()


def test_a_deadline_that_is_far_away_does_not_matter(cluster):
    node(cluster, "gemma3:1b,load=1ms,gen_tps=2000,tokens=5")
    assert cluster.ask(prompt="hi", timeout_ms=86400000).text
