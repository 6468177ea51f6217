"""Everything dies at random, Redis included; still each request gets exactly one terminal entry."""

import json
import os
import random
import socket
import sys
import time

import pytest
import redis

from cluster import wait_until
from process import SLOW, Process, binary

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "chaos"))
from faults import OLLAMA_FAULTS  # noqa: E402
from stage import sim_words  # noqa: E402

MODEL = "gemma3:1b,load=5ms,gen_tps=100,prompt_tps=1e6,tokens=12"
SECONDS = 9


def strike(cluster, dice, frozen):
    """One misfortune."""
    what = dice.choice(["kill worker", "kill router", "freeze", "redis", "sim", "clients", "thaw"])
    if what.startswith("kill"):
        program = "orion-" + what.split()[1]
        victims = [d for d in cluster.daemons if d.argv[0].endswith(program)]
        victim = dice.choice(victims)
        if victim in frozen:
            frozen.remove(victim)
        victim.kill()
        victim.start()
    elif what == "freeze" and len(frozen) < 2:
        victim = dice.choice([d for d in cluster.daemons if d not in frozen])
        victim.freeze()
        frozen.append(victim)
    elif what == "thaw" and frozen:
        frozen.pop(0).thaw()
    elif what == "redis":
        cluster.redis.kill()
        cluster.redis.start()
    elif what == "sim":
        sim = dice.choice(cluster.sims)
        sim.fault(dice.choice(["cut-after=3,count=1", "status=stopped500,count=1",
                               "hang-after=2,count=1", "clean-end-after=1,count=1"]))
    elif what == "clients":
        cluster.db.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return what


@pytest.mark.parametrize("seed", [int(os.environ.get("ORION_CHAOS_SEED", "7"))])
def test_no_request_is_lost_and_none_ends_twice(new_cluster, seed):
    dice = random.Random(seed)
    cluster = new_cluster(aof=True)
    lost = {"node_late": f"{SLOW}s", "node_lost": f"{2 * SLOW}s", "max_attempts": 20,
            "model_wait": "60s"}
    cluster.router("router-1", **lost)
    cluster.router("router-2", **lost)
    for i in range(1, 4):
        cluster.worker(f"pi-{i}", cluster.sim(MODEL), stall_timeout="1s", first_byte_timeout="2s")
    asked, frozen, history = [], [], []
    deadline = time.monotonic() + SECONDS
    next_strike = time.monotonic() + 0.5

    def submit_and_strike():
        nonlocal next_strike
        request_id = f"q{len(asked)}"
        try:
            cluster.submit(request_id=request_id, prompt="hi", stream=bool(len(asked) % 2) or None)
            asked.append(request_id)
        except redis.ConnectionError:
            pass  # not acknowledged: a client would send it again
        if time.monotonic() > next_strike:
            history.append(strike(cluster, dice, frozen))
            next_strike = time.monotonic() + dice.uniform(0.1, 0.6)
        return time.monotonic() > deadline

    wait_until(submit_and_strike, "the storm is over", 2 * SECONDS, pause=0.05)
    for victim in frozen:
        victim.thaw()
    for sim in cluster.sims:
        sim.heal()
    for request_id in asked:
        reply = cluster.read_reply(request_id, 40)
        assert reply.end["type"] == "done", (reply.end, history)
    cluster.assert_no_leftovers()
    assert len(asked) > 50


def test_the_harness_knows_every_fault_of_the_simulator():
    words = sim_words(binary("ollama-sim"))
    assert len(words["faults"]) > 20 and len(words["statuses"]) > 30, words
    assert {f.split("=")[0].split(",")[0] for f in OLLAMA_FAULTS} == set(words["faults"])


def test_bytes_never_overtake_each_other_in_the_proxy(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    spec = {"links": {"l": str(listener.getsockname()[1])}, "control": str(tmp_path / "control")}
    (tmp_path / "spec").write_text(json.dumps(spec))
    script = os.path.join(os.path.dirname(__file__), "..", "chaos", "proxy.py")
    proxy = Process("proxy", ["/usr/bin/python3", script, str(tmp_path / "spec")],
                    str(tmp_path / "log")).start()
    try:
        told = wait_until(lambda: proxy.log.strip(), "the proxy tells its port")
        client = socket.create_connection(("127.0.0.1", json.loads(told)["ports"]["l"]))
        server = listener.accept()[0]
        server.settimeout(10 * SLOW)
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(spec["control"])
        orders = wire.makefile("rw")

        def tell(**order):
            orders.write(json.dumps({"link": "l", **order}) + "\n")
            orders.flush()
            assert json.loads(orders.readline())["ok"]
        sent, got = b"", b""
        for i in range(200):  # each order's answer lets the proxy read what was sent before
            if i % 40 == 0:
                tell(op="throttle", rate=20000)
            client.sendall(b"%06d;" % i * 20)
            sent += b"%06d;" % i * 20
            tell(op="heal" if i % 40 == 10 else "delay", ms=0)
        while len(got) < len(sent):
            got += server.recv(65536)
        assert got == sent
    finally:
        proxy.end()
