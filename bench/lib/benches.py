"""The benchmarks. Each is a function from a number of rounds to rows of figures."""

import os
import subprocess
import time

from report import Row
from stage import binary, cpu_seconds, pss_bytes, stage, wait_until, wakeups

ZERO_LATENCY = "gemma3:1b,load=0ms,gen_tps=1000000,prompt_tps=100000000,tokens=4"
MOVE_WHY = ("cost 0.0 s = wait 0.0 + load 0.0 + service 0.0; runner-up node-1 0.0 s; others: "
            "98 the same")  # about the bytes of a real explanation


# --- moving ---------------------------------------------------------------------------------------

def moved_all(s):
    return s.db.xlen(s.keys.requests) == 0


def moves_of_floor(s, nodes, count, depth=64):
    s.empty()
    fleet = s.background("bench-fleet", nodes=nodes, slots=1024, drain_ms=100)
    s.fill(count)
    figures = s.tool("floor-moves", nodes=nodes, count=count, depth=depth, why=MOVE_WHY)
    fleet.kill()
    return figures["per_s"], figures["cpu_us_per_move"]


def moves_of_router(s, nodes, count, routers=1, models=("gemma3:1b",), each=None):
    s.empty()
    fleet = s.background("bench-fleet", nodes=nodes, slots=1024, drain_ms=100,
                         models=",".join(models), each=each)
    s.fill(count, models=models)
    daemons = [s.shipped_router(f"router-{i}", max_queue=10_000_000) for i in range(routers)]
    wait_until(lambda: s.db.xlen(s.keys.requests) < count, "the first has moved", 60, 0.001)
    start, left = time.monotonic(), s.db.xlen(s.keys.requests)
    cpu = sum(cpu_seconds(d.pid) for d in daemons)
    wait_until(lambda: moved_all(s), "all have moved", 300, 0.005)
    took = time.monotonic() - start
    cpu = sum(cpu_seconds(d.pid) for d in daemons) - cpu
    for process in daemons + [fleet]:
        process.kill()
    return left / took, cpu * 1e6 / left


def best_depth(s, nodes):
    return max((16, 64, 256), key=lambda depth: moves_of_floor(s, nodes, 20_000, depth)[0])


def moves(rounds):
    """Moves per second and router CPU per move, 100,000 entries of 1 KiB, 100 nodes."""
    rate, cpu = Row("moves", "/s", [], [], 0.80, "higher"), Row("CPU per move", "us", [], [], 2.0)
    with stage() as s:
        depth = best_depth(s, 100)
        for _ in range(rounds):
            for row, value in zip((rate, cpu), moves_of_floor(s, 100, 100_000, depth)):
                row.floors.append(value)
            for row, value in zip((rate, cpu), moves_of_router(s, 100, 100_000)):
                row.values.append(value)
    return [rate, cpu]


def routers(rounds):
    """Moves per second with one, two and four routers on one Redis."""
    rows = [Row(f"{n} routers against 1", "/s", [], [], 1.0, "higher") for n in (2, 4)]
    with stage() as s:
        for _ in range(rounds):
            one = moves_of_router(s, 100, 50_000)[0]
            for row, n in zip(rows, (2, 4)):
                row.floors.append(one)
                row.values.append(moves_of_router(s, 100, 50_000, routers=n)[0])
    return rows


ALL = {f.__name__: f for f in (moves, routers)}
