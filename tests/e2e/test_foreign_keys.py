"""Keys of the fleet that hold what they should not, and processes that share a name."""

from cluster import SLOW_CHAT, wait_until
from process import stays_true


def test_a_job_key_of_another_type_does_not_stop_its_request(cluster):
    cluster.fleet(1)
    for request_id in ("x1", "x2"):
        cluster.db.set(f"{cluster.keys.prefix}:job:{request_id}", "no job")
    assert cluster.ask(request_id="x1", prompt="hi").text
    assert cluster.ask(request_id="x2", model="absent:1b", timeout_ms=300).code == "deadline_exceeded"
    assert "foreign_job" in cluster.daemon("router-1").log


def test_a_job_key_that_is_overwritten_in_the_middle_harms_nobody(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    request_id = cluster.submit(prompt="hi", stream=True)
    cluster.wait_running(request_id)
    cluster.db.set(f"{cluster.keys.prefix}:job:{request_id}", "no job")
    stays_true(lambda: cluster.is_available("pi-1"), "the node keeps beating", 1.5)
    cluster.daemon("pi-1").kill()
    cluster.worker("pi-1", cluster.sim())
    reply = cluster.read_reply(request_id, 30)
    assert reply.text and reply.attempt == 2


def test_a_drained_key_of_another_type_drains_nobody(cluster):
    cluster.fleet(1)
    cluster.db.set(cluster.keys.drained, "no set")
    assert cluster.ask(prompt="hi").text
    stays_true(lambda: cluster.is_available("pi-1"), "the node keeps beating", 1)


def test_cancel_works_without_events(cluster):
    cluster.db.set(cluster.keys.events, "no stream")
    cluster.router()
    request_id = cluster.submit(prompt="hi")
    wait_until(lambda: cluster.db.xpending(cluster.keys.requests, "inference-routers")["pending"],
               "it is read")
    cluster.cancel(request_id)
    assert cluster.read_reply(request_id).code == "cancelled"


def test_who_writes_the_routers_fields_is_told_at_once(cluster):
    cluster.router()
    reply = cluster.ask(prompt="hi", attempt="2", origin_id="1-1")
    assert reply.code == "invalid_request" and "attempt" in reply.end["error"]


def test_what_only_a_dead_twin_knew_is_found(cluster):
    first = cluster.router("twin", model_wait="60s")
    second = cluster.new_router("twin", model_wait="60s").start()
    wait_until(lambda: "redis_ready" in second.log, "the twin is there")
    asked = [cluster.submit(prompt="hi") for _ in range(20)]
    wait_until(lambda: cluster.db.xpending(cluster.keys.requests, "inference-routers")["pending"] ==
               20, "all are read")
    first.kill()
    cluster.worker("pi-1", cluster.sim())
    for request_id in asked:
        assert cluster.read_reply(request_id, 30).text
    cluster.assert_no_leftovers()


def test_a_router_that_never_read_is_forgotten(cluster):
    cluster.router()
    cluster.db.hset(cluster.keys.routers, "ghost", '{"last_seen":1}')
    second = cluster.router("router-2")
    wait_until(lambda: not cluster.db.hexists(cluster.keys.routers, "ghost"), "it is gone", 30)
    assert second.alive


def test_a_full_queue_that_drains_meanwhile_loses_nothing(cluster):
    # The worker comes late: on a busy machine later than the 2 s that the tests' model_wait has.
    cluster.router(max_queue=5, model_wait="60s")
    cluster.router("router-2", max_queue=5, model_wait="60s")
    asked = [cluster.submit(prompt="hi") for _ in range(60)]
    wait_until(lambda: cluster.db.xlen(cluster.keys.requests) <= 5, "the queue is short", 20)
    cluster.worker("pi-1", cluster.sim())
    ends = [cluster.read_reply(r, 30) for r in asked]
    refused = [e for e in ends if e.end["type"] == "error"]
    assert all(e.code == "queue_full" for e in refused) and len(ends) - len(refused) == 5
    cluster.assert_no_leftovers()
