"""P:control cancels a request wherever it is; what is unknown or done is left alone."""

from cluster import GROUP_ROUTERS, SLOW_CHAT, wait_until
from process import stays_true


def busy_node(cluster, **router):
    """One node that runs one long request; returns the simulator and that request's id."""
    sim = cluster.sim(SLOW_CHAT)
    cluster.router(**router)
    cluster.worker("pi-1", sim)
    request_id = cluster.submit(prompt="long")
    cluster.wait_running(request_id)
    return sim, request_id


def applied(cluster, control_id):
    """Has some router applied this entry of P:control?"""
    for group in cluster.db.xinfo_groups(cluster.keys.control):
        if group["name"] == GROUP_ROUTERS:
            last = [int(part) for part in group["last-delivered-id"].split("-")]
            return last >= [int(part) for part in control_id.split("-")]
    return False


def applied_for_good(cluster, control_id):
    """Until it is applied and its millisecond is over: streams are ordered by milliseconds."""
    wait_until(lambda: applied(cluster, control_id), "it is applied")

    def later():
        seconds, micros = cluster.db.time()
        return seconds * 1000 + micros // 1000 > int(control_id.split("-")[0])
    wait_until(later, "its millisecond is over", pause=0.0005)


def test_a_queued_request_is_cancelled_at_once(cluster):
    sim, running = busy_node(cluster)
    waiting = cluster.submit(prompt="never", metadata="m", progress=True)
    cluster.cancel(waiting)
    reply = cluster.read_reply(waiting, 2)
    assert reply.code == "cancelled" and "node" not in reply.end
    assert cluster.events(event="cancelled", request_id=waiting)
    wait_until(lambda: sim.asked() == 1, "only the other one has reached Ollama")
    cluster.cancel(running)
    assert cluster.read_reply(running).code == "cancelled"
    cluster.assert_no_leftovers()


def test_a_request_on_the_nodes_stream_is_cancelled(cluster):
    sim, running = busy_node(cluster, prefetch=1)
    waiting = cluster.submit(prompt="never")
    cluster.wait_state(waiting, "routed")
    cluster.cancel(waiting)
    assert cluster.read_reply(waiting, 5).code == "cancelled"
    assert cluster.job(running)["state"] == "running" and sim.asked() == 1
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()


def test_a_generating_request_is_cancelled_and_ollamas_connection_closed(cluster):
    sim, running = busy_node(cluster)
    streaming = cluster.submit(prompt="next", stream=True)
    cluster.cancel(running)
    reply = cluster.read_reply(running, 5)
    assert reply.code == "cancelled" and reply.end["node"] == "pi-1"
    cluster.wait_running(streaming)
    wait_until(lambda: cluster.entries(streaming).chunks, "it generates")
    cluster.cancel(streaming)
    assert cluster.read_reply(streaming, 5).code == "cancelled"
    wait_until(lambda: sim.running() == 0, "the simulator generates for nobody")
    cluster.assert_no_leftovers()


def test_a_request_that_loads_is_cancelled(cluster):
    sim = cluster.sim("gemma3:1b,load=60s")
    cluster.router()
    cluster.worker("pi-1", sim)
    request_id = cluster.submit(prompt="hi")
    wait_until(sim.asked, "ollama has it")
    cluster.cancel(request_id)
    assert cluster.read_reply(request_id, 5).code == "cancelled"
    wait_until(lambda: sim.running() == 0, "the load was given up")


def test_a_cancel_right_behind_the_request_finds_it(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    for i in range(10):
        pipe = cluster.db.pipeline(transaction=bool(i % 2))
        request_id = cluster.submit(_db=pipe, prompt="long")
        pipe.xadd(cluster.keys.control, {"op": "cancel", "request_id": request_id})
        pipe.execute()
        assert cluster.read_reply(request_id, 5).code == "cancelled"
    cluster.assert_no_leftovers()


def test_a_cancel_with_two_routers_ends_it_once(cluster):
    _, running = busy_node(cluster)
    cluster.router("router-2")
    waiting = [cluster.submit(prompt="never") for _ in range(10)]
    for request_id in waiting:
        cluster.cancel(request_id)
    for request_id in waiting:
        assert cluster.read_reply(request_id, 5).code == "cancelled"
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()


def test_a_cancel_of_what_is_done_does_nothing(cluster):
    cluster.fleet(1)
    request_id = cluster.submit(prompt="hi")
    cluster.read_reply(request_id)
    before = cluster.job(request_id)
    control_id = cluster.cancel(request_id)
    wait_until(lambda: applied(cluster, control_id), "it is applied")
    assert cluster.job(request_id) == before
    cluster.assert_no_leftovers()


def test_a_cancel_of_what_is_unknown_does_nothing_and_a_later_request_runs(cluster):
    cluster.fleet(1)
    applied_for_good(cluster, cluster.cancel("later"))
    assert not cluster.db.exists(cluster.keys.reply("later"))
    assert cluster.ask(request_id="later", prompt="hi").text
    cluster.assert_no_leftovers()


def test_a_later_request_runs_even_if_others_were_waiting_when_it_was_cancelled(cluster):
    _, running = busy_node(cluster)
    waiting = cluster.submit(prompt="waits")
    applied_for_good(cluster, cluster.cancel("later"))
    assert cluster.db.pttl(cluster.keys.job("later")) != -1
    cluster.submit(request_id="later", prompt="hi")
    stays_true(lambda: not cluster.entries("later").end, "it waits", 0.5)
    for request_id in (running, waiting):
        cluster.cancel(request_id)
        cluster.read_reply(request_id)
    cluster.wait_running("later")
    cluster.cancel("later")
    assert cluster.read_reply("later").code == "cancelled"
    cluster.assert_no_leftovers()


def test_a_cancel_that_comes_while_no_router_lives_is_applied_by_the_next_one(cluster):
    _, running = busy_node(cluster)
    waiting = cluster.submit(prompt="never")
    wait_until(lambda: cluster.db.xpending(cluster.keys.requests, GROUP_ROUTERS)["pending"] == 1,
               "the router has it")
    cluster.daemon("router-1").kill()
    cluster.cancel(waiting)
    cluster.cancel(running)
    cluster.daemon("router-1").start()
    assert cluster.read_reply(waiting).code == "cancelled"
    assert cluster.read_reply(running).code == "cancelled"
    cluster.assert_no_leftovers()


def test_entries_of_control_that_make_no_sense_are_passed_over(cluster):
    cluster.fleet(1)
    for fields in ({"op": "dance"}, {"request_id": "x"}, {"op": "cancel"}, {"op": "drain"},
                   {"op": "cancel", "request_id": "a b"}, {"op": "drain", "node": "../x"},
                   {"op": "cancel", "request_id": "x" * 100000}, {"op": "drain", "node": "n" * 65},
                   {"op": b"\xff", "node": b"\x00"}, {"op": "undrain", "node": "never-seen"}):
        control_id = cluster.control(**fields)
    cluster.db.execute_command("XADD", cluster.keys.control, "*",
                               *[str(i) for i in range(2000)])
    control_id = cluster.cancel("nobody")
    wait_until(lambda: applied(cluster, control_id), "all are applied")
    assert cluster.db.smembers(cluster.keys.drained) == set()
    assert cluster.ask(prompt="hi").text


def test_a_cancel_that_meets_a_move_which_the_node_refuses_is_not_forgotten(cluster):
    """Two routers and one slot: most moves are refused, and cancels come in between."""
    _, running = busy_node(cluster)
    for i in (2, 3):
        cluster.router(f"router-{i}")
    for _ in range(8):
        waiting = [cluster.submit(prompt=f"never {i}") for i in range(6)]
        for request_id in waiting:
            cluster.cancel(request_id)
        for request_id in waiting:
            assert cluster.read_reply(request_id, 10).code == "cancelled"
    cluster.cancel(running)
    cluster.read_reply(running)
    cluster.assert_no_leftovers()
