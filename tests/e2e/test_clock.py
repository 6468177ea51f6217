"""The clock of Redis' machine jumps: a Pi has no battery clock, and may hear of the time long after Redis has
started. Every time that crosses machines is Redis' time, so all deadlines, silences and ids jump with it."""

import mmap
import os
import struct
import subprocess

import pytest

from cluster import wait_until

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "chaos", "shim.c")
HALF_SECOND = "gemma3:1b,load=1ms,gen_tps=40,prompt_tps=1e6,tokens=20"
DAY_S = 86400


@pytest.fixture(name="jumpy")
def make_jumpy(new_cluster):
    """Two nodes and two routers on a Redis whose clock is set by `jump(seconds)`."""
    cluster = new_cluster(start=False)
    library, orders = cluster.path("shim.so"), cluster.path("orders")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    with open(orders, "wb") as file:
        file.write(bytes(32))
    with open(orders, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 32)
    cluster.redis.env.update(LD_PRELOAD=library, CHAOS_SHIM=orders)
    cluster.redis.start()

    def jump(seconds):
        before = cluster.db.time()[0]
        mapped[:8] = struct.pack("=q", seconds)
        wait_until(lambda: abs(cluster.db.time()[0] - before - seconds) < 60, "Redis' clock has jumped")

    cluster.jump = jump
    for i in (1, 2):
        cluster.router(f"router-{i}")
    for i in (1, 2):
        cluster.worker(f"pi-{i}", cluster.sim(HALF_SECOND))
    return cluster


@pytest.mark.parametrize("jump_s", [DAY_S, 20 * 365 * DAY_S, -DAY_S // 2, -3 * DAY_S])
def test_what_was_asked_before_the_jump_ends_once_and_what_is_asked_after_it_is_answered(jumpy, jump_s):
    asked = [jumpy.submit(prompt="hi", progress=True) for _ in range(8)]
    jumpy.wait_running(asked[0])
    jumpy.jump(jump_s)
    later = [jumpy.submit(prompt="hi", stream=True) for _ in range(4)]
    for request_id in asked:
        end = jumpy.read_reply(request_id, 30).end
        assert end["type"] == "done" or end["code"] == "deadline_exceeded", end
        if jump_s < 0:
            assert end["type"] == "done", end
    for request_id in later:
        assert jumpy.read_reply(request_id, 30).text
    wait_until(lambda: all(jumpy.is_available(f"pi-{i}") for i in (1, 2)), "both nodes are there")
    running = jumpy.submit(prompt="hi")
    jumpy.wait_running(running)
    jumpy.cancel(running)
    assert jumpy.read_reply(running).code == "cancelled"
    jumpy.control(op="drain", node="pi-1")
    wait_until(lambda: jumpy.db.smembers(jumpy.keys.drained) == {"pi-1"}, "pi-1 is drained")
    jumpy.assert_no_leftovers()
