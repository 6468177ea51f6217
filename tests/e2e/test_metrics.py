"""The router over HTTP: figures that add up, health, and clients that misbehave."""

import http.client
import json
import os
import re
import socket
import time
import urllib.parse

import pytest

from cluster import SLOW_CHAT, wait_until
from process import SLOW, stays_true
from scrape import Page, address, get, page, promtool

ANY_PORT = "127.0.0.1:0"
DONE = {"outcome": "done"}


def fleet(cluster, n=2, routers=1, *models):
    """(routers, Ollamas)"""
    sims = [cluster.sim(*models) for _ in range(n)]
    them = [cluster.router(f"router-{i + 1}", http_listen=ANY_PORT) for i in range(routers)]
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    return them, sims


def table():
    """Names in the table of the sources."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "..", "..", "src", "router", "core", "metrics_table.c")
    with open(path, encoding="utf-8") as file:
        return set(re.findall(r'\(METRIC_[A-Z_]+,\s*"([a-z_]+)"', file.read()))


def test_the_page_has_every_metric_once_and_prometheus_likes_it(cluster):
    (router,), _ = fleet(cluster, 1)
    cluster.ask()
    cluster.ask(model="none-such")
    wait_until(lambda: page(router).value("orion_requests_total", **DONE) == 1, "it is counted")
    found = page(router)
    assert len(table()) > 45 and found.names == table()
    for family in table():
        assert found.text.count(f"# TYPE {family} ") == found.text.count(f"# HELP {family} ") == 1
    checked = promtool("check", "metrics", input=found.text)
    if checked is None:
        pytest.skip("promtool is not installed (package prometheus or promtool)")
    assert checked.returncode == 0 and not checked.stdout and not checked.stderr, checked


def test_two_routers_together_count_each_request_once(cluster):
    routers, _ = fleet(cluster, 2, 2)
    ids = [cluster.submit() for _ in range(30)]
    ids += [cluster.submit(model="nomic-embed-text", input=["x"]) for _ in range(5)]
    for request in ids:
        cluster.read_reply(request)
    for bad in ({"model": "none-such"}, {"timeout_ms": "x"}, {"messages": "x"}):
        cluster.ask(**bad)
    cluster.submit(request_id=ids[0])

    def total(name, **labels):
        return sum(page(r).value(name, **labels) or 0 for r in routers)

    wait_until(lambda: total("orion_requests_total", **DONE) == 35, "all are counted")
    wait_until(lambda: total("orion_duplicates_total") == 1, "the duplicate is counted")
    assert total("orion_requests_total", model="gemma3:1b", outcome="done") == 30
    assert total("orion_requests_total", model="other", outcome="unknown_model") == 1
    assert total("orion_requests_total", outcome="invalid_request") == 2
    assert total("orion_requests_total") == 38
    assert total("orion_moves_total") == 35 <= total("orion_decisions_total")
    assert total("orion_tokens_total", model="gemma3:1b", kind="output") == 30 * 12
    for name in ("request", "first_token", "queue", "run"):
        assert total(f"orion_{name}_seconds_count") == 35, name
        assert total(f"orion_{name}_seconds_bucket", le="+Inf") == 35, name
    assert 1 <= total("orion_cold_starts_total", model="gemma3:1b") <= 30
    for router in routers:
        wait_until(lambda r=router: page(r).value("orion_routers") == 2, "it knows both")
    assert total("orion_requests_received_total") >= 36


def test_retries_takebacks_cancels_and_reconnects_are_counted(cluster):
    (router,), sims = fleet(cluster, 2, 1, SLOW_CHAT)
    request = cluster.submit()
    node = cluster.wait_running(request)
    cluster.daemon(node).freeze()
    wait_until(lambda: page(router).value("orion_takebacks_total", why="lost") == 1, "taken back")
    other = cluster.wait_running(request)
    assert other != node
    assert page(router).value("orion_node_up", node=node) == 0
    assert page(router).value("orion_nodes", state="lost") == 1
    cluster.cancel(request)
    cluster.read_reply(request)
    wait_until(lambda: page(router).value("orion_requests_total", outcome="cancelled") == 1,
               "the cancel is counted")
    cluster.daemon(node).thaw()
    cluster.wait_available(node)
    sims[0].fault("status=oom500,count=1")
    sims[1].fault("status=oom500,count=1")
    request = cluster.submit()
    wait_until(lambda: page(router).value("orion_retries_total") >= 1, "the retry is counted")
    cluster.cancel(request)
    cluster.read_reply(request)
    assert page(router).value("orion_redis_reconnects_total") == 0
    cluster.redis.stop()
    wait_until(lambda: page(router).value("orion_redis_up") == 0, "Redis is seen to be away")
    cluster.redis.start()
    wait_until(lambda: page(router).value("orion_redis_up") == 1, "and back")
    assert page(router).value("orion_redis_reconnects_total") == 1


def test_what_ends_while_the_router_does_not_listen_is_counted_when_it_does_again(cluster):
    (router,), _ = fleet(cluster, 1, 1, "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=40")
    request = cluster.submit()
    cluster.wait_running(request)
    router.freeze()
    listens, = [c for c in cluster.db.client_list() if c["name"] == "orion-router:listen"]
    cluster.db.client_kill_filter(_id=listens["id"])
    cluster.read_reply(request)
    router.thaw()
    wait_until(lambda: page(router).value("orion_requests_total", **DONE) == 1, "it is counted")
    cluster.ask()
    wait_until(lambda: page(router).value("orion_requests_total", **DONE) == 2, "so is the next, once")


def test_a_request_in_the_queue_and_the_model_without_a_home_are_seen(cluster):
    (router,), _ = fleet(cluster, 1, 1, SLOW_CHAT)
    running = cluster.submit()
    cluster.wait_running(running)
    waiting = [cluster.submit(priority=p) for p in ("high", "low", "low")]

    def value(name, **labels):
        return page(router).value(name, **labels)

    wait_until(lambda: value("orion_queue_requests") == 3, "three wait")
    assert value("orion_queue_requests", priority="low") == 2
    assert value("orion_model_waiting", model="gemma3:1b") == 3
    assert value("orion_model_nodes", model="gemma3:1b") == 1
    wait_until(lambda: value("orion_queue_oldest_seconds") > 0.3, "the oldest grows older")
    cluster.daemon("pi-1").root.set(temp=80)
    wait_until(lambda: value("orion_model_nodes", model="gemma3:1b") == 0, "no home")
    assert value("orion_node_hot", node="pi-1") == 1 and value("orion_node_up", node="pi-1") == 0
    for request in (running, *waiting):
        cluster.cancel(request)
        cluster.read_reply(request)


def test_what_a_node_publishes_is_exported_and_what_it_does_not_know_is_not(cluster):
    (router,), sims = fleet(cluster, 1)
    bare = cluster.new_worker("pi-9", sims[0], log_level="info")
    for name in os.listdir(bare.root.path):
        os.rename(os.path.join(bare.root.path, name), bare.root.path + "-" + name)
    bare.start()
    cluster.wait_available("pi-9")
    cluster.daemon("pi-1").root.set(temp=61.5, throttled=0x5, ram_used_pct=40)
    wait_until(lambda: page(router).value("orion_node_temperature_celsius", node="pi-1") == 61.5,
               "the temperature is there")
    found = page(router)
    assert found.value("orion_node_throttled", node="pi-1") == 1
    assert found.value("orion_node_under_voltage", node="pi-1") == 1
    assert found.value("orion_node_memory_ratio", node="pi-1") == 0.4
    assert found.value("orion_node_temperature_celsius", node="pi-9") is None
    assert found.value("orion_node_memory_ratio", node="pi-9") is None
    assert found.value("orion_node_slots", node="pi-9") == 1
    cluster.ask()
    cluster.ask(model="qwen2.5:0.5b")
    wait_until(lambda: page(router).value("orion_node_tokens_per_second"), "the speed is there")


def test_swaps_and_preloads_of_a_node_are_exported(cluster):
    sim = cluster.sim(max_loaded=1)
    router = cluster.router(http_listen=ANY_PORT)
    cluster.worker("pi-1", sim)

    def value(name):
        return page(router).value(name, node="pi-1")

    cluster.ask()
    wait_until(lambda: value("orion_node_resident_models") == 1, "the model is seen")
    assert value("orion_node_swaps_total") == 0
    cluster.ask(model="qwen2.5:0.5b")
    wait_until(lambda: value("orion_node_swaps_total") == 1, "the swap is counted")
    cluster.control(op="preload", node="pi-1", model="gemma3:1b")
    wait_until(lambda: value("orion_node_preloads_total") == 1, "the preload is counted")


def test_an_end_that_redis_did_not_take_is_counted(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    sims = [cluster.sim("gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20") for _ in range(2)]
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)

    def refused(node):
        return page(router).value("orion_node_refused_ends_total", node=node)

    request = cluster.submit(prompt="hi")  # not streamed: the end is the first thing it writes
    node = cluster.wait_running(request)
    assert refused("pi-1") == refused("pi-2") == 0
    cluster.daemon(node).freeze()
    other = cluster.read_reply(request).node
    assert other != node
    # Meanwhile its Ollama has said everything: it wakes up with a whole answer in its hands.
    wait_until(lambda: sims[int(node[-1]) - 1].running() == 0, "the answer is complete")
    cluster.daemon(node).thaw()
    wait_until(lambda: refused(node) == 1, "its end was refused, and is counted")
    assert refused(other) == 0
    assert f"event=job_done request_id={request} " in cluster.daemon(node).log
    assert page(router).value("orion_requests_total", **DONE) == 1


def test_what_waits_outside_the_window_and_what_is_on_a_node_are_seen(cluster):
    router = cluster.router(http_listen=ANY_PORT, window=2)
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))

    def value(name, **labels):
        return page(router).value(name, **labels)

    asked = [cluster.submit()]
    cluster.wait_running(asked[0])
    asked += [cluster.submit() for _ in range(6)]
    wait_until(lambda: value("orion_queue_parked") == 4, "four have no room in the window")
    wait_until(lambda: value("orion_queue_stream_length") == 6, "the next heartbeat counts them", 15)
    assert value("orion_node_in_flight", node="pi-1") == 1
    for request in asked:
        cluster.cancel(request)
        cluster.read_reply(request)
    wait_until(lambda: value("orion_queue_parked") == 0, "none is left")


def test_a_prompt_from_the_prefix_cache_is_counted(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=1ms,gen_tps=1e6,prompt_tps=200,tokens=5"))
    words = " ".join(f"word{i}" for i in range(40))
    for i in range(4):
        cluster.ask(prompt=f"{i} {words}")
    assert page(router).value("orion_cache_hits_total") == 0
    cluster.ask(prompt=f"3 {words}")
    wait_until(lambda: page(router).value("orion_cache_hits_total", model="gemma3:1b") == 1,
               "the hit is counted")


def test_what_redis_refuses_is_counted(cluster):
    router = cluster.router(http_listen=ANY_PORT, node_late="30s", node_lost="60s")
    worker = cluster.worker("pi-1", cluster.sim(SLOW_CHAT))

    def value(name, **labels):
        return page(router).value(name, **labels)

    wait_until(lambda: value("orion_node_up", node="pi-1") == 1, "the router has seen the node")
    # The node is full by Redis' own view, in the same moment as the request comes: the router cannot
    # know it yet.
    worker.freeze()
    at_once = cluster.db.pipeline()
    for _ in range(4):
        at_once.xadd(cluster.keys.node("pi-1"), {"x": "y"})
    waiting = cluster.submit(at_once)
    at_once.execute()
    wait_until(lambda: value("orion_moves_refused_total", why="full"), "the move is refused")
    assert value("orion_node_silent_seconds", node="pi-1") > 0
    worker.thaw()
    cluster.cancel(waiting)
    cluster.read_reply(waiting)
    # A key of another type in the place of one of ours.
    cluster.db.delete(cluster.keys.routers)
    cluster.db.set(cluster.keys.routers, "x")
    wait_until(lambda: value("orion_redis_errors_total"), "the error is counted", 15)
    cluster.db.delete(cluster.keys.routers)


def test_the_figures_of_the_process_are_its_own(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    cluster.worker("pi-1", cluster.sim()).root.set(throttled=0x2)
    wait_until(lambda: page(router).value("orion_node_frequency_capped", node="pi-1") == 1, "capped")
    found = page(router)
    assert found.value("orion_build_info", router="router-1") == 1
    assert 0 <= found.value("orion_redis_round_trip_seconds") < 10
    assert abs(found.value("process_start_time_seconds") - time.time()) < 120 * SLOW
    assert found.value("process_cpu_seconds_total") > 0
    assert abs(found.value("process_resident_memory_bytes") / 2**20 - router.rss_mib()) < 50
    assert abs(found.value("process_open_fds") - router.fds()) <= 2  # this connection
    assert found.value("process_max_fds") >= found.value("process_open_fds")


def test_a_thousand_nodes_do_not_make_a_page_without_end(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    now_ms = cluster.db.time()[0] * 1000
    cluster.db.hset(cluster.keys.health, mapping={
        f"n{i}": json.dumps({"available": True, "last_seen_ms": now_ms + 60_000, "slots": 1})
        for i in range(1000)})
    wait_until(lambda: page(router).value("orion_nodes", state="up") == 1000, "all are counted")
    assert len(page(router).labels("orion_node_up", "node")) == 256


def test_durability_is_what_redis_says(new_cluster):
    for aof in (True, False):
        cluster = new_cluster(aof=aof)
        router = cluster.router(http_listen=ANY_PORT)
        wait_until(lambda r=router: page(r).value("orion_redis_durable") is not None, "it is known")
        assert page(router).value("orion_redis_durable") == aof


# --- health -----------------------------------------------------------------------------------


def test_healthz_and_readyz_say_why(new_cluster):
    cluster = new_cluster(start=False)
    router = cluster.new_router(http_listen=ANY_PORT).start()
    where = address(router)
    status, text, headers = get(where + "/healthz")
    assert status == 200 and json.loads(text) == {"status": "ok"}
    assert headers["Content-Type"] == "application/json"

    def unready():
        code, body, _ = get(where + "/readyz")
        return code == 503 and json.loads(body)

    told = wait_until(lambda: unready() and unready()["reasons"][0].count(": ") and unready(),
                      "a reason")
    assert told["ready"] is False and "waiting for Redis at" in told["reasons"][0]
    cluster.redis.start()
    wait_until(lambda: get(where + "/readyz")[0] == 200, "ready")
    told = json.loads(get(where + "/readyz")[1])
    assert told == {"ready": True, "reasons": [], "fleet": "0 nodes up, 0 waiting"}
    assert get(where + "/")[0] == 200 and "/metrics" in get(where + "/")[1]
    assert get(where + "/nothing")[0] == 404


def listens(process):
    """Does it listen on a TCP port, of IPv4 or IPv6?"""
    listening = set()
    for table_ in ("tcp", "tcp6"):
        with open(f"/proc/{process.pid}/net/{table_}", encoding="ascii") as file:
            listening |= {f"socket:[{x.split()[9]}]" for x in file if x.split()[3] == "0A"}
    mine = {os.readlink(f"/proc/{process.pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{process.pid}/fd")}
    return bool(listening & mine)


def test_an_empty_setting_listens_nowhere_and_a_worker_never(cluster):
    router = cluster.router()
    assert "http_listening" not in router.log
    assert not listens(router) and not listens(cluster.worker("pi-1", cluster.sim()))
    assert listens(cluster.router("router-2", http_listen=ANY_PORT))


def test_a_port_in_use_is_told_and_routing_goes_on(cluster):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        router = cluster.router(http_listen=listen)
        cluster.worker("pi-1", cluster.sim())
        assert f'event=http_failed listen={listen} why="Address already in use"' in router.log
        assert cluster.ask().text
    wait_until(lambda: "event=http_listening" in router.log, "it listens once the port is free", 15)
    assert get(f"http://{listen}/healthz")[0] == 200


# --- clients that misbehave -------------------------------------------------------------------


def dial(where):
    parts = urllib.parse.urlparse(where)
    return socket.create_connection((parts.hostname, parts.port), timeout=30 * SLOW)


def test_connections_that_never_end_are_cut_and_do_not_keep_others_out(cluster):
    (router,), _ = fleet(cluster, 1)
    where, fds = address(router), router.fds()
    slow = []
    for _ in range(24):  # more than there may be
        slow.append(dial(where))
        slow[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    stays_true(lambda: router.fds() <= fds + 16 + 1, "no more than 16 connections", 1)
    assert cluster.ask().text

    def drip():
        cut = 0
        for one in slow:
            try:
                one.send(b"a")
                one.setblocking(False)
                cut += one.recv(1) == b""
            except BlockingIOError:
                pass
            except OSError:
                cut += 1
        return cut == len(slow)

    def serves():
        try:
            return get(where + "/healthz")[0] == 200
        except OSError:
            return False

    wait_until(drip, "those that drip are cut", 40, 0.2)
    wait_until(serves, "others are served", 40)
    for one in slow:
        one.close()
    wait_until(lambda: router.fds() <= fds, "nothing is left", 30)
    assert cluster.ask().text


def serves_from(where, source):
    """Is a client of that address, of this machine, served?"""
    parts = urllib.parse.urlparse(where)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=1 * SLOW,
                                            source_address=(source, 0))
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def hang(where, source):
    """A connection from that address whose request never ends."""
    parts = urllib.parse.urlparse(where)
    one = socket.create_connection((parts.hostname, parts.port), timeout=30 * SLOW,
                                   source_address=(source, 0))
    one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    return one


def is_cut(one):
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_one_address_that_hangs_cannot_keep_others_out(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    where, fds = address(router), router.fds()
    slow = [hang(where, "127.0.0.2") for _ in range(24)]
    stays_true(lambda: router.fds() <= fds + 8 + 1, "of one address there are at most 8", 0.5)
    assert serves_from(where, "127.0.0.3")
    wait_until(lambda: all(map(is_cut, slow)), "none of them stays")
    for one in slow:
        one.close()


def test_many_addresses_that_hang_keep_others_out_for_a_moment_only(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    where = address(router)
    slow = [hang(where, f"127.0.1.{i}") for i in range(1, 17)]
    # Less than the 10 s after which each of them is cut in any case.
    wait_until(lambda: serves_from(where, "127.0.0.3"), "another one is served", 8)
    for one in slow:
        one.close()


def test_the_address_that_hangs_is_served_itself_after_a_moment(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    where = address(router)
    slow = [hang(where, "127.0.0.2") for _ in range(8)]
    wait_until(lambda: serves_from(where, "127.0.0.2"), "it is served", 8)
    for one in slow:
        one.close()


@pytest.mark.parametrize("request_, status", [
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nabc", b" 405 "),
    (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", b" 405 "),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b" 4"),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b" 4"),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", b""),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""),
    (b"\0" * 70_000, b""),
], ids=["post", "delete", "long-header", "long-url", "two-lengths", "tls", "zeros"])
def test_requests_that_make_no_sense_are_refused_and_the_connection_closed(cluster, request_,
                                                                           status):
    router = cluster.router(http_listen=ANY_PORT)
    with dial(address(router)) as connection:
        answer = b""
        try:
            connection.sendall(request_)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
        assert status in answer[:40], answer[:200]
    assert get(address(router) + "/healthz")[0] == 200


def test_one_request_per_connection_and_head_has_no_body(cluster):
    router = cluster.router(http_listen=ANY_PORT)
    parts = urllib.parse.urlparse(address(router))
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5 * SLOW)
    connection.request("HEAD", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b"" and answer.headers["Connection"] == "close"
    assert int(answer.headers["Content-Length"]) > 1000
    assert isinstance(page(router), Page)
