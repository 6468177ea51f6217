"""The benchmarks. Each is a function from a number of rounds to rows of figures."""

import os
import re
import statistics
import subprocess
import time

from report import Row
from stage import SHIPPED_ROUTER, binary, cpu_seconds, pss_bytes, stage, wait_until, wakeups

ZERO_LATENCY = "gemma3:1b,load=0ms,gen_tps=1000000,prompt_tps=100000000,tokens=4"
# About the bytes of a real explanation.
MOVE_WHY = ("the cheapest free node with the model in memory: 12.4 s (wait 0.0, load 0.0, service "
            "12.4, heat 0.0, harm 0.0; cache saved 0.0); runner-up node-1: 12.4 s (wait 0.0, load "
            "0.0, service 12.4, heat 0.0, harm 0.0; cache saved 0.0); others: node-2 costs more, "
            "node-3 costs more, node-4 costs more, node-5 costs more, node-6 costs more")


# --- moving ---------------------------------------------------------------------------------------

def moved_all(s):
    return s.db.xlen(s.keys.requests) == 0


def moves_of_floor(s, nodes, count, depth=64, events=None):
    s.empty()
    fleet = s.background("bench-fleet", nodes=nodes, slots=1024, drain_ms=100)
    s.fill(count)
    figures = s.tool("floor-moves", nodes=nodes, count=count, depth=depth, why=MOVE_WHY,
                     events=events)
    fleet.kill()
    return figures["per_s"], figures["cpu_us_per_move"]


def moves_of_router(s, nodes, count, routers=1, models=("gemma3:1b",), each=None, drain_ms=100):
    """Moves per second, CPU microseconds per move, seconds from the start to the first move."""
    s.empty()
    fleet = s.background("bench-fleet", nodes=nodes, slots=1024, drain_ms=drain_ms,
                         models=",".join(models), each=each)
    s.fill(count, models=models)
    begin = time.monotonic()
    daemons = [s.new_router(f"router-{i}", **SHIPPED_ROUTER, max_queue=10_000_000).start()
               for i in range(routers)]
    wait_until(lambda: s.db.xlen(s.keys.requests) < count, "the first has moved", 60, 0.001)
    start, left = time.monotonic(), s.db.xlen(s.keys.requests)
    cpu = sum(cpu_seconds(d.pid) for d in daemons)
    wait_until(lambda: moved_all(s), "all have moved", 300, 0.005)
    took = time.monotonic() - start
    cpu = sum(cpu_seconds(d.pid) for d in daemons) - cpu
    for process in daemons + [fleet]:
        process.kill()
    return left / took, cpu * 1e6 / left, start - begin


def best_depth(s, nodes):
    return max((16, 64, 256), key=lambda depth: moves_of_floor(s, nodes, 20_000, depth)[0])


def moves(rounds):
    """Moves per second and router CPU per move, 100,000 entries of 1 KiB, 100 nodes."""
    rate = Row("moves", "/s", [], [], 0.80, "higher")
    cpu = Row("CPU per move, with the kernel's", "us", [], [])  # the bar: see instructions()
    with stage() as s:
        depth = best_depth(s, 100)
        for _ in range(rounds):
            rate.floors.append(moves_of_floor(s, 100, 100_000, depth)[0])
            cpu.floors.append(moves_of_floor(s, 100, 20_000, depth, "yes")[1])
            for row, value in zip((rate, cpu), moves_of_router(s, 100, 100_000)):
                row.values.append(value)
    return [rate, cpu]


CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


def collected(log):
    """What callgrind says at its end."""
    return int(re.findall(r"Collected : (\d+)", log)[-1])


def instructions_of_floor(s, count):
    s.empty()
    fleet = s.background("bench-fleet", nodes=100, slots=1024, drain_ms=100)
    s.fill(count)
    done = subprocess.run(CALLGRIND + s.argv("floor-moves", {"nodes": 100, "count": count, "depth": 64,
                                           "why": MOVE_WHY, "events": "yes"}),
                          capture_output=True, text=True, check=True)
    fleet.kill()
    return collected(done.stderr)


def instructions_of_router(s, count):
    s.empty()
    fleet = s.background("bench-fleet", nodes=100, slots=1024, drain_ms=100)
    s.fill(count)
    router = s.new_router("router-1", **SHIPPED_ROUTER, max_queue=10_000_000)
    router.argv = CALLGRIND + router.argv
    router.start()
    wait_until(lambda: moved_all(s), "all have moved", 300)
    router.stop(60)
    fleet.kill()
    return collected(router.log)


def instructions_of_decision(nodes, models=64, count=2000):
    once, twice = (collected(subprocess.run(
        CALLGRIND + [binary("guard"), "decision", str(n), str(nodes), str(models)],
        capture_output=True, text=True, check=True).stderr) for n in (count, 2 * count))
    return (twice - once) / count


def instructions(rounds, count=4000):
    """Instructions of a move beside hiredis' own, of a decision among 10,000 nodes beside 10."""
    move = Row("router, per move", "instructions", [], [], 2.0)
    decision = Row("decision, 10,000 nodes against 10", "instructions", [], [], 2.0)
    with stage() as s:
        for _ in range(max(1, rounds // 5)):
            for measured, to in ((instructions_of_floor, move.floors),
                                 (instructions_of_router, move.values)):
                to.append((measured(s, 2 * count) - measured(s, count)) / count)
            decision.floors.append(instructions_of_decision(10))
            decision.values.append(instructions_of_decision(10_000))
    return [move, decision]


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



# --- the whole way --------------------------------------------------------------------------------

def floor_of_path(s, url, processes, count):
    """Requests per second of so many floor programs side by side."""
    argv = [[binary("floor-path"), "--redis", s.redis.socket, "--ollama", url, "--slots",
             str(max(1, 64 // processes)), "--count", str(count // processes), "--prefix",
             f"floor{i}:inference"] for i in range(processes)]
    s.empty()
    start = time.monotonic()
    running = [subprocess.Popen(a, stdout=subprocess.DEVNULL) for a in argv]
    if any(p.wait(300) for p in running):
        raise RuntimeError("floor-path failed")
    return count / (time.monotonic() - start)


def path(rounds):
    """Requests per second from XADD to `done`, saturated: zero-latency Ollama, 64 slots."""
    row, count = Row("XADD to done", "/s", [], [], 0.70, "higher"), 12_800
    with stage() as s:
        sim = s.sim(ZERO_LATENCY, slots=64)
        best = max((1, 2, 4), key=lambda n: floor_of_path(s, sim.url, n, 6_400))
        for _ in range(rounds):
            row.floors.append(floor_of_path(s, sim.url, best, count))
            s.empty()
            daemons = [s.shipped_router(), s.shipped_worker("pi-1", sim, slots=64)]
            row.values.append(s.tool("bench-client", concurrency=64, count=count)["per_s"])
            for daemon in daemons:
                daemon.stop(20)
    return [row]


def latency(rounds):
    """Added latency of one request at a time: XADD to `done` without the HTTP exchange."""
    rows = [Row("added latency p50", "us", [], [], 1.3), Row("added latency p99", "us", [], [], 1.5)]
    with stage() as s:
        sim = s.sim(ZERO_LATENCY)
        s.shipped_router()
        s.shipped_worker("pi-1", sim)
        s.tool("bench-client", concurrency=1, count=200)
        for _ in range(rounds):
            floor = s.tool("floor-latency", count=1000, prefix="floor:inference")
            http = s.tool("floor-latency", redis=None, ollama=sim.url, count=1000)
            whole = s.tool("bench-client", concurrency=1, count=1000)["whole"]
            for row, p in zip(rows, ("p50_us", "p99_us")):
                row.floors.append(floor[p])
                row.values.append(whole[p] - http["p50_us"])
    return rows


def first_token(rounds):
    """From the moment that Ollama writes the first token until a streaming client has it."""
    rows = [Row("first token p50", "us", [], [], 1.5), Row("first token p99", "us", [], [])]
    with stage() as s:
        sim = s.sim("gemma3:1b,load=0ms,gen_tps=200,prompt_tps=20000,tokens=4")
        s.shipped_router()
        s.shipped_worker("pi-1", sim)
        for _ in range(rounds):
            floor = s.tool("floor-wakeup", count=400, pause_ms=5)  # as long as a token takes
            first = s.tool("bench-client", concurrency=1, count=200, stream="yes")["first"]
            for row, p in zip(rows, ("p50_us", "p99_us")):
                row.floors.append(floor[p])
                row.values.append(first[p])
    return rows


def streaming(rounds, requests=1000, workers=20, tokens=100):
    """1,000 streams at once, 20 tokens/s each: how late a token is, CPU of the workers per token."""
    late, cpu = Row("token late p99", "ms", [], None, 100), Row("worker CPU per token", "us", [], None, 25)
    each = requests // workers
    with stage() as s:
        # An Ollama for each worker: all streams flow at once, and none waits in a queue of Ollama's.
        sims = [s.sim(f"gemma3:1b,load=0ms,gen_tps=20,prompt_tps=1000000,tokens={tokens}", slots=each)
                for _ in range(workers)]
        s.shipped_router()
        daemons = [s.shipped_worker(f"pi-{i}", sim, slots=each) for i, sim in enumerate(sims)]
        for _ in range(rounds):
            before = sum(cpu_seconds(d.pid) for d in daemons)
            figures = s.tool("bench-client", concurrency=requests, count=requests, stream="yes",
                             spread_ms=1000)
            spent = sum(cpu_seconds(d.pid) for d in daemons) - before
            late.values.append(figures["late"]["p99_us"] / 1000)
            cpu.values.append(spent * 1e6 / (requests * tokens))
    return [late, cpu]


# --- memory and rest ------------------------------------------------------------------------------

def waiting_bytes(n, **settings):
    """Memory of a router for each of n waiting requests; the payload stays in Redis."""
    with stage() as s:
        router = s.shipped_router(**settings)
        s.fill(200, model="no-such-model")  # its buffers have their size by then
        wait_until(lambda: s.db.xpending(s.keys.requests, "inference-routers")["pending"] == 200,
                   "the router has read them", 120)
        before = pss_bytes(router.pid)
        s.fill(n, model="no-such-model", start=200)
        wait_until(lambda: s.db.xpending(s.keys.requests, "inference-routers")["pending"] == n + 200,
                   "the router has read them", 120)
        return (pss_bytes(router.pid) - before) / n


def memory(rounds):
    """Memory of idle daemons beyond an empty program on the same libraries; of a waiting request."""
    router = Row("router beyond the floor", "KiB", [], None, 1536)
    worker = Row("worker beyond the floor", "KiB", [], None, 1024)
    shipped = Row("router, per waiting request, as shipped", "bytes", [], None, 400)
    window = Row("router, per request in a window of 65,536", "bytes", [], None, 400)
    for _ in range(rounds):
        with stage() as s:
            r, w = s.shipped_router(), s.shipped_worker("pi-1", s.sim())
            s.ask(prompt="hi")
            # At one time, for a page of a library is divided by the number of those that have it.
            floors = [s.background(name, connections=3) for name in ("floor-idle", "floor-idle-curl")]
            time.sleep(0.5)
            router.values.append((pss_bytes(r.pid) - pss_bytes(floors[0].pid)) / 1024)
            worker.values.append((pss_bytes(w.pid) - pss_bytes(floors[1].pid)) / 1024)
        shipped.values.append(waiting_bytes(40_000, model_wait="10m"))
        window.values.append(waiting_bytes(40_000, model_wait="10m", window=65_536))
    return [router, worker, shipped, window]


def rest(rounds, seconds=60):
    """Wake-ups and CPU of idle daemons over a minute."""
    rows = []
    with stage() as s:
        daemons = {"router": s.shipped_router(), "worker": s.shipped_worker("pi-1", s.sim())}
        s.ask(prompt="hi")
        for name, daemon in daemons.items():
            rows += [Row(f"{name}: wake-ups per heartbeat", "", [], None, 2),
                     Row(f"{name}: CPU", "%", [], None, 0.05)]
        time.sleep(2)
        for _ in range(max(1, rounds // 5)):
            before = {n: (wakeups(d.pid), cpu_seconds(d.pid)) for n, d in daemons.items()}
            time.sleep(seconds)
            for i, (name, daemon) in enumerate(daemons.items()):
                woken, spent = (now - then for now, then in
                                zip((wakeups(daemon.pid), cpu_seconds(daemon.pid)), before[name]))
                rows[2 * i].values.append(woken / (seconds / 5))
                rows[2 * i + 1].values.append(100 * spent / seconds)
    return rows


def health(rounds, nodes=10_000, seconds=10):
    """CPU of a router that watches 10,000 nodes, each with a heartbeat every 5 s."""
    row = Row("router CPU, % of a core", "%", [], None, 3)
    floor = Row("the same bytes through hiredis", "%", [], None)
    with stage() as s:
        s.background("bench-fleet", nodes=nodes, models="gemma3:1b,qwen2.5:0.5b,llama3.2:3b")
        router = s.shipped_router()
        time.sleep(5)
        for _ in range(rounds):
            before = cpu_seconds(router.pid)
            figures = s.tool("floor-health", seconds=seconds, interval_ms=2000)
            row.values.append(100 * (cpu_seconds(router.pid) - before) / seconds)
            floor.values.append(figures["cpu_percent"])
    return [row, floor]


def read_by_router(s, count):
    """Seconds from the start of a router until it is ready and has read every waiting request."""
    router = s.new_router("router-1", node_late=None, node_lost=None, model_wait=None,
                          log_level=None, max_queue=10_000_000)
    begin = time.monotonic()
    router.start()
    wait_until(lambda: "event=redis_ready" in router.log, "the router is ready", 120, 0.002)
    ready = time.monotonic() - begin
    wait_until(lambda: s.db.xpending(s.keys.requests, "inference-routers")["pending"] == count,
               "it has read them all", 120, 0.002)
    took = time.monotonic() - begin
    router.kill()
    return ready, took


def start(rounds, nodes=10_000, count=100_000):
    """Seconds until a router is ready, 10,000 nodes and 100,000 waiting, beyond reading the bytes."""
    ready = Row("start to READY", "s", [], None, 1.0)
    whole = Row("until all is read, beyond the floor", "s", [], None, 1.0)
    for _ in range(rounds):
        with stage() as s:
            s.background("bench-fleet", nodes=nodes, models="gemma3:1b,qwen2.5:0.5b")
            s.fill(count, models=["no-such-model"])
            floor = s.tool("floor-read", count=count)["seconds"]
            s.db.xgroup_destroy(s.keys.requests, "inference-routers")
            times = read_by_router(s, count)
            ready.values.append(times[0])
            whole.values.append(times[1] - floor)
    return [ready, whole]


def size(rounds):
    """Size of the stripped programs, and how many shared libraries each loads."""
    del rounds
    rows = []
    for program in ("orion-router", "orion-worker"):
        stripped = f"/tmp/{program}.{os.getpid()}"
        subprocess.run(["strip", "-o", stripped, binary(program)], check=True)
        rows.append(Row(f"{program}, stripped", "KiB", [os.path.getsize(stripped) / 1024], None, 400))
        os.unlink(stripped)
        libraries = subprocess.run(["ldd", binary(program)], capture_output=True, text=True,
                                   check=True).stdout.count("=>")
        rows.append(Row(f"{program}, shared libraries", "", [libraries]))
    return rows


# --- growth ---------------------------------------------------------------------------------------

NODES = (10, 100, 1_000, 10_000)
MODELS = (1, 10, 100)


def memory_for(s, nodes):
    """MiB of a router that knows so many nodes, with nothing waiting."""
    router = s.shipped_router(max_queue=10_000_000)
    wait_until(lambda: f'"nodes":{nodes}' in (s.db.hget(s.keys.routers, "router-1") or ""),
               "the router knows the fleet", 60)
    bytes_used = pss_bytes(router.pid)
    router.stop(20)
    return bytes_used / 2**20


def grown(s, nodes, models, count=20_000):
    """Moves per second, CPU per move and memory of a router for a fleet of this size."""
    """Moves per second, CPU per move, seconds to the first move, MiB, instructions of a decision."""
    names = [f"model{i}:1b" for i in range(models)]
    fleet = {"models": names, "each": min(10, models), "drain_ms": 100 if nodes < 100 else None}
    s.background("bench-fleet", nodes=nodes, slots=1024,
                 **{**fleet, "models": ",".join(names)}).kill()
    s.others.clear()
    mib = memory_for(s, nodes)
    return *moves_of_router(s, nodes, count, **fleet), mib, instructions_of_decision(nodes, models)


def growth(rounds):
    """What grows with nodes and models: moves, their CPU, the start, memory, a decision."""
    rows = []
    for models in MODELS:
        for nodes in NODES:
            five = [Row(f"{nodes} nodes, {models} models: {what}", unit, []) for what, unit in
                    (("moves", "/s"), ("CPU per move", "us"), ("first move", "s"),
                     ("router", "MiB"), ("decision", "instructions"))]
            for _ in range(max(1, rounds // 5)):
                with stage() as s:
                    for row, value in zip(five, grown(s, nodes, models)):
                        row.values.append(value)
            rows += five
    return rows


def growth_charts(rows):
    """The figures of growth() as arguments of plot.picture()."""
    def lines(what):
        return {f"{models} model{'s' if models > 1 else ''}":
                [(nodes, statistics.median(row.values)) for nodes in NODES for row in rows
                 if row.what == f"{nodes} nodes, {models} models: {what}"] for models in MODELS}

    return [("Moves per second", "nodes", "moves/s", lines("moves")),
            ("Router CPU per move", "nodes", "microseconds", lines("CPU per move")),
            ("A decision", "nodes", "instructions", lines("decision")),
            ("Router memory", "nodes", "MiB", lines("router")),
            ("From start to first move", "nodes", "seconds", lines("first move"))]


ALL = {f.__name__: f for f in (moves, instructions, routers, path, latency, first_token, streaming, memory, rest,
                               health, start, size, growth)}
