"""Memory is refused to a running daemon, at every place where it asks for some: no request is lost.

alloc_shim.c, loaded first, refuses the n-th allocation, for n = 1, 2, 3 ... until a whole request
needs fewer; whoever asks: our code, hiredis, libcurl, cJSON, libevent, libc.
"""

import mmap
import os
import struct
import subprocess
from concurrent import futures

import pytest

from cluster import wait_until
from process import SANITIZE

HERE = os.path.dirname(os.path.abspath(__file__))
FORMAT = "=qqqq64s"

pytestmark = pytest.mark.skipif(SANITIZE, reason="the sanitizers have an allocator of their own")


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

    def order(self, countdown=0, floor=0):
        self.map[:] = struct.pack(FORMAT, countdown, floor, 0, 0, b"")

    @property
    def made(self):
        return struct.unpack(FORMAT, self.map[:])[2]

    @property
    def refused(self):
        return struct.unpack(FORMAT, self.map[:])[3]

    @property
    def who(self):
        return struct.unpack(FORMAT, self.map[:])[4].rstrip(b"\0").decode()


ASK = {
    "chat": {"messages": [{"role": "user", "content": "x" * 3000}], "stream": True,
             "progress": True, "metadata": "m" * 200, "params": {"options": {"top_k": 3}}},
    "generate": {"prompt": "y" * 3000},
    "embed": {"input": ["z" * 300, "w"], "model": "nomic-embed-text"},
    "refused": {"prompt": "x", "no_such_field": "1"},
}


# hiredis 0.14.1 (Debian 12) aborts when it has no memory while it connects, and reads through a NULL of
# its own when there is none for an empty output buffer. Nothing outside of it can prevent that; the
# daemon is started again, as systemd does. hiredis 1 has neither.
CRASHES_BY_ITSELF = "libhiredis.so.0.14"


class Sweep:
    """Refuses one allocation of one daemon after the other."""

    def __init__(self, cluster, victim, shim, ask):
        self.cluster, self.victim, self.shim, self.ask = cluster, victim, shim, ask
        self.asked = []  # who had asked for what was refused
        self.crashed = []

    def told(self):
        return f"after allocation {len(self.asked) + 1}, asked for by {self.shim.who}"

    def has_ended(self, request_id):
        if not self.victim.alive:
            assert self.shim.who.startswith(CRASHES_BY_ITSELF), (
                f"{self.victim.name} has ended {self.told()}: {self.victim.popen.returncode}")
            self.crashed.append(self.shim.who)
            self.victim.start()
        return self.cluster.entries(request_id).end

    def one(self):
        """False if a whole request needs fewer allocations than that."""
        self.shim.order(countdown=len(self.asked) + 1)
        request_id = self.cluster.submit(**self.ask)
        wait_until(lambda: self.has_ended(request_id), f"{request_id} is answered {self.told()}", 40)
        end = self.cluster.read_reply(request_id).end  # looks once more: nothing behind it
        assert end["type"] == ("error" if "no_such_field" in self.ask else "done"), (self.told(), end)
        if self.shim.refused:
            self.asked.append(self.shim.who)
            return True
        return end.get("node", self.victim.name) != self.victim.name and self.victim.name != "router-1"

    def run(self):
        while self.one():
            pass
        self.shim.order()
        return self

    def report(self, kind):
        places = {}
        for who in self.asked:
            places.setdefault(who.split("+")[0], set()).add(who)
        print(f"{self.victim.name}, {kind}: {len(self.asked)} allocations refused, at "
              + ", ".join(f"{len(v)} places in {k}" for k, v in sorted(places.items()))
              + f"; {len(self.crashed)} crashes of hiredis 0.14.1")


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
    cluster.worker("pi-2", cluster.sim())
    cluster.read_reply(cluster.submit(prompt="warm"))
    return Sweep(cluster, worker, shim, ASK[kind])


def run_all(new_cluster, make, kinds, at_least):
    """Each kind in an installation of its own, all at a time: most of it is waiting for reconnects."""
    sweeps = {kind: make(new_cluster(), kind) for kind in kinds}
    with futures.ThreadPoolExecutor(len(sweeps)) as pool:
        for kind, sweep in zip(sweeps, pool.map(Sweep.run, sweeps.values())):
            sweep.report(kind)
            assert len(sweep.asked) >= at_least, (kind, sweep.asked)
    for sweep in sweeps.values():
        assert sweep.cluster.read_reply(sweep.cluster.submit(prompt="afterwards")).text


def test_a_router_that_is_refused_memory_once_loses_nothing(new_cluster):
    run_all(new_cluster, router_sweep, list(ASK), 20)


def test_a_worker_that_is_refused_memory_once_loses_nothing(new_cluster):
    run_all(new_cluster, worker_sweep, ["chat", "generate", "embed"], 50)
