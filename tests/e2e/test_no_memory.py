"""Memory is refused to a running daemon, at every place where it asks for some: no request is lost.

alloc_shim.c, loaded first, refuses the n-th allocation that one place in the code asks for, for every
place that a request goes through, and the first, the last and some between; whoever asks: our code, hiredis, libcurl, cJSON, libevent, libc.
"""

import collections
import itertools
import mmap
import os
import struct
import subprocess
from concurrent import futures

import pytest

from cluster import wait_until
from process import SANITIZE
from root import Root

HERE = os.path.dirname(os.path.abspath(__file__))
FORMAT = "=qQqqq64s2048Q"
THOROUGH = bool(os.environ.get("ORION_THOROUGH"))  # every single one

pytestmark = pytest.mark.skipif(SANITIZE, reason="the sanitizers have an allocator of their own")


# Its threads live as long as the test: a process that one of them starts again would die with it.
POOL = futures.ThreadPoolExecutor(8)


class Shim:
    def __init__(self, cluster, name):
        self.library = cluster.path("alloc_shim.so")
        if not os.path.exists(self.library):
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.library,
                            os.path.join(HERE, "alloc_shim.c"), "-ldl"], check=True)
        self.path = cluster.path("alloc-" + name)
        with open(self.path, "wb") as file:
            file.write(bytes(struct.calcsize(FORMAT)))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), struct.calcsize(FORMAT))

    @property
    def env(self):
        return {"LD_PRELOAD": self.library, "ALLOC_SHIM": self.path}

    def order(self, countdown=0, place=0, floor=0):
        self.map[:] = struct.pack(FORMAT, countdown, place, floor, 0, 0, b"", *[0] * 2048)

    @property
    def made(self):
        return struct.unpack(FORMAT, self.map[:])[3]

    @property
    def refused(self):
        return struct.unpack(FORMAT, self.map[:])[4]

    @property
    def who(self):
        return struct.unpack(FORMAT, self.map[:])[5].rstrip(b"\0").decode()

    def chosen(self):
        """Of the allocations made since the order: (which one of its place, the place), up to six of each
        place in the code that asks for memory, from the first to the last."""
        trace = struct.unpack(FORMAT, self.map[:])[6:6 + min(self.made, 2048)]
        return [(n, place) for place, made in sorted(collections.Counter(trace).items())
                for n in (range(1, made + 1) if THOROUGH
                          else sorted({1 + k * (made - 1) // 5 for k in range(6)}))]


WIDE = "gemma3:1b,load=20ms,gen_tps=2000,prompt_tps=1e9,tokens=12,num_ctx=9000000,train_ctx=9000000"
ASK = {
    "chat": {"messages": [{"role": "user", "content": "x" * 3000}], "stream": True,
             "progress": True, "metadata": "m" * 200, "params": {"options": {"top_k": 3}}},
    "embed": {"input": ["z" * 300, "w"], "model": "nomic-embed-text"},
    "refused": {"prompt": "x", "no_such_field": "1"},
}


# hiredis 0.14.1 (Debian 12) aborts when it has no memory while it connects, and reads through a NULL of
# its own when there is none for an empty output buffer. Nothing outside of it can prevent that; the
# daemon is started again, as systemd does. hiredis 1 has neither.
CRASHES_BY_ITSELF = "libhiredis.so.0.14"


class Sweep:
    """Refuses chosen allocations of one daemon, one per request."""

    def __init__(self, cluster, victim, shim, ask):
        self.cluster, self.victim, self.shim, self.ask = cluster, victim, shim, ask
        self.asked, self.crashed = [], []  # who had asked for what was refused; what ended by it
        self.picks = []
        cluster.pieces_may_end_early = True
        self.session = itertools.count(1)

    def submit(self):
        """Each is a conversation of its own, for the first request of one asks for the most."""
        return self.cluster.submit(**self.ask, session=f"s{next(self.session)}")

    def look(self):
        """One request of which nothing is refused: which allocations does it need? The second of its
        kind, for what only the first needs is not asked for again."""
        for _ in range(2):
            self.shim.order()
            self.cluster.read_reply(self.submit())
        self.picks = self.shim.chosen()

    def has_ended(self, request_id):
        if not self.victim.alive:
            who = self.shim.who or self.asked[-1]  # the crash may come a request later
            assert who.startswith(CRASHES_BY_ITSELF), (who, self.victim.popen.returncode)
            self.crashed.append(who)
            self.victim.start()
        return self.cluster.entries(request_id).end

    def rested(self):
        """A worker whose attempt has failed gets no work for a moment."""
        if self.victim.name != "pi-1":
            return True
        health = self.cluster.health("pi-1")
        return health and health["available"] and health["in_flight"] == 0

    def one(self, number=0, place=0):
        """True if something was refused: the daemon may have needed fewer allocations this time."""
        wait_until(self.rested, "the node takes work", 20)
        self.shim.order(number, place)
        request_id = self.submit()
        wait_until(lambda: self.has_ended(request_id),
                   f"{request_id} is answered after allocation {number}, asked for by {self.shim.who}", 40)
        end = self.cluster.read_reply(request_id).end  # looks once more: nothing behind it
        wanted = "error" if "no_such_field" in self.ask else "done"
        assert end["type"] == wanted, (number, self.shim.who, end)
        if self.shim.refused:
            self.asked.append(self.shim.who)
        return self.shim.refused

    def run(self):
        for pick in self.picks:
            for _ in range(5):
                if self.one(*pick):
                    break
            self.one()  # works again; and a worker rests longer after failures in a row


def router_sweep(cluster, kind):
    cluster.worker("pi-1", cluster.sim())
    shim = Shim(cluster, "router")
    router = cluster.router(env=shim.env)
    cluster.read_reply(cluster.submit(prompt="warm"))
    return Sweep(cluster, router, shim, ASK[kind])


def worker_sweep(cluster, kind):
    cluster.router()
    shim = Shim(cluster, "worker")
    worker = cluster.worker("pi-1", cluster.sim(), env=shim.env)
    cluster.read_reply(cluster.submit(prompt="warm"))
    return Sweep(cluster, worker, shim, ASK[kind])


def report(kind, sweeps):
    places = {}
    for sweep in sweeps:
        for who in sweep.asked:
            places.setdefault(who.split("+")[0], set()).add(who)
    print(f"{sweeps[0].victim.name}, {kind}: {sum(len(s.asked) for s in sweeps)} allocations refused, at "
          + ", ".join(f"{len(v)} places in {k}" for k, v in sorted(places.items()))
          + f"; {sum(len(s.crashed) for s in sweeps)} crashes of hiredis 0.14.1")
    return sum(len(v) for v in places.values())


def run_all(new_cluster, make, kinds):
    """kinds: {kind: over how many installations it is spread}. All at a time, for most of it is waiting
    for a reconnect."""
    sweeps, places = {}, {}
    for kind, parts in kinds.items():
        sweeps[kind] = [make(new_cluster(), kind) for _ in range(parts)]
        sweeps[kind][0].look()
        picks = sweeps[kind][0].picks
        for i, sweep in enumerate(sweeps[kind]):
            sweep.picks = picks[i::parts]
        places[kind] = len({place for _, place in picks})
    everything = [s for parts in sweeps.values() for s in parts]
    list(POOL.map(Sweep.run, everything))
    for kind, parts in sweeps.items():
        refused_places = report(kind, parts)
        # That the sweep sweeps; not all, for not every request asks for memory at every place.
        assert refused_places >= places[kind] // 2, (refused_places, places[kind])


def test_a_router_that_is_refused_memory_once_loses_nothing(new_cluster):
    run_all(new_cluster, router_sweep, {"chat": 2, "refused": 1})


def test_a_worker_that_is_refused_memory_once_loses_nothing(new_cluster):
    run_all(new_cluster, worker_sweep, {"chat": 3, "embed": 2})


def test_a_worker_without_memory_for_a_large_request_leaves_it_to_others(cluster):
    """Nothing of 256 KiB and more can be had, for as long as it lasts."""
    cluster.router()
    shim = Shim(cluster, "worker")
    worker = cluster.worker("pi-1", cluster.sim(WIDE), env=shim.env)
    cluster.worker("pi-2", cluster.sim(WIDE), root=Root(cluster.path("root-warm"), temp=58.0))
    shim.order(floor=256 * 1024)
    large = [cluster.submit(prompt="x" * 2**20) for _ in range(3)]
    for request_id in large:
        assert cluster.read_reply(request_id, 60).node == "pi-2"
    assert shim.refused and worker.alive
    shim.order()
    cluster.control(op="drain", node="pi-2")
    assert cluster.read_reply(cluster.submit(prompt="hi"), 40).node == "pi-1"  # it works again
