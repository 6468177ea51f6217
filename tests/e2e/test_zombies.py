"""Processes that freeze and come back, and two processes under one name."""

import pytest

import acl
from cluster import wait_until
from lossy import Lossy
from process import SLOW

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"
QUICK_TO_JUDGE = {"node_late": f"{SLOW}s", "node_lost": f"{2 * SLOW}s"}


def two_nodes(cluster, model=HALF_SECOND, **router):
    sims = [cluster.sim(model) for _ in range(2)]
    cluster.router(**{**QUICK_TO_JUDGE, **router})
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    return sims


def test_a_frozen_worker_that_comes_back_writes_nothing_more(cluster):
    sims = two_nodes(cluster)
    request_id = cluster.submit(prompt="hi", stream=True)
    node = cluster.wait_running(request_id)
    wait_until(lambda: cluster.entries(request_id).chunks, "chunks are there")
    zombie = cluster.daemon(node)
    zombie.freeze()
    reply = cluster.read_reply(request_id)
    assert reply.node != node and reply.attempt == 2
    zombie.thaw()
    cluster.wait_available(node)
    wait_until(lambda: sims[int(node[-1]) - 1].running() == 0, "the zombie has dropped it")
    wait_until(lambda: cluster.health(node)["in_flight"] == 0, "and knows that")
    cluster.assert_no_leftovers()
    assert len(cluster.events(event="done", request_id=request_id)) == 1
    for _ in range(4):
        assert cluster.ask(prompt="hi").text


def test_a_frozen_worker_gets_no_work_while_it_is_late_and_keeps_what_it_has(cluster):
    sims = [cluster.sim(HALF_SECOND) for _ in range(2)]
    cluster.router(node_late="1s", node_lost="60s")
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    held = cluster.submit(prompt="hi")
    node = cluster.wait_running(held)
    other = {"pi-1": "pi-2", "pi-2": "pi-1"}[node]
    cluster.daemon(node).freeze()
    last = cluster.health(node)["last_seen_ms"]

    def late():
        seconds, micros = cluster.db.time()
        return seconds * 1000 + micros // 1000 > last + 1300
    wait_until(late, "it is late")
    for _ in range(4):
        assert cluster.ask(prompt="hi").node == other
    assert cluster.job(held)["node"] == node and not cluster.entries(held).end
    cluster.daemon(node).thaw()
    reply = cluster.read_reply(held)
    assert reply.node == node and reply.attempt == 1
    cluster.assert_no_leftovers()


def test_a_frozen_router_that_comes_back_does_no_harm(cluster):
    two_nodes(cluster)
    cluster.router("router-2", **QUICK_TO_JUDGE)
    asked = [cluster.submit(prompt="hi") for _ in range(10)]
    cluster.daemon("router-1").freeze()
    for request_id in asked:
        cluster.read_reply(request_id, 20)
    cluster.daemon("router-1").thaw()
    more = [cluster.submit(prompt="hi") for _ in range(4)]
    for request_id in more:
        cluster.read_reply(request_id)
    cluster.assert_no_leftovers()
    assert len(cluster.events(event="done")) == 14


def test_of_two_workers_under_one_node_id_the_older_stops(cluster):
    sims = [cluster.sim(HALF_SECOND) for _ in range(2)]
    cluster.router()
    older = cluster.worker("pi-1", sims[0])
    request_id = cluster.submit(prompt="hi")
    cluster.wait_running(request_id)
    epoch = int(cluster.db.get(cluster.keys.epoch("pi-1")))
    newer = cluster.new_worker("pi-1", sims[1]).start()
    assert older.wait(10) == 2  # RestartPreventExitStatus: started again, each would fence the other for ever
    assert newer.alive
    assert cluster.read_reply(request_id).done["node"] == "pi-1"
    assert cluster.ask(prompt="hi").text
    assert int(cluster.db.get(cluster.keys.epoch("pi-1"))) == epoch + 1
    cluster.assert_no_leftovers()


@pytest.mark.skipif(acl.IS_ON, reason="the users come by a port")
def test_a_worker_that_its_own_registration_may_have_fenced_may_be_started_again(cluster):
    """The answer to a registration was lost: it may have reached Redis after the one that was sent then."""
    lossy = Lossy(cluster.redis.socket, cluster.path("lossy.sock"), b"$2\r\nok\r\n:", 1)
    worker = cluster.new_worker("pi-1", cluster.sim(HALF_SECOND), redis=f"unix://{lossy.path}",
                                redis_password_file=None).start()
    wait_until(lambda: (cluster.health("pi-1") or {}).get("epoch")
               == int(cluster.db.get(cluster.keys.epoch("pi-1")) or -1), "it has registered anew")
    cluster.db.incr(cluster.keys.epoch("pi-1"))
    assert worker.wait(10) == 1
    lossy.close()


def test_two_routers_under_one_id_answer_each_request_once(cluster):
    two_nodes(cluster)
    cluster.new_router("router-1", **QUICK_TO_JUDGE).start()
    asked = [cluster.submit(prompt="hi") for _ in range(10)]
    for request_id in asked:
        assert cluster.read_reply(request_id).attempt == 1
    cluster.assert_no_leftovers()
