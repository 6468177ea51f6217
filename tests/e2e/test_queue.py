"""Who is next: priorities with ageing, fair shares between clients, credit of the nodes."""

import json
import re
import time

import pytest

from cluster import CHAT, GROUP_ROUTERS, SLOW_CHAT, wait_until
from process import SANITIZE

QUICK = "gemma3:1b,load=1ms,gen_tps=1000,prompt_tps=1e6,tokens=20"  # 20 ms


def one_busy_node(cluster, model=QUICK, **router):
    """A node with one slot, held by a long request until release(); requests pile up behind it."""
    sim = cluster.sim(model, SLOW_CHAT.replace("gemma3:1b", "holder:1b"))
    cluster.router(**router)
    cluster.worker("pi-1", sim)
    holder = cluster.submit(model="holder:1b", prompt="hold")
    cluster.wait_running(holder)

    def release():
        cluster.cancel(holder)
        cluster.read_reply(holder)
    return release


def started(cluster, names):
    """Ids of `names` in the order in which the workers began them."""
    return [e["request_id"] for e in cluster.events(event="started") if e["request_id"] in names]


def run_all(cluster, names, release):
    wait_until(lambda: cluster.db.xpending(cluster.keys.requests, GROUP_ROUTERS)["pending"]
               == len(names), "the router has read them all")
    release()
    for name in names:
        assert cluster.read_reply(name, 30).text
    cluster.assert_no_leftovers()
    return started(cluster, set(names))


def test_requests_of_one_client_run_in_their_order(cluster):
    release = one_busy_node(cluster)
    names = [cluster.submit(request_id=f"n{i}", prompt="hi") for i in range(12)]
    assert run_all(cluster, names, release) == names


def test_high_runs_before_normal_before_low(cluster):
    release = one_busy_node(cluster)
    names = [cluster.submit(request_id=f"{p}-{i}", prompt="hi", priority=p)
             for i in range(3) for p in ("low", "normal", "high")]
    order = run_all(cluster, names, release)
    assert [name.split("-")[0] for name in order] == ["high"] * 3 + ["normal"] * 3 + ["low"] * 3


def test_a_request_without_priority_is_normal(cluster):
    release = one_busy_node(cluster)
    names = [cluster.submit(request_id=n, prompt="hi", priority=p)
             for n, p in (("c", "low"), ("b", None), ("a", "high"))]
    assert run_all(cluster, names, release) == ["a", "b", "c"]


def test_low_is_not_starved_by_a_stream_of_high(cluster):
    release = one_busy_node(cluster, QUICK.replace("tokens=20", "tokens=60"), priority_age="300ms")
    low = cluster.submit(request_id="low", prompt="hi", priority="low")
    names = [cluster.submit(request_id=f"h{i}", prompt="hi", priority="high") for i in range(10)]
    release()
    for i in range(10, 60):  # always ten of them wait
        names.append(cluster.submit(request_id=f"h{i}", prompt="hi", priority="high"))
        cluster.read_reply(names[i - 10])
    for name in names[-10:] + [low]:
        cluster.read_reply(name)
    order = started(cluster, {low, *names})
    assert order.index(low) < 40, order


def test_clients_share_a_node_in_turn(cluster):
    release = one_busy_node(cluster)
    names = [cluster.submit(request_id=f"a{i}", prompt="hi", client="a") for i in range(12)]
    names += [cluster.submit(request_id=f"b{i}", prompt="hi", client="b") for i in range(4)]
    wait_until(lambda: pending(cluster) == 16, "the router holds them all")
    order = run_all(cluster, names, release)
    assert max(order.index(f"b{i}") for i in range(4)) <= 9, order


def pending(cluster):
    return cluster.db.xpending(cluster.keys.requests, "inference-routers")["pending"]


def test_a_client_that_floods_does_not_hold_the_window_from_the_others(cluster):
    release = one_busy_node(cluster, window=8)
    flood = [cluster.submit(request_id=f"f{i}", prompt="hi", client="flood") for i in range(100)]
    wait_until(lambda: pending(cluster) >= 1, "the router reads")
    other = [cluster.submit(request_id=f"o{i}", prompt="hi", client="other") for i in range(2)]
    order = run_all(cluster, flood + other, release)
    assert max(order.index(o) for o in other) < 40, [order.index(o) for o in other]


def test_a_parked_request_is_announced_once(cluster):
    release = one_busy_node(cluster, window=2)
    names = [cluster.submit(request_id=f"p{i}", prompt="hi") for i in range(10)]
    run_all(cluster, names, release)
    announced = [e["request_id"] for e in cluster.events(event="queued")]
    assert all(announced.count(name) == 1 for name in names), announced


def test_what_waits_is_not_refused_for_what_comes_after_it(cluster):
    """A parked entry is fetched while others come: the queue is full for them, not for it."""
    release = one_busy_node(cluster, window=2, max_queue=20)
    names = [cluster.submit(request_id=f"p{i}", prompt="hi", priority="high") for i in range(20)]
    wait_until(lambda: pending(cluster) == 20, "the router holds them all")
    release()
    for name in names:
        while not cluster.entries(name).end:
            for _ in range(5):
                cluster.submit(prompt="hi")
    codes = {name: cluster.read_reply(name).end.get("code") for name in names}
    assert not any(codes.values()), codes


def test_a_backlog_that_moves_is_read_once(cluster):
    """What is parked is read again: nothing has to be while moves make room."""
    for i in range(2000):
        cluster.db.xadd(cluster.keys.requests, {"request_id": f"b{i}", "model": "gemma3:1b", "prompt": "hi"})

    def all_moved():  # to nodes that have room for all of it, and are heard of
        now_ms = int(time.time() * 1000)
        for node in ("pi-1", "pi-2", "pi-3"):
            cluster.db.hset(cluster.keys.health, node, json.dumps({
                "node_id": node, "models": ["gemma3:1b"], "installed": ["gemma3:1b"], "available": True,
                "slots": 1024, "temp_c": 50, "ram_percent": 40, "last_seen": now_ms // 1000, "last_seen_ms": now_ms}))
        return cluster.db.xlen(cluster.keys.requests) == 0

    all_moved()
    cluster.router(window=128)
    wait_until(all_moved, "all have moved", 30)
    reads = cluster.db.info("commandstats")["cmdstat_xrange"]["calls"] - 2000  # one of each move
    assert reads < 400, reads


def test_who_comes_right_after_an_answer_finds_the_slot_free(cluster):
    """While nothing waits no event wakes the router: it reads of what has ended with the next request."""
    router = cluster.router()
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=0ms,gen_tps=1e6,prompt_tps=1e8,tokens=1"))
    cluster.read_reply(cluster.submit(prompt="hi"))
    names = [cluster.submit(prompt="hi")]
    for _ in range(60):
        cluster.read_reply(names[-1])
        names.append(cluster.submit(prompt="hi"))
    cluster.read_reply(names[-1])
    kept = [line for line in router.log.splitlines() if "event=kept" in line and any(n in line for n in names)]
    assert not kept, kept[:5]


def test_a_flood_of_high_priority_does_not_hold_the_window_either(cluster):
    release = one_busy_node(cluster, window=8)
    flood = [cluster.submit(request_id=f"f{i}", prompt="hi", client="flood", priority="low")
             for i in range(60)]
    other = [cluster.submit(request_id=f"o{i}", prompt="hi", client="other", priority="high")
             for i in range(2)]
    order = run_all(cluster, flood + other, release)
    assert max(order.index(o) for o in other) < 40, [order.index(o) for o in other]


def test_a_request_that_no_node_can_take_does_not_block_the_others(cluster):
    cluster.router(model_wait="20s")
    cluster.worker("pi-1", cluster.sim(CHAT))
    stuck = [cluster.submit(model="absent:1b", prompt="hi") for _ in range(5)]
    assert cluster.ask(prompt="hi").text
    for request_id in stuck:
        cluster.cancel(request_id)
        assert cluster.read_reply(request_id).code == "cancelled"


def fill(cluster, first, n, timeout_ms):
    """So many for a model that nobody has, each naming the reply stream that it has anyway."""
    pipe = cluster.db.pipeline(transaction=False)
    for i in range(first, first + n):
        pipe.xadd(cluster.keys.requests, {
            "request_id": f"w{i}", "model": "absent:1b", "prompt": "hi", "timeout_ms": timeout_ms,
            "callback": cluster.keys.reply(f"w{i}")})
    pipe.execute()
    wait_until(lambda: pending(cluster) >= first + n, "the router has read them", 20)


@pytest.mark.skipif(bool(SANITIZE), reason="a sanitizer's memory is its own")
def test_a_backlog_costs_little_and_its_memory_goes_back(cluster):
    router = cluster.router(model_wait="60s", log_level="warning")
    fill(cluster, 0, 100, 12000)
    before = router.rss_mib()
    fill(cluster, 100, 3000, 8000)
    each = (router.rss_mib() - before) * 2**20 / 3000
    assert each < 700, f"{each:.0f} bytes for each of 3,000 that wait"
    wait_until(lambda: pending(cluster) == 0, "their deadlines have passed", 30)
    wait_until(lambda: router.rss_mib() < before + 0.5, "their memory is given back", 30)


@pytest.mark.skipif(bool(SANITIZE), reason="a sanitizer's memory is its own")
def test_of_large_requests_behind_small_ones_one_reply_is_held_at_a_time(cluster):
    """Four reads of 16 entries are on the way when the large ones begin: 64 MiB."""
    for i in range(400):
        cluster.db.xadd(cluster.keys.requests, {
            "request_id": f"w{i}", "model": "absent:1b", "prompt": "x" * (2**20 if i >= 320 else 1)})
    router = cluster.router(model_wait="60s")
    wait_until(lambda: json.loads(cluster.db.hget(cluster.keys.routers, "router-1") or "{}").get("window") == 400,
               "the router has read them all", 30)
    with open(f"/proc/{router.pid}/status", encoding="ascii") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) / 1024
    assert peak < 40, f"{peak:.0f} MiB, of which one reply is 16 and the router itself 10"


def test_a_node_never_holds_more_than_its_credit(cluster):
    sim = cluster.sim(CHAT.replace("gen_tps=2000", "gen_tps=200"))
    cluster.router("router-1", prefetch=1)
    cluster.router("router-2", prefetch=1)
    cluster.worker("pi-1", sim, slots=2)
    names = [cluster.submit(prompt="hi") for _ in range(30)]
    most = [0]

    def all_done():
        most.append(cluster.db.xlen(cluster.keys.node("pi-1")))
        return all(cluster.job(name).get("state") == "done" for name in names)
    wait_until(all_done, "all are done", 30, pause=0.001)
    assert max(most) <= 3
    assert sim.most_running() <= 2
    cluster.assert_no_leftovers()


def test_a_request_that_waits_10_s_without_a_node_is_logged_with_every_reason(cluster):
    router = cluster.new_router(model_wait="1h", log_level="info").start()
    worker = cluster.new_worker("pi-1", cluster.sim(SLOW_CHAT), log_level="info").start()
    cluster.wait_available("pi-1")
    worker.root.set(temp=90)
    cluster.wait_available("pi-1", False)
    request_id = cluster.submit(prompt="hi")
    wait_until(lambda: any(request_id in line and "waited" in line
                           for line in router.log.splitlines()), "the log tells it", 13)
    told = [line for line in router.log.splitlines() if request_id in line]
    assert len(told) == 1 and " info " in told[0], told
    assert "hot" in told[0] or "unavailable" in told[0], told
    cluster.cancel(request_id)
    cluster.read_reply(request_id)
