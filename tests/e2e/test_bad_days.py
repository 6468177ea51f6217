"""Ollama, sensors and neighbours that misbehave: said once, waited out, recovered from."""

import json

from cluster import CHAT, GROUP_ROUTERS, SLOW_CHAT, Cluster, wait_until
from process import SANITIZE, stays_true
from root import Root


def one_node(cluster: Cluster, model=CHAT, **worker):
    """Daemons at their default log level, as an operator runs them."""
    sim = cluster.sim(model)
    cluster.router(log_level="info")
    cluster.worker("pi-1", sim, log_level="info", **worker)
    return sim


def lines(process, since=0):
    return process.log[since:].splitlines()


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
