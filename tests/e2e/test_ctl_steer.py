"""orionctl drain, undrain, forget, dead, bench: steering."""

import json
import signal
import subprocess

from cluster import CHAT, OTHER, SLOW_CHAT, wait_until
from ctl import Run, ctl, environment, finish, start
from process import SLOW, binary

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"


def test_drain_waits_until_nothing_is_left_and_undrain(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(HALF_SECOND))
    request_id = cluster.submit(prompt="x")
    cluster.wait_running(request_id)
    run = ctl(cluster, "drain", "pi-1", "--wait", "--json")
    assert run.code == 0 and run.json == {"node": "pi-1", "drained": True, "left": 0}
    assert cluster.read_reply(request_id).node == "pi-1"
    assert cluster.db.sismember(cluster.keys.drained, "pi-1")
    run = ctl(cluster, "undrain", "pi-1")
    assert run.code == 0 and "back in service" in run.out
    assert not cluster.db.sismember(cluster.keys.drained, "pi-1")


def test_a_drain_that_takes_too_long_is_5_and_the_node_stays_drained(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    request_id = cluster.submit(prompt="x")
    cluster.wait_running(request_id)
    assert "1 left" in ctl(cluster, "drain", "pi-1").out
    run = ctl(cluster, "drain", "pi-1", "--wait", "--timeout", "500ms")
    assert run.code == 5 and "stays drained" in run.err
    assert cluster.db.sismember(cluster.keys.drained, "pi-1")
    cluster.cancel(request_id)
    cluster.read_reply(request_id)
    assert ctl(cluster, "drain", "pi-1", "--wait").code == 0


def test_nodes_that_nobody_knows_and_names_that_are_none(cluster):
    cluster.router()
    for command in ("drain", "undrain", "forget"):
        run = ctl(cluster, command, "pi-9")
        assert run.code == 4 and "pi-9" in run.err
        assert ctl(cluster, command, "pi 9").code == 2
    assert cluster.db.xlen(cluster.keys.control) == 0


def test_a_drain_without_a_router_is_5_and_kept(cluster):
    cluster.db.hset(cluster.keys.health, "pi-1", '{"node_id":"pi-1"}')
    run = ctl(cluster, "drain", "pi-1", "--timeout", "300ms")
    assert run.code == 5 and "router" in run.err
    cluster.router()
    wait_until(lambda: cluster.db.sismember(cluster.keys.drained, "pi-1"), "it is applied")


def test_forget_removes_only_what_is_lost_and_empty(cluster):
    limits = {"ORION_NODE_LOST": "2s", "ORION_NODE_LATE": "1s"}
    cluster.router(node_late="1s", node_lost="2s")
    cluster.worker("pi-2", cluster.sim(CHAT))
    gone = cluster.worker("pi-1", cluster.sim(CHAT))
    run = ctl(cluster, "forget", "pi-1", **limits)
    assert run.code == 1 and "alive" in run.err
    assert ctl(cluster, "drain", "pi-1").code == 0
    gone.kill()
    wait_until(lambda: ctl(cluster, "forget", "pi-1", **limits).code == 0, "it may be forgotten")
    assert cluster.health("pi-1") is None and cluster.health("pi-2")
    assert not cluster.db.exists(cluster.keys.epoch("pi-1"), cluster.keys.node("pi-1"))
    wait_until(lambda: not cluster.db.sismember(cluster.keys.drained, "pi-1"), "it is undrained")


def dead_request(cluster, request_id="doomed"):
    """A request that every attempt fails, and so is dead."""
    cluster.submit(request_id=request_id, prompt="x", metadata="keep me")
    assert cluster.read_reply(request_id, 30).code == "attempts_exhausted"
    wait_until(lambda: any(d["request_id"] == request_id for d in cluster.dead()), "it is dead")


def test_dead_letters_are_listed_shown_and_sent_again(cluster):
    cluster.router(max_attempts=1)
    sim = cluster.sim(CHAT)
    cluster.worker("pi-1", sim)
    assert "No dead letters" in ctl(cluster, "dead", "list").out
    sim.fault("status=500")
    dead_request(cluster)
    sim.heal()
    assert "attempts_exhausted" in ctl(cluster, "dead", "list").out
    entry, = ctl(cluster, "dead", "list", "--json").lines
    assert entry["request_id"] == "doomed" and entry["code"] == "attempts_exhausted"
    assert "request.prompt: x" in ctl(cluster, "dead", "show", "doomed").out
    assert ctl(cluster, "dead", "show", entry["id"], "--json").json["request.metadata"] == "keep me"
    assert ctl(cluster, "dead", "show", "nobody").code == 4
    assert ctl(cluster, "dead", "retry").code == 2
    run = ctl(cluster, "dead", "retry", "doomed", "--json")
    assert run.code == 0 and run.json["request_id"] == "doomed.retry"
    reply = cluster.read_reply("doomed.retry")
    assert reply.text and reply.done["metadata"] == "keep me"
    assert cluster.dead() == []
    assert ctl(cluster, "dead", "retry", "doomed").code == 4
    assert "attempts_exhausted" in ctl(cluster, "explain", "doomed").out


def test_a_dead_letter_that_was_not_kept_whole_is_not_sent_again(cluster):
    cluster.db.xadd(cluster.keys.dead, {"request_id": "big", "code": "x", "error": "y",
                                        "request_bytes": "20000"})
    run = ctl(cluster, "dead", "retry", "--all")
    assert run.code == 1 and "too large to be kept" in run.err
    assert len(cluster.dead()) == 1


def test_retry_of_a_retry_gets_a_name_of_its_own(cluster):
    cluster.db.xadd(cluster.keys.dead, {"request_id": "r", "code": "x", "error": "y",
                                        "request.model": "gemma3:1b", "request.prompt": "x",
                                        "request.request_id": "r", "request.callback": "x",
                                        "request.attempt": "7"})
    cluster.db.hset(cluster.keys.job("r.retry"), "state", "done")
    run = ctl(cluster, "dead", "retry", "--all")
    assert run.code == 0 and run.out == "r.retry2\n"
    assert [e for _, e in cluster.db.xrange(cluster.keys.requests)] == [
        {"request_id": "r.retry2", "model": "gemma3:1b", "prompt": "x"}]


def test_purge_removes_what_is_named_old_or_all(cluster):
    for i in range(150):
        cluster.db.xadd(cluster.keys.dead, {"request_id": f"r{i}", "code": "x", "error": "y"},
                        id=f"{1000 + i}-0")
    new = cluster.db.xadd(cluster.keys.dead, {"request_id": "new", "code": "x", "error": "y"})
    assert ctl(cluster, "dead", "purge").code == 2
    assert ctl(cluster, "dead", "purge", "r3", "1005-0", "--json").json == {"removed": 2}
    assert ctl(cluster, "dead", "purge", "r3").code == 4
    assert ctl(cluster, "dead", "purge", "--older-than", "1d").out == "148 removed\n"
    assert [i for i, _ in cluster.db.xrange(cluster.keys.dead)] == [new]
    assert ctl(cluster, "dead", "purge", "--all").out == "1 removed\n"
    assert cluster.dead() == []


def test_bench_measures_and_counts(cluster):
    cluster.fleet(2)
    run = ctl(cluster, "bench", "-m", "gemma3:1b", "-n", "12", "-c", "3", "--json")
    report = run.json
    assert run.code == 0 and report["done"] == 12 and report["failed"] == 0
    assert report["total_ms"]["n"] == report["first_token_ms"]["n"] == 12
    for name in ("wait_ms", "first_token_ms", "total_ms"):
        values = [report[name][k] for k in ("p50", "p90", "p95", "p99", "worst")]
        assert values == sorted(values) and values[0] >= 0
    assert report["first_token_ms"]["worst"] <= report["total_ms"]["worst"]
    assert sum(n["requests"] for n in report["nodes"]) == 12 and report["tokens"] == 144
    assert "12 of 12 requests" in ctl(cluster, "bench", "-m", "gemma3:1b", "-n", "12").out
    assert ctl(cluster, "bench", "-m", "gemma3:1b", "-n", "3", "-r", "600").code == 0
    assert ctl(cluster, "bench").code == 2
    cluster.assert_no_leftovers()


def test_bench_tells_failures(cluster):
    cluster.fleet(1)
    run = ctl(cluster, "bench", "-m", "nobody-has-it", "-n", "2", "--json")
    assert run.code == 1 and run.json["errors"] == [{"code": "unknown_model", "n": 2}]


def test_ctrl_c_in_a_bench_cancels_everything_and_prints_what_was_measured(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=1ms,gen_tps=20,prompt_tps=1e6,tokens=20"))
    process = start(cluster, "bench", "-m", "gemma3:1b", "-n", "100", "-c", "5", "--json")
    wait_until(lambda: cluster.events(event="done"), "one is done", 20)
    run = finish(process, signal.SIGINT)
    report = json.loads(run.out)
    assert run.code == 130 and report["interrupted"] and report["done"] >= 1
    assert {"code": "cancelled", "n": report["failed"]} in report["errors"]
    wait_until(lambda: cluster.sims[0].running() == 0, "nothing runs any more")
    cluster.assert_no_leftovers()


def test_a_model_is_loaded_ahead_of_need(cluster):
    cluster.fleet(2)
    run = ctl(cluster, "preload", "gemma3:1b", "--json")
    assert run.code == 0 and run.json["loaded"] is True and run.json["error"] is None, run
    node = run.json["node"]
    wait_until(lambda: "gemma3:1b" in cluster.health(node)["models"], "it is in memory")
    assert "already" in ctl(cluster, "preload", "gemma3:1b").out
    other = {"pi-1": "pi-2", "pi-2": "pi-1"}[node]
    assert "loaded in" in ctl(cluster, "preload", "gemma3:1b", "--node", other).out
    run = ctl(cluster, "preload", "qwen2.5:0.5b", "--node", node)  # what is there makes way
    assert run.code == 0, run
    wait_until(lambda: cluster.health(node)["models"] == ["qwen2.5:0.5b"], "it has made way")
    assert ctl(cluster, "preload", "nobody-has-it").code == 4
    assert ctl(cluster, "preload", "gemma3:1b", "--node", "pi-9").code == 4
    assert ctl(cluster, "preload", "a b").code == 2


def test_a_preload_that_a_busy_node_refuses_is_1(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT, OTHER))
    running = cluster.submit(prompt="x")
    cluster.wait_running(running)
    run = ctl(cluster, "preload", "qwen2.5:0.5b", "--node", "pi-1")
    assert run.code == 1 and "the node has work" in run.err, run
    assert ctl(cluster, "preload", "qwen2.5:0.5b").code == 1
    cluster.cancel(running)
    cluster.read_reply(running)


def test_the_operator_of_the_acl_can_do_all_of_it(new_cluster):
    cluster = new_cluster(users=True)
    cluster.fleet(1)

    def operate(*arguments):
        argv = [binary("orionctl"), *arguments, "--redis",
                f"redis://orion-operator@127.0.0.1:{cluster.redis.port}", "--password-file",
                cluster.redis.users.password_file("orion-operator"), "--json"]
        return Run(subprocess.run(argv, capture_output=True, text=True, check=False,
                                  timeout=60 * SLOW, env=environment(ORION_NODE_LOST="1s",
                                                                     ORION_NODE_LATE="1s")))

    for i in range(2):
        cluster.db.xadd(cluster.keys.dead, {"request_id": f"r{i}", "code": "x", "error": "y",
                                            "request.model": "gemma3:1b", "request.prompt": "x"})
    cluster.db.hset(cluster.keys.health, "gone", '{"last_seen_ms":1}')
    for arguments in (["status"], ["top", "--once"], ["submit", "-m", "gemma3:1b", "--id", "a", "x"],
                      ["wait", "a"], ["explain", "a"], ["events"], ["drain", "pi-1", "--wait"],
                      ["undrain", "pi-1"], ["forget", "gone"], ["dead", "list"],
                      ["dead", "show", "r0"], ["dead", "retry", "r0"], ["dead", "purge", "--all"],
                      ["bench", "-m", "gemma3:1b", "-n", "2"], ["doctor"]):
        run = operate(*arguments)
        assert run.code in ((0, 1) if arguments[0] in ("status", "doctor") else (0,)), (arguments, run)
        assert "NOPERM" not in run.err and "refuses" not in run.err, (arguments, run)
        assert run.lines or arguments == ["dead", "list"], (arguments, run)  # JSON, whatever it is
    cluster.wait_available("pi-1")
    # What was sent again may be running yet: only an idle node loads a model.
    wait_until(lambda: operate("preload", "qwen2.5:0.5b").code == 0, "it is loaded")
    assert operate("cancel", "a").code == 1
    tried = [e for e in cluster.db.acl_log() if e["username"] == "orion-operator"]
    assert {e["object"] for e in tried} <= {"config|get", "acl|whoami", "acl|getuser"}, tried
    cluster.db.acl_log_reset()
