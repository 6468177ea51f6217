"""Nodes that take no new work: drained, stopping, hot, out of memory."""

import pytest

from cluster import CHAT, SLOW_CHAT, wait_until
from process import SLOW, stays_true

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"


def two_nodes(cluster, model=CHAT, **worker):
    sims = [cluster.sim(model) for _ in range(2)]
    cluster.router()
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim, **worker)
    return sims


def drain(cluster, node, op="drain"):
    cluster.control(op=op, node=node)
    wait_until(lambda: cluster.db.sismember(cluster.keys.drained, node) == (op == "drain"),
               f"{op} of {node} is applied")


def test_a_drained_node_ends_what_it_runs_and_gets_nothing_new(cluster):
    two_nodes(cluster, HALF_SECOND)
    running = cluster.submit(prompt="hi")
    node = cluster.wait_running(running)
    other = {"pi-1": "pi-2", "pi-2": "pi-1"}[node]
    drain(cluster, node)
    assert cluster.read_reply(running).node == node
    for _ in range(3):
        assert cluster.ask(prompt="hi").node == other
    wait_until(lambda: cluster.health(node)["reason"] == "draining", "health says why")
    assert cluster.health(node)["available"] is False
    drain(cluster, node, "undrain")
    cluster.wait_available(node)
    asked = [cluster.submit(prompt="hi") for _ in range(4)]
    assert {cluster.read_reply(r).node for r in asked} == {"pi-1", "pi-2"}


def test_a_drain_survives_restarts_of_everything(new_cluster):
    cluster = new_cluster(aof=True)
    two_nodes(cluster)
    drain(cluster, "pi-1")
    for daemon in cluster.daemons:
        assert daemon.stop() == 0
    cluster.redis.kill()
    cluster.redis.start()
    for daemon in cluster.daemons:
        daemon.start()
    cluster.wait_available("pi-2")
    for _ in range(3):
        assert cluster.ask(prompt="hi").node == "pi-2"
    wait_until(lambda: cluster.health("pi-1")["reason"] == "draining", "pi-1 knows")
    drain(cluster, "pi-1", "undrain")
    cluster.wait_available("pi-1")


def test_what_a_drained_node_has_not_started_goes_elsewhere(cluster):
    sims = [cluster.sim(SLOW_CHAT), cluster.sim(CHAT)]
    cluster.router(prefetch=1)
    cluster.worker("pi-1", sims[0])
    running = cluster.submit(prompt="long")
    cluster.wait_running(running)
    waiting = cluster.submit(prompt="hi")
    cluster.wait_state(waiting, "routed")
    cluster.worker("pi-2", sims[1])
    drain(cluster, "pi-1")
    reply = cluster.read_reply(waiting)
    assert reply.node == "pi-2" and reply.attempt == 1
    assert cluster.job(running)["state"] == "running"
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()


def test_a_drained_fleet_keeps_requests_until_their_deadline(cluster):
    two_nodes(cluster)
    drain(cluster, "pi-1")
    drain(cluster, "pi-2")
    late = cluster.submit(prompt="hi", timeout_ms=700)
    kept = cluster.submit(prompt="hi")
    assert cluster.read_reply(late).code == "deadline_exceeded"
    drain(cluster, "pi-2", "undrain")
    assert cluster.read_reply(kept).node == "pi-2"


def test_a_worker_told_to_stop_finishes_what_it_runs(cluster):
    two_nodes(cluster, HALF_SECOND, drain_timeout="10s")
    running = cluster.submit(prompt="hi", stream=True)
    node = cluster.wait_running(running)
    worker = cluster.daemon(node)
    worker.signal(15)
    wait_until(lambda: not cluster.health(node) or cluster.health(node)["reason"] == "stopping",
               "health says so")
    more = [cluster.submit(prompt="hi") for _ in range(2)]
    assert cluster.read_reply(running).node == node
    assert worker.wait() == 0
    assert cluster.health(node) is None
    assert not cluster.db.exists(cluster.keys.node(node))
    for request_id in more:
        assert cluster.read_reply(request_id).node != node
    assert cluster.events(event="node_down", node=node)
    cluster.assert_no_leftovers()


def test_what_lasts_longer_than_drain_timeout_is_given_back(cluster):
    sims = [cluster.sim(SLOW_CHAT), cluster.sim(CHAT)]
    cluster.router(prefetch=1)
    worker = cluster.worker("pi-1", sims[0], drain_timeout="700ms")
    running = cluster.submit(prompt="hi", stream=True)
    cluster.wait_running(running)
    waiting = cluster.submit(prompt="hi")
    cluster.wait_state(waiting, "routed")
    cluster.worker("pi-2", sims[1])
    worker.signal(15)
    assert cluster.read_reply(waiting).attempt == 1
    assert worker.wait(5) == 0
    assert cluster.read_reply(running).node == "pi-2"
    cluster.assert_no_leftovers()


def test_a_second_sigterm_stops_at_once(cluster):
    sim = cluster.sim(SLOW_CHAT)
    cluster.router()
    worker = cluster.worker("pi-1", sim, drain_timeout="60s")
    running = cluster.submit(prompt="hi")
    cluster.wait_running(running)
    worker.signal(15)
    wait_until(lambda: cluster.health("pi-1")["reason"] == "stopping", "it drains")
    stays_true(lambda: worker.alive, "it waits for the request", 0.5)
    worker.signal(15)
    worker.wait(3)
    worker.killed = True


def test_a_router_told_to_stop_leaves_its_queue_to_the_others(cluster):
    two_nodes(cluster, HALF_SECOND)
    asked = [cluster.submit(prompt="hi") for _ in range(8)]
    cluster.wait_running(asked[0])
    assert cluster.daemon("router-1").stop(5) == 0
    cluster.router("router-2")
    for request_id in asked:
        assert cluster.read_reply(request_id, 20).attempt == 1
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("alone", ["redis", "ollama"])
def test_a_stop_does_not_wait_for_what_is_not_there(cluster, alone):
    sim = cluster.sim()
    cluster.router()
    worker = cluster.worker("pi-1", sim)
    (cluster.redis if alone == "redis" else sim).kill()
    assert worker.stop(8) in (0, 1)
    assert cluster.daemon("router-1").stop(8) in (0, 1)
    for daemon in cluster.daemons:
        daemon.killed = True


def hot_lines(worker):
    return [line for line in worker.log.splitlines()
            if "event=availability" in line and 'to="hot"' in line]


def test_a_hot_node_rests_until_it_has_cooled_down(cluster):
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sim(), log_level="info")
    cluster.worker("pi-2", cluster.sim())
    worker.root.set(temp=74.9)
    wait_until(lambda: cluster.health("pi-1")["temp_c"] == 74.9, "it is read")
    assert cluster.is_available("pi-1")
    worker.root.set(temp=76)
    cluster.wait_available("pi-1", False)
    assert cluster.health("pi-1")["reason"] == "hot"
    for _ in range(3):
        assert cluster.ask(prompt="hi").node == "pi-2"
    wait_until(lambda: cluster.events(event="node_hot", node="pi-1"), "an event tells it")
    worker.root.set(temp=71)
    wait_until(lambda: cluster.health("pi-1")["temp_c"] == 71, "it is read")
    stays_true(lambda: not cluster.is_available("pi-1"), "it rests until 70 C", 0.5)
    told = len(hot_lines(worker))
    worker.root.set(temp=70)
    cluster.wait_available("pi-1")
    assert told == 1, hot_lines(worker)  # one line with the reading for each change
    assert "temp_c=76.0" in hot_lines(worker)[0]
    wait_until(lambda: 'from="hot" to="ok" temp_c=70.0' in worker.log, "the log tells it is cool")


def test_a_node_whose_memory_is_full_rests(cluster):
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sim())
    cluster.worker("pi-2", cluster.sim())
    worker.root.set(ram_used_pct=91)
    cluster.wait_available("pi-1", False)
    assert cluster.health("pi-1")["reason"] == "memory"
    for _ in range(3):
        assert cluster.ask(prompt="hi").node == "pi-2"
    worker.root.set(ram_used_pct=50)
    cluster.wait_available("pi-1")


def test_what_a_node_runs_goes_on_when_it_gets_hot(cluster):
    sim = cluster.sim(HALF_SECOND)
    cluster.router()
    worker = cluster.worker("pi-1", sim)
    running = cluster.submit(prompt="hi")
    cluster.wait_running(running)
    worker.root.set(temp=80)
    cluster.wait_available("pi-1", False)
    waiting = cluster.submit(prompt="hi")
    assert cluster.read_reply(running).attempt == 1
    stays_true(lambda: not cluster.entries(waiting).end, "it waits", 0.5)
    worker.root.set(temp=60)
    assert cluster.read_reply(waiting).attempt == 1


@pytest.mark.parametrize("limit,cool", [({"temp_max": "40C"}, {"temp": 39}),
                                        ({"ram_max": "30%"}, {"ram_used_pct": 20})])
def test_the_router_has_limits_of_its_own(cluster, limit, cool):
    cluster.router(**limit)
    worker = cluster.worker("pi-1", cluster.sim())
    request_id = cluster.submit(prompt="hi")
    stays_true(lambda: not cluster.job(request_id), "it stays in the queue", 1)
    assert cluster.is_available("pi-1")
    worker.root.set(**cool)
    assert cluster.read_reply(request_id).node == "pi-1"


def test_a_node_that_is_silent_for_node_forget_is_forgotten(cluster):
    cluster.router(node_late="1s", node_lost=f"{2 * SLOW}s", node_forget=f"{3 * SLOW}s")
    cluster.worker("pi-1", cluster.sim())
    gone = cluster.worker("pi-2", cluster.sim())
    gone.kill()
    wait_until(lambda: cluster.events(event="node_down", node="pi-2"), "an event tells it")
    wait_until(lambda: cluster.health("pi-2") is None, "it is forgotten", 15)
    assert cluster.health("pi-1") and not cluster.db.exists(cluster.keys.node("pi-2"))


def test_a_node_comes_up_with_an_event(cluster):
    two_nodes(cluster)
    assert {e["node"] for e in cluster.events(event="node_up")} == {"pi-1", "pi-2"}
