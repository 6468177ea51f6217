"""Half an hour of steady load while the nodes come and go: does anything grow? See README.md."""

import argparse
import json
import sys
import time
from statistics import median

from stand import MODEL, SLOTS, Stand, Watch, last_line, mean

SAMPLE_S = 2.0
WARM_S = 20.0  # a process younger than this still takes what it will always need
ROUTERS = 2
STEADY = "steady"  # the node that is never restarted: a leak of a worker shows there
STEADY_MODEL = "steady:1b"  # nobody else has it, or the policy would send its work to the others
STEADY_SHARE = 0.1  # of all requests
HEAP_MAX_KIB = 64  # malloc's part of a router may grow by so much: 900,000 requests, 0.07 bytes each
FDS_MAX = 1.0  # likewise, in descriptors beside the connections to Ollama
TO_OLLAMA_MAX = SLOTS + 3  # of those there may be so many: its slots, /api/ps, a probe, a preload


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description="Runs a whole installation under steady load while its nodes "
        "are restarted, and compares the last third of the time with the second: memory and "
        "descriptors of every daemon, memory of Redis. Every reply is read. Exit code 1 if anything "
        "grew, was lost or came twice.")
    parser.add_argument("--minutes", type=float, default=30, help="length of the load (30)")
    parser.add_argument("--rate", type=int, default=500, help="requests per second (500)")
    parser.add_argument("--nodes", type=int, default=6, help="nodes that are restarted (6)")
    parser.add_argument("--restart", type=float, default=120, metavar="SECONDS",
                        help="each of them so often (120); in turn by SIGTERM, and by kill -9 of "
                        "worker and Ollama")
    parser.add_argument("--redis", choices=["always", "everysec"], default="always",
                        help="appendfsync (always)")
    parser.add_argument("--growth", type=float, default=2, metavar="PERCENT",
                        help="of memory that counts as flat, mean of the last third against the "
                        "second (2); more only for runs too short to be flat")
    parser.add_argument("--control", action="store_true",
                        help="the daemons leak (leak.c): shows that the soak can fail")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    return parser.parse_args(argv)


class Soak:
    def __init__(self, options):
        self.options = options
        self.seconds = options.minutes * 60
        self.stand = Stand(options.redis)
        self.warm_s = min(WARM_S, options.restart / 4)
        if options.control:
            self.stand.preload("leak.c")
        self.restarts = {}  # node -> how often
        self.born = {}  # process name -> since when it runs
        self.waiting = {}  # node -> its worker is being stopped in order
        self.faults = []

    def start(self):
        stand = self.stand
        stand.start_redis()
        self.ttl_s = int(min(60, max(12, self.seconds / 6)))  # above load-client's second look
        for i in range(1, ROUTERS + 1):
            stand.router(f"router-{i}", response_ttl=f"{self.ttl_s}s")
        for name in [f"pi-{i}" for i in range(1, self.options.nodes + 1)] + [STEADY]:
            stand.node(name, model=MODEL.replace("gemma3:1b", STEADY_MODEL) if name == STEADY else MODEL)
            self.restarts[name] = 0
        stand.wait_nodes()
        self.watch = Watch()
        self.born = {p.name: self.watch.now for p in stand.daemons()}
        pause = self.options.restart / max(1, self.options.nodes)
        self.due = {f"pi-{i}": i * pause for i in range(1, self.options.nodes + 1)}

    def churn(self):
        """One node after the other: stopped in order, or dead from one moment to the next."""
        for name, due in self.due.items():
            if self.watch.now < due or self.watch.now > self.seconds:
                continue
            worker, sim = self.stand.workers[name], self.stand.sims[name]
            self.due[name] = due + self.options.restart
            self.restarts[name] += 1
            if self.restarts[name] % 2 == 1:
                worker.signal(15)
                self.waiting[name] = time.monotonic()
                continue
            worker.kill()
            sim.kill()
            sim.start()
            self.start_worker(name)
        for name, since in list(self.waiting.items()):
            worker = self.stand.workers[name]
            if not worker.alive:
                if worker.popen.returncode != 0:
                    self.faults.append(f"{name}: exit code {worker.popen.returncode} at SIGTERM")
                del self.waiting[name]
                self.start_worker(name)
            elif time.monotonic() - since > 60:
                self.faults.append(f"{name}: has not ended 60 s after SIGTERM")
                worker.kill()

    def start_worker(self, name):
        self.stand.workers[name].start()
        self.born[name] = self.watch.now

    def sample(self):
        for process in self.stand.daemons():
            age_s = self.watch.now - self.born[process.name]
            if age_s > self.warm_s and process.name not in self.waiting:
                sim = self.stand.sims.get(process.name)
                self.watch.sample(process, ollama=sim.url if sim else None)
        info = self.stand.db.info("memory")
        self.watch.add(("redis", "rss"), info["used_memory"] // 1024)
        self.watch.add(("redis", "fds"), self.stand.redis.fds())
        self.watch.add(("redis", "cpu"), self.stand.redis.cpu_seconds())

    def alive(self):
        for process in [self.stand.redis] + self.stand.routers + list(self.stand.workers.values()):
            if not process.alive and process.name not in self.waiting:
                self.faults.append(f"{process.name} has ended by itself, "
                                   f"exit code {process.popen.returncode}")
                return False
        return True

    def run(self):
        rate, steady = self.options.rate, max(1, int(self.options.rate * STEADY_SHARE))
        common = {"seconds": int(self.seconds), "settle": 120}
        loads = [self.stand.load("load", rate=rate - steady, **common),
                 self.stand.load("load-steady", rate=steady, model=STEADY_MODEL, **common)]
        next_sample = next_line = 0.0
        while any(load.alive for load in loads) and self.alive():
            self.churn()
            if self.watch.now >= next_sample and self.watch.now < self.seconds:
                next_sample = self.watch.now + SAMPLE_S
                self.sample()
            if self.watch.now >= next_line:
                next_line = self.watch.now + 30
                self.progress(loads)
            time.sleep(0.1)
        for load in loads:
            if load.alive:
                load.kill()
            elif load.popen.returncode != 0:
                self.faults.append(f"{load.name}: exit code {load.popen.returncode}")
        self.told = {load.name: last_line(load) for load in loads}
        self.lines = [json.loads(line) for line in loads[0].log.splitlines() if line.startswith("{")]

    def progress(self, loads):
        told = [last_line(load) for load in loads]
        print(f"{self.watch.now:6.0f} s  {sum(t.get('submitted', 0) for t in told):8} submitted "
              f"{sum(t.get('open', 0) for t in told):6} open  {sum(self.restarts.values()):4} restarts",
              flush=True)

    # --- the account ---

    def thirds(self, name, what, i):
        return self.watch.between((name, what), self.seconds * i / 3, self.seconds * (i + 1) / 3)

    def row(self, name, what, limit):
        second, last = mean(self.thirds(name, what, 1)), mean(self.thirds(name, what, 2))
        if second is None or last is None:
            self.faults.append(f"{name}: too few samples; it needs a longer run")
            return second or 0, last or 0, "?"
        grown = last / second - 1 if what == "rss" else last - second
        if grown > limit:
            self.faults.append(f"{name}: {what} has grown from {second:.1f} to {last:.1f}")
        return second, last, f"{100 * grown:+.2f} %" if what == "rss" else f"{grown:+.1f}"

    def heaps(self):
        """Beside the whole: what malloc holds, and the backlog, which a router's window holds."""
        for router in self.stand.routers:
            limit = HEAP_MAX_KIB * max(1, self.options.growth / 2)  # short runs: as for the whole
            second, last, grown = self.row(router.name, "heap", limit)
            typical = [median(self.thirds(router.name, "rss", i) or [0]) for i in (1, 2)]
            print(f"{router.name}: median {typical[0]:.0f} -> {typical[1]:.0f} KiB; "
                  f"malloc holds {second:.0f} -> {last:.0f} KiB ({grown})")
        third = self.seconds / 3
        most = [max([told["open"] for told in self.lines if third * i <= told["ms"] / 1000 < third * (i + 1)],
                    default=0) for i in range(3)]
        print(f"most requests open at a time, in each third: {most[0]}, {most[1]}, {most[2]}")

    def to_ollama(self, name):
        """The most connections that a worker ever had to its Ollama; '' for whoever is no worker."""
        if name not in self.stand.workers:
            return ""
        most = max((count for _, count in self.watch.series.get((name, "to_ollama"), [])), default=0)
        if most > TO_OLLAMA_MAX:
            self.faults.append(f"{name}: {most} connections to its Ollama, more than {TO_OLLAMA_MAX}")
        return most

    def table(self):
        print(f"\n{'':10} {'memory (KiB)':>30}   {'descriptors':>20} {'HTTP':>5}  {'CPU':>6}  {'restarts':>8}")
        print(f"{'':10} {'2nd third':>10} {'last':>10} {'':>8}   {'2nd':>6} {'last':>6} {'':>6} {'most':>5}")
        for process in [self.stand.redis] + self.stand.routers + list(self.stand.workers.values()):
            name = process.name
            most = self.to_ollama(name)
            rss = self.row(name, "rss", self.options.growth / 100)
            fds = self.row(name, "fds", FDS_MAX)
            cpu = self.watch.series.get((name, "cpu"), [(0, 0)])
            share = (f"{100 * (cpu[-1][1] - cpu[0][1]) / max(1, cpu[-1][0] - cpu[0][0]):5.1f}%"
                     if not self.restarts.get(name) else "")
            print(f"{name:10} {rss[0]:10.0f} {rss[1]:10.0f} {rss[2]:>8}   {fds[0]:6.1f} {fds[1]:6.1f} "
                  f"{fds[2]:>6} {most:>5}  {share:>6}  {self.restarts.get(name, ''):>8}")
        print("(redis: used_memory; the others: resident. Workers are counted once they are "
              f"{self.warm_s:.0f} s old, their connections to Ollama apart: HTTP.)")

    def requests(self, name, told):
        if not told.get("end"):
            self.faults.append(f"{name} did not come to its end")
            return
        rate = told["submitted"] / self.seconds
        print(f"\n{name}: {told['submitted']} submitted ({rate:.0f}/s), {told['ended']} ended "
              f"{told['codes']}, {told['refused']} refused, {told['open']} lost, {told['twice']} twice; "
              f"from entry to last entry p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms, "
              f"max {told['max_ms']} ms")
        for what in ("open", "twice", "vanished", "refused"):
            if told[what]:
                self.faults.append(f"{told[what]} requests are '{what}'")
        if set(told["codes"]) != {"done"}:
            self.faults.append(f"not only answers: {told['codes']}")
        if told["max_ms"] > 60000:
            self.faults.append("a request took more than a minute: this machine cannot carry the rate")

    def account(self):
        for name, told in self.told.items():
            self.requests(name, told)
        self.faults += self.stand.leftovers()
        self.table()
        self.heaps()
        self.faults += self.stand.stop()
        print("\n" + ("\n".join("VIOLATION: " + f for f in self.faults) or "nothing grew, nothing is lost"))
        return 1 if self.faults else 0


def main(argv):
    options = parse(argv)
    soak = Soak(options)
    code = 1
    try:
        soak.start()
        print(f"soak: {options.rate} requests/s for {options.minutes:g} min, appendfsync "
              f"{options.redis}, {ROUTERS} routers, {options.nodes} nodes restarted every "
              f"{options.restart:g} s and one that is not, replies kept {soak.ttl_s} s", flush=True)
        soak.run()
        code = soak.account()
    finally:
        soak.stand.close(keep=code != 0 or options.keep)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
