"""Too much of everything: what becomes of it, and of everybody else. See README.md."""

import argparse
import json
import socket
import sys
import threading
import time

import redis

from stand import Stand, Watch, last_line, wait_until

NODES = 4
MIB = 2**20


class Sizes:
    """How much is too much."""

    def __init__(self, small):
        self.burst, self.max_queue = (3000, 1000) if small else (200_000, 100_000)
        self.big, self.big_mib = (40, 1) if small else (100, 8)
        self.maxmemory = "24mb" if small else "512mb"
        self.deaf_reads = 40 if small else 400
        self.deaf_limit = ["normal", "16mb", "8mb", "5"] if small else ["normal", "128mb", "64mb", "10"]
        self.fleet, self.fleet_s = (300, 6) if small else (5000, 30)


class Overload:
    def __init__(self, options):
        self.sizes = Sizes(options.small)
        self.options = options
        self.faults = []
        self.stand = None

    def fault(self, text):
        self.faults.append(text)
        print("    VIOLATION: " + text, flush=True)

    # --- an installation, watched ---

    def open(self, *redis_options, **router):
        self.stand = Stand("everysec" if self.options.redis == "everysec" else "always", redis_options)
        self.stand.start_redis()
        for i in (1, 2):
            self.stand.router(f"router-{i}", response_ttl="30m", **router)
        for i in range(1, NODES + 1):
            self.stand.node(f"pi-{i}")
        self.stand.wait_nodes()
        self.watch, self.watching = Watch(), True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        db = redis.Redis(unix_socket_path=self.stand.socket, retry=None, socket_timeout=60)
        while self.watching:
            for process in self.stand.daemons():
                self.watch.sample(process)
            try:
                self.watch.add(("redis", "rss"), db.info("memory")["used_memory"] // 1024)
                self.watch.add(("redis", "queue"), db.xlen(self.stand.keys.requests))
            except redis.RedisError:
                pass
            time.sleep(0.25)

    def close(self, rss_max_mib):
        """The account of one scenario: memory, leftovers, an orderly end."""
        self.watching = False
        self.thread.join()
        peaks = {}
        for kind in ("router", "pi"):
            peaks[kind] = max(self.watch.most(k) for k in self.watch.series
                              if k[0].startswith(kind) and k[1] == "rss") / 1024
        print(f"    peaks: router {peaks['router']:.0f} MiB, worker {peaks['pi']:.0f} MiB, Redis "
              f"{self.watch.most(('redis', 'rss')) / 1024:.0f} MiB; longest queue "
              f"{self.watch.most(('redis', 'queue'))}")
        for kind, most in rss_max_mib.items():
            if peaks[kind] > most:
                self.fault(f"a {kind} took {peaks[kind]:.0f} MiB, more than {most}")
        for text in self.stand.leftovers() + self.stand.stop():
            self.fault(text)
        self.stand.close(keep=bool(self.faults) and self.options.keep)

    def others(self, name, seconds=5, rate=10):
        """Somebody else's requests: {codes, p50_ms, max_ms} of a short steady load."""
        load = self.stand.load(name, rate=rate, seconds=seconds, client=name, settle=300)
        wait_until(lambda: not load.alive, f"{name} has ended", 400)
        told = last_line(load)
        if load.popen.returncode != 0:
            self.fault(f"{name}: {told}")
        return told

    def show_others(self, when, told):
        print(f"    others {when}: {told['codes']}, p50 {told['p50_ms']} ms, max {told['max_ms']} ms",
              flush=True)

    def expect_normal(self, told):
        if set(told["codes"]) != {"done"}:
            self.fault(f"others are not served: {told['codes']}")
        if told["p50_ms"] > 1000:  # a few milliseconds are usual
            self.fault(f"others wait: half of them for more than {told['p50_ms']} ms")

    # --- the scenarios ---

    def burst(self):
        """All at once from one client: answered or told queue_full; the others pass by."""
        sizes = self.sizes
        print(f"== {sizes.burst} requests at once, max_queue {sizes.max_queue}", flush=True)
        self.open(max_queue=sizes.max_queue)
        self.show_others("before", self.others("before"))
        flood = self.stand.load("flood", count=sizes.burst, client="flood", settle=1500)
        wait_until(lambda: last_line(flood).get("submitted") == sizes.burst or not flood.alive,
                   "all are submitted", 300)
        start = time.monotonic()
        self.show_others("meanwhile", self.others("meanwhile"))
        wait_until(lambda: not flood.alive, "each has its last entry", 1500)
        told = last_line(flood)
        print(f"    flood: {told['codes']}, {told['twice']} twice, {told['open']} lost, the last after "
              f"{time.monotonic() - start:.0f} s")
        if flood.popen.returncode != 0 or set(told["codes"]) - {"done", "queue_full"}:
            self.fault(f"flood: {told}")
        after = self.others("afterwards")
        self.show_others("afterwards", after)
        self.expect_normal(after)
        self.close({"router": 160, "pi": 64})

    def big(self):
        """More of the largest requests than Redis has memory for: it refuses, the rest is answered."""
        sizes = self.sizes
        print(f"== {sizes.big} requests of {sizes.big_mib} MiB, maxmemory {sizes.maxmemory}", flush=True)
        self.open("--maxmemory", sizes.maxmemory, request_max=f"{sizes.big_mib}MiB")
        self.stand.drain_all(True)  # so that they pile up
        load = self.stand.load("big", count=sizes.big, bytes=sizes.big_mib * MIB - 4096, client="big",
                               settle=600)
        wait_until(lambda: last_line(load).get("submitted") == sizes.big or not load.alive,
                   "all are submitted", 300)
        self.stand.drain_all(False)
        wait_until(lambda: not load.alive, "each has its last entry", 700)
        told = {"codes": {}, **last_line(load)}
        print(f"    big: {told['codes']}, {told['refused']} refused by Redis (OOM), {told['twice']} twice, "
              f"{told['open']} lost")
        if load.popen.returncode != 0 or set(told["codes"]) - {"done"}:
            said = [line for line in load.log.splitlines() if not line.startswith("{")]
            self.fault(f"big: {told} {said}")
        if not told["refused"]:
            self.fault("Redis took them all: it was not too much")
        over = self.stand.load("over", count=3, bytes=sizes.big_mib * MIB + 1, client="big")
        wait_until(lambda: not over.alive, "what is larger is refused", 60)
        print(f"    larger than request_max: {last_line(over)['codes']}")
        if set(last_line(over)["codes"]) != {"invalid_request"}:
            self.fault(f"larger than request_max: {last_line(over)}")
        after = self.others("afterwards")
        self.show_others("afterwards", after)
        self.expect_normal(after)
        # A worker holds a request (entry, body) for each slot; a router reads one such entry at a time.
        self.close({"router": 128 + 4 * sizes.big_mib, "pi": 64 + 4 * 6 * sizes.big_mib})

    def deaf(self):
        """A client that asks and never reads: its replies expire; one that fills its socket is closed."""
        sizes = self.sizes
        print(f"== a client that never reads: streamed replies, and {sizes.deaf_reads} reads of 1 MiB",
              flush=True)
        self.open("--maxmemory", sizes.maxmemory, "--client-output-buffer-limit", *sizes.deaf_limit)
        db, keys = self.stand.db, self.stand.keys
        for i in range(200):
            db.xadd(keys.requests, {"request_id": f"unread-{i}", "model": "gemma3:1b", "stream": "1",
                                    "prompt": "hi", "client": "deaf"})
        large = "x" * MIB
        db.xadd(keys.requests, {"request_id": "large", "model": "gemma3:1b", "prompt": "echo " + large,
                                "client": "deaf"})
        wait_until(lambda: db.hget(keys.job("large"), "state") == "done", "the large one is answered", 60)
        wait_until(lambda: db.hget(keys.job("unread-199"), "state") == "done", "all are answered", 60)
        if any(db.pttl(keys.reply(f"unread-{i}")) <= 0 for i in range(200)):
            self.fault("an unread reply does not expire")
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(self.stand.socket)
        wire.settimeout(0.5)
        wire.sendall(b"CLIENT SETNAME deaf\r\n")
        command = f"XRANGE {keys.reply('large')} - +\r\n".encode()
        sent = 0
        try:
            for sent in range(sizes.deaf_reads):
                wire.sendall(command)
                if sent % 20 == 19:
                    time.sleep(0.05)
        except OSError:
            pass
        meanwhile = self.others("meanwhile")
        self.show_others("meanwhile", meanwhile)
        self.expect_normal(meanwhile)
        is_there = any(client["name"] == "deaf" for client in db.client_list())
        print(f"    {sent + 1} reads asked for and none taken; Redis has "
              f"{'kept' if is_there else 'closed'} the connection")
        if is_there:
            self.fault("Redis keeps what the client does not take")
        wire.close()
        self.close({"router": 128, "pi": 64})

    def fleet(self):
        """Thousands of nodes that beat: the routers keep up, and requests are answered as before."""
        sizes = self.sizes
        print(f"== {sizes.fleet} nodes that each beat every 5 s, for {sizes.fleet_s} s", flush=True)
        self.open()
        self.show_others("before", self.others("before"))
        cpu = [p.cpu_seconds() for p in self.stand.routers]
        stop, beats = threading.Event(), [0]
        thread = threading.Thread(target=self._beat, args=(stop, beats), daemon=True)
        thread.start()
        wait_until(lambda: self.stand.db.hlen(self.stand.keys.health) >= sizes.fleet, "all are there", 60)
        start = time.monotonic()
        told = self.others("meanwhile", seconds=sizes.fleet_s)
        self.show_others("meanwhile", told)
        self.expect_normal(told)
        share = [100 * (p.cpu_seconds() - before) / (time.monotonic() - start)
                 for p, before in zip(self.stand.routers, cpu)]
        stop.set()
        thread.join()
        print(f"    {beats[0]} beats written; CPU of a router {max(share):.0f} %")
        seen = [json.loads(v)["nodes"] for v in self.stand.db.hvals(self.stand.keys.routers)]
        if min(seen) < sizes.fleet:
            self.fault(f"the routers know of {seen} nodes")
        after = self.others("afterwards")
        self.show_others("afterwards", after)
        self.expect_normal(after)
        self.close({"router": 160, "pi": 64})

    def _beat(self, stop, beats):
        """What the heartbeats of so many workers leave in P:health, without the workers."""
        db = redis.Redis(unix_socket_path=self.stand.socket, decode_responses=True, socket_timeout=60)
        template = json.loads(db.hget(self.stand.keys.health, "pi-1"))
        template.update(installed=["another:1b", "more:7b"], models=["another:1b"], available=True)
        step = max(1, self.sizes.fleet // 50)  # fifty portions in 5 s
        portions = [range(i, min(i + step, self.sizes.fleet)) for i in range(0, self.sizes.fleet, step)]
        while not stop.is_set():
            for portion in portions:
                began = time.monotonic()
                seconds, micros = db.time()
                now = {"last_seen": seconds, "last_seen_ms": seconds * 1000 + micros // 1000}
                values = {}
                for i in portion:
                    template.update(now, node_id=f"many-{i}", temp_c=40 + i % 30)
                    values[f"many-{i}"] = json.dumps(template)
                db.hset(self.stand.keys.health, mapping=values)
                beats[0] += len(values)
                if stop.wait(max(0, 5 / len(portions) - (time.monotonic() - began))):
                    return


SCENARIOS = ["burst", "big", "deaf", "fleet"]


def main(argv):
    parser = argparse.ArgumentParser(
        prog="scripts/overload", description="Too much of everything, one after the other: "
        + ", ".join(SCENARIOS) + ". Prints what became of it, of the others meanwhile and afterwards, "
        "and the peaks of memory. Exit code 1 if something is not as documented.")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="only this one (all)")
    parser.add_argument("--small", action="store_true", help="scaled down, as in the tests")
    parser.add_argument("--redis", choices=["always", "everysec"], default="always",
                        help="appendfsync (always)")
    parser.add_argument("--keep", action="store_true", help="keep the logs of what went wrong")
    options = parser.parse_args(argv)
    overload = Overload(options)
    try:
        for name in options.scenario or SCENARIOS:
            getattr(overload, name)()
    finally:
        if overload.stand:
            overload.watching = False
            overload.stand.close(keep=bool(overload.faults) and options.keep)
    print("\n" + ("\n".join("VIOLATION: " + f for f in overload.faults) or "all as documented"))
    return 1 if overload.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
