"""Redis, Ollama, sensors and neighbours that misbehave: said once, waited out, recovered from."""

import json

import pytest
import redis

from cluster import CHAT, GROUP_ROUTERS, SLOW_CHAT, Cluster, wait_until
from process import SANITIZE, SLOW, stays_true
from root import Root

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"


def one_node(cluster: Cluster, model=CHAT, **worker):
    """Daemons at their default log level, as an operator runs them."""
    sim = cluster.sim(model)
    cluster.router(log_level="info")
    cluster.worker("pi-1", sim, log_level="info", **worker)
    return sim


def lines(process, since=0):
    return process.log[since:].splitlines()


def check_waits_quietly(daemons, seconds):
    """Below 1 % of a core, and a few lines of log, for that long."""
    before = {d.name: (d.cpu_seconds(), len(d.log)) for d in daemons}
    stays_true(lambda: all(d.alive for d in daemons), "the daemons live", seconds)
    for daemon in daemons:
        cpu, log = before[daemon.name]
        spent = daemon.cpu_seconds() - cpu
        assert spent <= 0.01 * seconds * SLOW + 0.011, (daemon.name, spent)  # and a tick's rounding
        assert len(lines(daemon, log)) <= 8, lines(daemon, log)


def test_redis_is_not_there_at_the_start(new_cluster):
    cluster = new_cluster(start=False)
    sim = cluster.sim()
    daemons = [cluster.new_router(log_level="info").start(),
               cluster.new_worker("pi-1", sim, log_level="info").start()]
    wait_until(lambda: all("redis" in d.log.lower() for d in daemons), "they say what is wrong")
    check_waits_quietly(daemons, 3)
    assert all(len(lines(d)) <= 15 for d in daemons)
    cluster.redis.start()
    cluster.wait_available("pi-1")
    assert cluster.ask(prompt="hi").text


def test_redis_is_gone_for_a_while(new_cluster):
    cluster = new_cluster(aof=True)
    one_node(cluster)
    cluster.ask(prompt="hi")
    asked = [cluster.submit(prompt="hi") for _ in range(3)]
    cluster.redis.kill()
    check_waits_quietly(cluster.daemons, 4)
    cluster.redis.start()
    for request_id in asked:
        assert cluster.read_reply(request_id).text
    assert cluster.ask(prompt="hi").text
    cluster.assert_no_leftovers()


def test_an_answer_that_is_ready_while_redis_is_gone_is_not_lost(new_cluster):
    cluster = new_cluster(aof=True)
    sim = one_node(cluster, HALF_SECOND)
    request_id = cluster.submit(prompt="hi", stream=True)
    cluster.wait_running(request_id)
    cluster.redis.kill()
    wait_until(lambda: sim.running() == 0, "ollama has finished")
    cluster.redis.start()
    reply = cluster.read_reply(request_id)
    assert reply.text and reply.attempt == 1 and sim.asked() == 1
    cluster.assert_no_leftovers()


def test_redis_is_frozen_for_a_while(cluster):
    one_node(cluster)
    cluster.ask(prompt="hi")
    cluster.redis.freeze()
    check_waits_quietly(cluster.daemons, 2.5)
    cluster.redis.thaw()
    for _ in range(3):
        assert cluster.ask(prompt="hi").text


def test_redis_is_loading(new_cluster):
    cluster = new_cluster("--key-load-delay", "500", "--loading-process-events-interval-bytes",
                          "1024", aof=True)
    one_node(cluster)
    request_id = cluster.submit(model="later:1b", prompt="hi", timeout_ms=60000)
    pipe = cluster.db.pipeline()
    for i in range(4000):
        pipe.set(f"ballast:{i}", "x" * 50)
    pipe.execute()
    cluster.redis.kill()
    cluster.redis.start(wait=False)
    wait_until(is_loading(cluster), "it is loading", 5, pause=0.001)
    wait_until(cluster.redis.answers, "it is loaded", 20)
    assert cluster.ask(prompt="hi").text
    assert cluster.read_reply(request_id).code == "unknown_model"


def is_loading(cluster):
    def ask():
        try:
            return cluster.redis.client().ping() and False
        except redis.BusyLoadingError:
            return True
        except redis.ConnectionError:
            return False
    return ask


def test_redis_is_out_of_memory(cluster):
    sim = one_node(cluster, HALF_SECOND)
    running = cluster.submit(prompt="hi", stream=True)
    cluster.wait_running(running)
    waiting = [cluster.submit(prompt="hi") for _ in range(3)]
    logs = {d.name: len(d.log) for d in cluster.daemons}
    cluster.db.config_set("maxmemory", "1")
    assert cluster.read_reply(running).text  # what ends a request may use memory
    with pytest.raises(redis.ResponseError, match="OOM"):
        cluster.submit(prompt="refused")
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 1500, "heartbeats go on")
    assert sim.asked() == 1  # what starts a request may not
    cancelled = waiting.pop()
    assert all(len(lines(d, logs[d.name])) < 60 for d in cluster.daemons)
    cluster.db.config_set("maxmemory", "0")
    cluster.cancel(cancelled)
    for request_id in waiting:
        assert cluster.read_reply(request_id).text
    cluster.read_reply(cancelled)
    cluster.assert_no_leftovers()


def test_redis_is_read_only(cluster):
    one_node(cluster, HALF_SECOND)
    running = cluster.submit(prompt="hi")
    cluster.wait_running(running)
    waiting = cluster.submit(prompt="hi")
    logs = {d.name: len(d.log) for d in cluster.daemons}
    cluster.db.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(redis.ResponseError):
        cluster.submit(prompt="refused")
    stays_true(lambda: all(d.alive for d in cluster.daemons), "the daemons live", 2)
    assert all(len(lines(d, logs[d.name])) < 60 for d in cluster.daemons)
    cluster.db.execute_command("REPLICAOF", "NO", "ONE")
    for request_id in (running, waiting):
        assert cluster.read_reply(request_id).text
    assert cluster.ask(prompt="hi").text
    cluster.assert_no_leftovers()


def test_a_queue_stream_of_another_type_is_told_and_waited_out(cluster):
    one_node(cluster)
    cluster.db.delete(cluster.keys.requests)
    cluster.db.set(cluster.keys.requests, "not a stream")
    check_waits_quietly([d for d in cluster.daemons if d.name == "router-1"], 2)
    cluster.db.delete(cluster.keys.requests)
    assert cluster.ask(prompt="hi").text


def test_ollama_is_not_there_at_the_start(cluster):
    sim = cluster.sim()
    sim.stop()
    sim.killed = True
    cluster.router()
    worker = cluster.new_worker("pi-1", sim, log_level="info").start()
    wait_until(lambda: cluster.health("pi-1"), "it publishes itself all the same")
    health = cluster.health("pi-1")
    assert health["available"] is False and health["reason"] and health["temp_c"] == 48
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 1500, "heartbeats go on")
    assert len(lines(worker)) <= 15
    sim.start()
    cluster.wait_available("pi-1")
    assert cluster.ask(prompt="hi").text


def test_ollama_goes_and_comes_back(cluster):
    sim = one_node(cluster)
    cluster.ask(prompt="hi")
    log = len(cluster.daemon("pi-1").log)
    sim.kill()
    cluster.wait_available("pi-1", False)
    assert cluster.health("pi-1")["reason"] == "ollama down"
    wait_until(lambda: "ollama" in cluster.daemon("pi-1").log[log:].lower(), "the log tells it")
    waiting = cluster.submit(prompt="hi")
    sim.start()
    cluster.wait_available("pi-1")
    assert cluster.read_reply(waiting).text
    assert len(lines(cluster.daemon("pi-1"), log)) <= 15


def test_ollama_hangs_without_stopping_the_worker(cluster):
    sim = one_node(cluster)
    sim.fault("hang-accept")
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 2000, "heartbeats go on")
    sim.heal()
    cluster.wait_available("pi-1")
    assert cluster.ask(prompt="hi").text


def test_a_slow_api_ps_means_busy_and_not_dead(cluster):
    sim = one_node(cluster)
    sim.fault("ps-block=10s")
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 4000, "heartbeats go on")
    assert cluster.is_available("pi-1")
    assert cluster.ask(prompt="hi").text


def test_a_machine_without_sensors_works_and_tells_null(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(), root=Root(cluster.path("bare"), board="none"))
    health = cluster.health("pi-1")
    for field in ("cpu_percent", "ram_percent", "temp_c", "throttled", "under_voltage",
                  "freq_capped", "memory_pressure", "swap_in_per_s"):
        assert health[field] is None, field
    assert cluster.ask(prompt="hi").text


def test_a_root_that_does_not_exist_works_too(cluster):
    root = Root(cluster.path("absent"), board="none")
    root.path = cluster.path("nowhere")
    cluster.router()
    cluster.worker("pi-1", cluster.sim(), root=root)
    assert cluster.health("pi-1")["temp_c"] is None
    assert cluster.ask(prompt="hi").text


def test_implausible_sensors_are_refused(cluster):
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sim())
    for text in ("127000\n", "-1000000\n", "garbage\n", "", "9" * 5000, "\x00\xff"):
        worker.root.write("sys/class/thermal/thermal_zone0/temp", text)
        worker.root.write("sys/class/hwmon/hwmon1/temp1_input", text)
        wait_until(lambda: cluster.health("pi-1")["temp_c"] is None, f"{text[:9]!r} is refused")
        worker.root.set(temp=50)
        wait_until(lambda: cluster.health("pi-1")["temp_c"] == 50, "50 C is taken")
    worker.root.write("proc/stat", "cpu  1 0 0 1 0 0 0 0 0 0\n")
    worker.root.write("proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 999999 kB\n")
    first = cluster.health("pi-1")["last_seen_ms"]
    wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 500, "it was read")
    cpu = cluster.health("pi-1")["cpu_percent"]
    assert cpu is None or 0 <= cpu <= 100
    assert cluster.ask(prompt="hi").text


FOREIGN = {
    "not JSON": "hello",
    "half": '{"node_id":"half","available":true,',
    "empty": "",
    "array": "[1,2,3]",
    "deep": "[" * 5000,
    "null": "null",
    "utf": b"{\"node_id\":\"\xff\xfe\"}",
    "nul": b"{\"node_id\":\"a\x00b\"}",
    "huge": json.dumps({"node_id": "huge", "available": True, "last_seen": 10**30, "slots": 10**25,
                        "in_flight": -10**25, "temp_c": 1e308, "ram_percent": -1e308,
                        "installed": ["gemma3:1b"], "models": ["gemma3:1b"]}),
    "types": json.dumps({"node_id": 7, "available": "yes", "last_seen": "now", "slots": "one",
                         "installed": "gemma3:1b", "models": {"a": 1}, "rates": [1],
                         "sessions": 5}),
    "other": json.dumps({"node_id": "someone-else", "available": True, "slots": 4,
                         "installed": ["gemma3:1b"], "last_seen": 4102444800, "temp_c": 20,
                         "ram_percent": 5, "in_flight": 0, "models": ["gemma3:1b"]}),
    "../../etc/passwd": json.dumps({"node_id": "../../etc/passwd", "available": True}),
    "a b": json.dumps({"node_id": "a b", "available": True, "slots": 1, "last_seen": 4102444800,
                       "installed": ["gemma3:1b"]}),
    "x" * 70000: "{}",
    "many": json.dumps({"node_id": "many", "installed": [f"m{i}" for i in range(20000)]}),
    "big": json.dumps({"node_id": "big", "reason": "x" * 2**20}),
}


def test_foreign_entries_in_health_do_no_harm(cluster):
    one_node(cluster)
    log = len(cluster.daemon("router-1").log)
    for node, text in FOREIGN.items():
        cluster.db.hset(cluster.keys.health, node, text)
    for _ in range(5):
        assert cluster.ask(prompt="hi").node == "pi-1"
    stays_true(lambda: cluster.daemon("router-1").alive, "the router lives", 1.5)
    assert len(lines(cluster.daemon("router-1"), log)) < 60
    assert cluster.ask(prompt="hi").node == "pi-1"
    cluster.db.delete(*[k for k in cluster.db.keys("orion:inference:requests:*")
                        if cluster.db.xlen(k) == 0 and not k.endswith("pi-1")] or ["none"])


def test_foreign_entries_in_routers_and_events_do_no_harm(cluster):
    one_node(cluster)
    for router, text in FOREIGN.items():
        cluster.db.hset(cluster.keys.routers, router, text)
        cluster.db.xadd(cluster.keys.events, {"event": text[:99], "node": router[:99]})
    stays_true(lambda: cluster.daemon("router-1").alive, "the router lives", 1)
    assert cluster.ask(prompt="hi").text


FORGED_WORK = [
    {"a": "b"},
    {"request_id": "w1", "model": "gemma3:1b", "prompt": "hi"},
    {"request_id": "w2", "attempt": "1", "origin_id": "1-1", "submitted_ms": "1",
     "deadline_ms": "99999999999999", "model": "gemma3:1b", "messages": "[[[",
     "callback": "orion:inference:responses:w2"},
    {"request_id": "w 3", "attempt": "x", "origin_id": "y", "submitted_ms": "-1",
     "deadline_ms": "9" * 40, "callback": "elsewhere"},
]


def test_forged_entries_on_a_nodes_stream_do_no_harm(cluster):
    one_node(cluster)
    for fields in FORGED_WORK:
        cluster.db.xadd(cluster.keys.node("pi-1"), fields)
    wait_until(lambda: cluster.db.xlen(cluster.keys.node("pi-1")) == 0, "they are gone")
    assert cluster.ask(prompt="hi").text
    assert not cluster.db.exists("elsewhere")
    assert cluster.db.xpending(cluster.keys.requests, GROUP_ROUTERS)["pending"] == 0


def test_an_idle_cluster_costs_next_to_nothing(cluster):
    cluster.router(log_level="info")
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT), log_level="info", health_interval="5s")
    before = {d.name: d.cpu_seconds() for d in cluster.daemons}
    stays_true(lambda: all(d.alive for d in cluster.daemons), "the daemons live", 3)
    for daemon in cluster.daemons:
        spent = daemon.cpu_seconds() - before[daemon.name]
        assert spent <= (0.3 if SANITIZE else 0.06), (daemon.name, spent)
