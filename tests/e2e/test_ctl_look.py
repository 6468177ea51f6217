"""orionctl status, top, events, explain, doctor: looking."""

import json
import signal
import subprocess
import time

import pytest

from cluster import CHAT, SLOW_CHAT, wait_until
from ctl import Run, ctl, environment, finish, start
from process import SLOW, binary


def test_status_shows_nodes_routers_and_what_waits(cluster):
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    cluster.worker("pi-2", cluster.sim(CHAT))
    worker.root.set(temp=61.7)
    wait_until(lambda: cluster.health("pi-1")["temp_c"] == 61.7, "it is read")
    run = ctl(cluster, "status")
    assert run.code == 0 and "2 nodes: 2 up | 1 router | 0 waiting | 0 on nodes" in run.out
    row = next(line for line in run.out.splitlines() if line.startswith("pi-1"))
    assert "Pi 5" in row and "61.7C" in row and "0/1" in row and " up " in row
    assert "\x1b" not in run.out
    assert "\x1b[32m" in ctl(cluster, "status", "--color", "always").out
    ctl(cluster, "drain", "pi-2")
    running = cluster.submit(prompt="long")
    cluster.wait_running(running)
    waiting = [cluster.submit(prompt="x", priority=p) for p in ("high", "low", "low")]
    wait_until(lambda: ctl(cluster, "status", "--json").json["queue"]["length"] == 3, "they wait")
    status = ctl(cluster, "status", "--json").json
    assert status["serves"] and status["on_nodes"] == 1
    assert {(g["priority"], g["model"], g["count"]) for g in status["queue"]["groups"]} == \
        {("high", "gemma3:1b", 1), ("low", "gemma3:1b", 2)}
    nodes = {n["node"]: n for n in status["nodes"]}
    assert nodes["pi-1"]["state"] == "up" and nodes["pi-1"]["on_stream"] == 1
    assert nodes["pi-2"]["state"] == "drained" and nodes["pi-2"]["drained"] is True
    assert nodes["pi-1"]["health"]["temp_c"] == 61.7
    assert [r["router"] for r in status["routers"] if r["alive"]] == ["router-1"]
    text = ctl(cluster, "status").out
    assert "3 waiting, oldest" in text
    assert ["low", "gemma3:1b", "2"] in [line.split()[:3] for line in text.splitlines()]
    for request_id in waiting + [running]:
        cluster.cancel(request_id)
        cluster.read_reply(request_id)


def test_a_fleet_that_cannot_serve_is_1(cluster):
    run = ctl(cluster, "status")
    assert run.code == 1 and "No router" in run.out and "No node" in run.out
    assert ctl(cluster, "status", "--json").json["serves"] is False
    cluster.router(node_lost="2s", node_late="1s")
    worker = cluster.worker("pi-1", cluster.sim())
    assert ctl(cluster, "status").code == 0
    worker.kill()
    wait_until(lambda: ctl(cluster, "status", ORION_NODE_LOST="2s", ORION_NODE_LATE="1s")
               .out.count(" lost "), "it is lost")
    assert ctl(cluster, "status", ORION_NODE_LOST="2s", ORION_NODE_LATE="1s").code == 1


def test_redis_that_is_not_there_or_refuses_is_3(new_cluster):
    cluster = new_cluster(password="sesame")
    run = ctl(cluster, "status")
    assert run.code == 3 and "password" in run.err
    path = cluster.path("password")
    with open(path, "w", encoding="ascii") as file:
        file.write("sesame\n")
    assert ctl(cluster, "status", "--password-file", path).code == 1
    config = cluster.path("ctl.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"redis_password_file = {path}\n")
    assert ctl(cluster, "status", "--config", config).code == 1
    assert ctl(cluster, "status", ORION_REDIS_PASSWORD_FILE=path).code == 1
    with open(path, "w", encoding="ascii") as file:
        file.write("wrong-and-secret\n")
    run = ctl(cluster, "status", "--password-file", path)
    assert run.code == 3 and "wrong-and-secret" not in run.err
    cluster.redis.kill()
    run = ctl(cluster, "status")
    assert run.code == 3 and "cannot connect to Redis" in run.err
    assert ctl(cluster, "status", "--password-file", "/nowhere").code == 2


def test_a_redis_that_does_not_answer_is_3_and_ctrl_c_works_meanwhile(cluster):
    cluster.redis.freeze()
    process = start(cluster, "status")
    time.sleep(0.3)  # it waits for an answer by now; earlier it would be interrupted as well
    before = time.monotonic()
    assert finish(process, signal.SIGINT).code == 130
    assert time.monotonic() - before < 4 * SLOW
    run = ctl(cluster, "status")
    assert run.code == 3 and "does not answer" in run.err
    cluster.redis.thaw()


def test_the_address_comes_from_option_environment_or_file(cluster):
    def run(*arguments, **env):
        return Run(subprocess.run([binary("orionctl"), *arguments], capture_output=True, text=True,
                                  check=False, env=environment(**env)))
    url = f"unix://{cluster.redis.socket}"
    cluster.router()
    assert "1 router" in run("status", "--redis", url).out
    assert "1 router" in run("status", REDIS_URL=url).out
    assert "1 router" in run("status", REDIS_URL="redis://127.0.0.1:1", ORION_REDIS=url).out
    assert "0 routers" in run("status", "--redis", url, "--prefix", "other").out
    assert run("status", "--redis", "redis://u:secret@x").code == 2
    assert "secret" not in run("status", "--redis", "redis://u:secret@x").err


def test_events_are_filtered_and_followed(cluster):
    cluster.fleet(2)
    first, second = cluster.submit(prompt="a"), cluster.submit(model="qwen2.5:0.5b", prompt="b")
    cluster.read_reply(first)
    cluster.read_reply(second)
    wait_until(lambda: len(cluster.events(event="done")) == 2, "both events are there")
    assert [e["event"] for e in ctl(cluster, "events", "--request", first, "--json").lines] == \
        ["queued", "routed", "started", "done"]
    lines = ctl(cluster, "events", "--event", "queued,done", "--model", "qwen2.5:0.5b",
                "--json").lines
    assert [(e["event"], e["request_id"]) for e in lines] == [("queued", second), ("done", second)]
    assert len(ctl(cluster, "events", "-n", "3").out.splitlines()) == 3
    assert ctl(cluster, "events", "-n", "0").out == ""
    assert "node_up" in ctl(cluster, "events", "--since", "1h").out
    routed = ctl(cluster, "events", "-e", "routed", "--request", first).out
    assert "to pi-" in routed and "others: pi-" in routed
    process = start(cluster, "events", "--follow", "-n", "0", "--node", "pi-1", "--json")
    wait_until(lambda: any(c["name"] == "orionctl" and "b" in c["flags"]
                           for c in cluster.db.client_list()), "it waits for events")
    cluster.control(op="drain", node="pi-1")
    wait_until(lambda: cluster.events(event="drain"), "it is applied")
    line = json.loads(process.stdout.readline())
    assert line["event"] == "drain" and line["node"] == "pi-1"
    assert finish(process, signal.SIGINT).code == 0


def test_explain_tells_the_life_of_a_request_that_moved(cluster):
    cluster.router()
    first = cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    request_id = cluster.submit(prompt="x", stream=True, progress=True)
    wait_until(lambda: len(cluster.entries(request_id).chunks) > 2, "pieces come")
    cluster.worker("pi-2", cluster.sim(CHAT))
    first.kill()
    assert cluster.read_reply(request_id).node == "pi-2"
    life = ctl(cluster, "explain", request_id, "--json").json
    assert (life["state"], life["node"], life["attempt"], life["open"]) == ("done", "pi-2", 2, False)
    whats = [s["what"] for s in life["steps"] if s["source"] == "events"]
    assert whats == ["queued", "routed", "started", "requeued", "routed", "started", "done"]
    assert [s["entry"]["attempt"] for s in life["steps"] if s["what"] == "first token"] == [1, 2]
    assert [s["at_ms"] for s in life["steps"]] == sorted(s["at_ms"] for s in life["steps"])
    text = ctl(cluster, "explain", request_id).out
    assert "to pi-1, attempt 1, by router-1" in text and "to pi-2, attempt 2" in text
    assert "was lost while it had the request" in text and "last entry" in text
    assert text.index("requeued") < text.index("to pi-2, attempt 2")


def test_explain_tells_what_a_request_waits_for(cluster):
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    worker.root.set(temp=80)
    cluster.wait_available("pi-1", False)
    waiting = cluster.submit(prompt="x")
    wait_until(lambda: cluster.events(event="queued"), "it is read")
    text = ctl(cluster, "explain", waiting).out
    assert "It waits; 0 on the queue before it; read by router-1" in text
    assert "pi-1: hot" in text
    assert ctl(cluster, "explain", waiting, "--json").json["open"] is True
    cluster.cancel(waiting)
    assert cluster.read_reply(waiting).code == "cancelled"
    assert "cancelled" in ctl(cluster, "explain", waiting).out


def test_top_without_a_terminal_is_one_screen(cluster):
    cluster.fleet(2)
    run = ctl(cluster, "top", "--sort", "temp")
    lines = run.out.splitlines()
    assert run.code == 0 and len(lines) == 24 and max(map(len, lines)) <= 80, run
    assert "by temp" in lines[0] and any(line.startswith("> pi-") for line in lines)
    assert ctl(cluster, "top", "--once", "--json").json["serves"] is True
    assert ctl(cluster, "top", "--sort", "size").code == 2


def findings(cluster, level, subject=None):
    report = ctl(cluster, "doctor", "--json").json
    return [f["what"] + " -> " + (f["todo"] or "") for f in report["findings"]
            if f["level"] == level and (subject is None or f["subject"] == subject)]


def test_doctor_finds_what_is_wrong_with_redis(new_cluster):
    cluster = new_cluster("--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
    cluster.fleet(1)
    run = ctl(cluster, "doctor")
    assert run.code == 1 and "the AOF is off" in run.out and "-> appendonly yes" in run.out
    bad = " ".join(findings(cluster, "bad", "redis"))
    assert "AOF is off" in bad and "allkeys-lru" in bad and "noeviction" in bad
    cluster.db.config_set("stream-node-max-bytes", 4096)
    assert any("stream-node-max-bytes 4096" in f for f in findings(cluster, "warning", "redis"))


def test_doctor_is_content_with_the_shipped_settings(new_cluster):
    cluster = new_cluster("--maxmemory", "100mb", aof=True)
    cluster.fleet(1)
    run = ctl(cluster, "doctor")
    assert run.code == 0 and "0 bad" in run.out, run
    assert not findings(cluster, "bad")
    ok = " ".join(findings(cluster, "ok", "redis"))
    assert "AOF with appendfsync always" in ok and "noeviction" in ok


def test_doctor_finds_open_doors_and_forbidden_questions(new_cluster):
    cluster = new_cluster("--maxmemory", "100mb", aof=True)
    assert any("no password" in f for f in findings(cluster, "note", "redis"))  # port 0
    cluster.db.acl_setuser("default", enabled=True, nopass=True, keys=["*"],
                           commands=["+@all", "-config", "-info", "-acl"])
    notes = findings(cluster, "note", "redis") + findings(cluster, "warning", "redis")
    assert any("may not call INFO" in f for f in notes)
    assert any("may not read the configuration" in f for f in notes)


def test_doctor_finds_what_is_wrong_with_nodes(cluster):
    cluster.router()
    hot = cluster.worker("pi-1", cluster.sim())
    hot.root.set(temp=82, throttled=0x50005)
    old = cluster.worker("pi-2", cluster.sim(profile="0.12.5"))
    blind = cluster.new_worker("pi-3", cluster.sim()).start()
    cluster.wait_available("pi-3")
    blind.root.set(temp=None)
    old_sim = cluster.sim()
    down = cluster.worker("pi-4", old_sim)
    old_sim.kill()
    wait_until(lambda: cluster.health("pi-4")["reason"] == "ollama down", "it is noticed", 20)
    wait_until(lambda: cluster.health("pi-1")["throttled"], "it is read")
    wait_until(lambda: cluster.health("pi-3")["temp_c"] is None, "it is read")
    bad, warning = findings(cluster, "bad"), findings(cluster, "warning")
    assert any("throttled now" in f for f in bad) and any("under-voltage" in f for f in bad)
    assert any("ollama down" in f and "systemctl status ollama" in f for f in bad)
    assert any("reports the speed" in f and "0.12.7" in f for f in warning)
    assert any("no temperature" in f for f in warning)
    assert any("takes no work: hot" in f for f in warning)
    assert old.alive and down.alive


def test_doctor_finds_an_ollama_that_forgets_its_models(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim())
    assert cluster.health("pi-1")["keeps_models"] is None  # nothing is in memory yet
    cluster.ask()
    wait_until(lambda: cluster.health("pi-1")["keeps_models"] is False, "it is published")
    assert any("forgets a model" in f and "OLLAMA_KEEP_ALIVE=-1" in f
               for f in findings(cluster, "warning", "pi-1"))
    cluster.worker("pi-2", cluster.sim(keep_alive="-1s"))
    ctl(cluster, "preload", "gemma3:1b", "--node", "pi-2")
    wait_until(lambda: cluster.health("pi-2")["keeps_models"] is True, "it is published")
    assert not any("forgets" in f for f in findings(cluster, "warning", "pi-2"))


def test_doctor_without_a_router(cluster):
    assert any("nothing is given to a node" in f for f in findings(cluster, "bad", "routers"))
    assert any("there is none" in f for f in findings(cluster, "bad", "nodes"))


@pytest.mark.parametrize("value", ["no json", "[]", "{", '{"temp_c":"hot"}', "\x1b]0;x\x07",
                                   '{"reason":"\\u001b[31m","available":false,"last_seen_ms":1}',
                                   '{"node_id":"x","models":["\\u009b2J"],"last_seen":1e400}'])
def test_health_that_others_wrote_is_shown_harmlessly(cluster, value):
    cluster.db.hset(cluster.keys.health, "evil\x1b[31m\u202e", value)
    cluster.db.hset(cluster.keys.routers, "evil\x1b[31m", value)
    for arguments in (("status",), ("top",), ("doctor",), ("status", "--json")):
        run = ctl(cluster, *arguments)
        assert run.code in (0, 1) and not any(c in run.out for c in "\x1b\x07\x9b\u202e"), run
    assert json.loads(ctl(cluster, "status", "--json").out)["nodes"]


def test_what_is_looked_at_is_bounded(cluster):
    pipe = cluster.db.pipeline()
    for i in range(2100):
        pipe.xadd(cluster.keys.requests, {"request_id": f"q{i}", "model": f"m{i % 70}", "prompt": "x"})
    pipe.execute()
    queue = ctl(cluster, "status", "--json").json["queue"]
    assert (queue["length"], queue["looked_at"], len(queue["groups"])) == (2100, 2000, 64)
    assert sum(g["count"] for g in queue["groups"]) + queue["others"] == 2000
    assert "counted among the first 2000" in ctl(cluster, "status").out
    assert "1999 on the queue before it" in ctl(cluster, "explain", "q1999").out
    far = ctl(cluster, "explain", "q2050")
    assert far.code == 4 and "waits far behind in the queue" in far.err, far
    assert ctl(cluster, "cancel", "--no-wait", "q2050").code == 0  # nobody says it was never submitted
    assert [e["request_id"] for _, e in cluster.db.xrange(cluster.keys.control)] == ["q2050"]
    cluster.db.delete(cluster.keys.requests)
    for i in range(20):
        cluster.db.xadd(cluster.keys.requests, {"request_id": f"b{i}", "prompt": "x" * 2**20})
    queue = ctl(cluster, "status", "--json").json["queue"]
    assert queue["length"] == 20 and queue["looked_at"] == 16  # the bytes that one look may cost
    cluster.db.hset(cluster.keys.health, "pi-1", '{"last_seen":1' + " " * 2**18 + "}")
    node, = ctl(cluster, "status", "--json").json["nodes"]
    assert node["state"] == "unreadable" and node["health"] is None


@pytest.mark.parametrize("command,of", [(("status",), "requests"), (("doctor",), "requests"), (("events",), "events"),
                                        (("dead", "list"), "dead"), (("drain", "pi-1"), "health")])
def test_a_key_that_holds_something_else_is_named(cluster, command, of):
    key = getattr(cluster.keys, of)
    cluster.db.set(key, "foreign")
    run = ctl(cluster, *command)
    assert run.code == 3 and f"{key} holds a value of another type" in run.err, run
