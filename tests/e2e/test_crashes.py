"""Whatever dies: each accepted request gets exactly one terminal entry (docs/protocol.md 3, 4)."""

import pytest

from cluster import GROUP_ROUTERS, SLOW_CHAT, wait_until
from process import SLOW

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"
QUICK_TO_JUDGE = {"node_late": f"{SLOW}s", "node_lost": f"{2 * SLOW}s"}


def two_nodes(cluster, model=HALF_SECOND, **router):
    sims = [cluster.sim(model) for _ in range(2)]
    cluster.router(**{**QUICK_TO_JUDGE, **router})
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    return sims


def test_a_worker_killed_while_generating_is_replaced_by_another(cluster):
    two_nodes(cluster)
    request_id = cluster.submit(prompt="hi", stream=True, progress=True)
    node = cluster.wait_running(request_id)
    wait_until(lambda: cluster.entries(request_id).chunks, "chunks are there")
    cluster.daemon(node).kill()
    reply = cluster.read_reply(request_id)
    assert reply.node != node and reply.attempt == 2 and "retrying" in reply.states
    assert {e["attempt"] for e in reply.chunks} == {"1", "2"}
    cluster.assert_no_leftovers()


def test_what_a_killed_worker_had_not_started_counts_as_no_attempt(cluster):
    sims = [cluster.sim(SLOW_CHAT), cluster.sim(HALF_SECOND)]
    cluster.router(prefetch=1, **QUICK_TO_JUDGE)
    worker = cluster.worker("pi-1", sims[0])
    started = cluster.submit(prompt="hi")
    cluster.wait_running(started)
    waiting = cluster.submit(prompt="hi")
    cluster.wait_state(waiting, "routed")
    worker.kill()
    cluster.worker("pi-2", sims[1])
    assert cluster.read_reply(waiting).attempt == 1
    assert cluster.read_reply(started).attempt == 2
    cluster.assert_no_leftovers()


def test_a_worker_that_restarts_at_once_takes_up_its_own_pending_work(cluster):
    sim = cluster.sim(HALF_SECOND)
    cluster.router()
    worker = cluster.worker("pi-1", sim)
    request_id = cluster.submit(prompt="hi")
    cluster.wait_running(request_id)
    worker.kill()
    worker.start()
    reply = cluster.read_reply(request_id)
    assert reply.node == "pi-1" and reply.attempt == 2
    cluster.assert_no_leftovers()


def test_a_request_that_kills_each_worker_ends_as_attempts_exhausted(cluster):
    """A poison request may not run for ever."""
    sim = cluster.sim(SLOW_CHAT)
    cluster.router()
    worker = cluster.worker("pi-1", sim)
    request_id = cluster.submit(prompt="poison")
    for attempt in ("1", "2", "3"):
        wait_until(lambda: cluster.job(request_id).get("attempt") == attempt
                   and cluster.job(request_id)["state"] == "running", f"attempt {attempt} runs")
        worker.kill()
        worker.start()
    assert cluster.read_reply(request_id).code == "attempts_exhausted"
    assert [e["request_id"] for e in cluster.dead()] == [request_id]
    cluster.assert_no_leftovers()


def test_a_router_killed_with_a_full_queue_loses_nothing(cluster):
    two_nodes(cluster)
    asked = [cluster.submit(prompt="hi") for _ in range(8)]
    cluster.wait_running(asked[0])
    router = cluster.daemon("router-1")
    router.kill()
    asked += [cluster.submit(prompt="hi") for _ in range(2)]
    router.start()
    for request_id in asked:
        assert cluster.read_reply(request_id).attempt == 1
    cluster.assert_no_leftovers()


def test_another_router_takes_over_what_a_dead_one_held(cluster):
    two_nodes(cluster, window=100)
    asked = [cluster.submit(prompt="hi") for _ in range(8)]
    cluster.wait_running(asked[0])
    wait_until(lambda: consumers(cluster).get("router-1", 0) >= 4, "router-1 holds some")
    cluster.router("router-2", **QUICK_TO_JUDGE)
    cluster.daemon("router-1").kill()
    for request_id in asked:
        assert cluster.read_reply(request_id, 20).attempt == 1
    wait_until(lambda: "router-1" not in consumers(cluster), "its consumer is deleted")
    assert not cluster.db.hexists(cluster.keys.routers, "router-1")
    cluster.assert_no_leftovers()


def consumers(cluster):
    found = cluster.db.xinfo_consumers(cluster.keys.requests, GROUP_ROUTERS)
    return {c["name"]: c["pending"] for c in found}


def test_router_and_worker_killed_together_lose_nothing(cluster):
    two_nodes(cluster)
    asked = [cluster.submit(prompt="hi") for _ in range(6)]
    node = cluster.wait_running(asked[0])
    cluster.daemon("router-1").kill()
    cluster.daemon(node).kill()
    cluster.daemon("router-1").start()
    for request_id in asked:
        cluster.read_reply(request_id, 20)
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("times", [1, 3])
def test_redis_killed_with_an_append_only_file_loses_nothing(new_cluster, times):
    cluster = new_cluster(aof=True)
    two_nodes(cluster)
    asked = []
    for _ in range(times):
        asked += [cluster.submit(prompt="hi", stream=True) for _ in range(4)]
        cluster.wait_running(asked[-4])
        cluster.redis.kill()
        cluster.redis.start()
    for request_id in asked:
        cluster.read_reply(request_id, 20)
    cluster.assert_no_leftovers()


def test_nobody_is_judged_lost_by_what_a_restarted_redis_remembers(new_cluster):
    """Heartbeats are not in the append-only file: after a restart every last_seen is old."""
    cluster = new_cluster(aof=True)
    sim = cluster.sim("gemma3:1b,load=1ms,gen_tps=10,prompt_tps=1e6,tokens=60")
    cluster.router(**QUICK_TO_JUDGE)
    cluster.worker("pi-1", sim)
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 2500 * SLOW, "it is old")
    request_id = cluster.submit(prompt="hi")
    cluster.wait_running(request_id)
    cluster.redis.kill()
    cluster.redis.start()
    assert cluster.read_reply(request_id, 30).attempt == 1
    assert sim.asked() == 1


def test_a_redis_that_comes_back_empty_is_used_again(cluster):
    two_nodes(cluster)
    cluster.submit(prompt="gone")
    cluster.redis.kill()
    cluster.redis.forget_everything()
    cluster.redis.start()
    cluster.wait_available("pi-1")
    cluster.wait_available("pi-2")
    for _ in range(4):
        assert cluster.ask(prompt="hi").text
    cluster.assert_no_leftovers()
