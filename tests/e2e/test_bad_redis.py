"""Redis that is away, frozen, loading, full or read-only: said once, waited out, recovered from."""

import pytest
import redis

from cluster import CHAT, Cluster, wait_until
from process import SLOW, stays_true

HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"


def one_node(cluster: Cluster, model=CHAT, model_wait="2s", **worker):
    """Daemons at their default log level, as an operator runs them."""
    sim = cluster.sim(model)
    cluster.router(log_level="info", model_wait=model_wait)
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
    one_node(cluster, model_wait="20s")  # a node may take longer than 2 s to come back
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
    with pytest.raises(redis.ResponseError, match="maxmemory"):
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


def test_a_redis_that_takes_us_and_drops_us_is_told_like_one_that_is_away(cluster):
    """A server that stays read-only: the router connects anew for hours, and the log does not grow with it."""
    one_node(cluster)
    router = cluster.daemon("router-1")

    def connections():
        return cluster.db.info("stats")["total_connections_received"]

    before = connections()
    cluster.db.execute_command("REPLICAOF", "127.0.0.1", "1")
    wait_until(lambda: connections() >= before + 3 + 9, "the router has connected anew, again and again", 40)
    lines = [line for line in router.log.splitlines() if "conn=orion-router:commands" in line]
    assert len([line for line in lines if "event=redis_down" in line]) <= 5, lines
    assert len([line for line in lines if "event=redis_up" in line]) <= 5, lines
    cluster.db.execute_command("REPLICAOF", "NO", "ONE")
    assert cluster.ask(prompt="hi").text
    wait_until(lambda: "event=redis_up" in [line for line in router.log.splitlines()
                                            if "conn=orion-router:commands" in line][-1],
               "that it is over is told once it holds", 20)


def test_a_queue_stream_of_another_type_is_told_and_waited_out(cluster):
    one_node(cluster)
    cluster.db.delete(cluster.keys.requests)
    cluster.db.set(cluster.keys.requests, "not a stream")
    check_waits_quietly([d for d in cluster.daemons if d.name == "router-1"], 2)
    cluster.db.delete(cluster.keys.requests)
    assert cluster.ask(prompt="hi").text
