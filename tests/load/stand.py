"""What soak.py and overload.py stand on: an installation under load, and its figures over time."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(TOP, "tests", "e2e"))

import redis  # noqa: E402

from process import Process, binary, wait_until  # noqa: E402
from protocol import Keys  # noqa: E402
from root import Root  # noqa: E402
from sim import Sim  # noqa: E402

# An Ollama that costs nothing: whatever is slow is ours or Redis'.
MODEL = "gemma3:1b,load=0ms,gen_tps=1e9,prompt_tps=1e9,tokens=8,num_ctx=9000000,train_ctx=9000000"

SLOTS = 4  # of a node


class Stand:
    """redis-server with the shipped settings, routers, nodes (worker and Ollama)."""

    def __init__(self, fsync="always", redis_options=()):
        self.directory = tempfile.mkdtemp(prefix="oload-")
        self.keys = Keys("orion:inference")
        self.socket = self.path("redis.sock")
        argv = ["redis-server", os.path.join(TOP, "config", "redis.conf"), "--port", "0",
                "--unixsocket", self.socket, "--dir", self.directory, "--appendfsync", fsync,
                "--daemonize", "no", *redis_options]
        self.redis = Process("redis", argv, self.path("redis.log"))
        self.routers, self.workers, self.sims, self.loads = [], {}, {}, []
        self.env = {}  # of the daemons, added
        self.db = redis.Redis(unix_socket_path=self.socket, decode_responses=True, retry=None,
                              encoding_errors="surrogateescape", socket_timeout=60)

    def path(self, name):
        return os.path.join(self.directory, name)

    def answers(self):
        try:
            return self.db.ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def start_redis(self):
        self.redis.start()
        wait_until(self.answers, "redis-server answers")

    def preload(self, source):
        """Builds a file of this folder and has every daemon load it first."""
        library = self.path(source + ".so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library,
                        os.path.join(HERE, source), "-ldl"], check=True)
        self.env["LD_PRELOAD"] = library

    def _daemon(self, program, name, settings):
        argv = [binary(program), "--set", f"redis=unix://{self.socket}"]
        for key, value in settings.items():
            argv += ["--set", f"{key}={value}"]
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith("ORION_") and k not in ("REDIS_URL", "OLLAMA_HOST")}
        return Process(name, argv, self.path(name + ".log"), {**clean, **self.env})

    def router(self, name, **settings):
        router = self._daemon("orion-router", name, {"router_id": name, "log_level": "warning",
                                                     **settings}).start()
        self.routers.append(router)
        wait_until(lambda: self.db.hexists(self.keys.routers, name), f"{name} is there")
        return router

    def node(self, name, slots=SLOTS, model=MODEL, **settings):
        sim = Sim("ollama-" + name, [model], self.path(f"ollama-{name}.log"))
        sim.argv += ["--slots", str(slots)]
        sim.start()
        root = Root(self.path("root-" + name))
        settings = {"node_id": name, "ollama": sim.url, "root": root.path, "slots": slots,
                    "log_level": "warning", **settings}
        worker = self._daemon("orion-worker", name, settings).start()
        self.sims[name], self.workers[name] = sim, worker
        return worker

    def drain_all(self, is_drained):
        for name in self.workers:
            self.db.xadd(self.keys.control, {"op": "drain" if is_drained else "undrain", "node": name})
        wait_until(lambda: self.db.scard(self.keys.drained) == (len(self.workers) if is_drained else 0),
                   "the routers have heard it")

    def is_available(self, name):
        health = self.db.hget(self.keys.health, name)
        return bool(health) and json.loads(health)["available"]

    def wait_nodes(self):
        for name in self.workers:
            wait_until(lambda n=name: self.is_available(n), f"{name} is available", 20)

    def load(self, name, **options):
        """Starts load-client; a value of True is an option without an argument."""
        argv = [binary("load-client"), "--redis", self.socket, "--name", name]
        for key, value in options.items():
            argv += [f"--{key}"] if value is True else [f"--{key}", str(value)]
        load = Process(name, argv, self.path(name + ".json")).start()
        self.loads.append(load)
        return load

    def daemons(self):
        return [p for p in self.routers + list(self.workers.values()) if p.alive]

    def leftovers(self):
        """What waits or is pending though nothing is open any more: sentences."""
        left = []
        for key in self.db.scan_iter(f"{self.keys.prefix}:requests*", 1000):
            length = self.db.xlen(key)
            pending = sum(g["pending"] for g in self.db.xinfo_groups(key))
            if length or pending:
                left.append(f"{key} still has {length} entries, {pending} pending")
        return left

    def stop(self):
        """An orderly end of the daemons; returns what was wrong with it."""
        faults, alive = [], self.daemons()
        for daemon in alive:
            daemon.signal(15)
        for daemon in alive:
            try:
                code = daemon.wait(20)
                if code != 0:
                    faults.append(f"{daemon.name}: exit code {code} after SIGTERM")
            except AssertionError as error:
                faults.append(str(error))
        for process in self.routers + list(self.workers.values()):
            faults += [f"{process.name}: {line}" for line in process.problems()]
        return faults

    def close(self, keep=False):
        for process in (self.loads + self.routers + list(self.workers.values())
                        + list(self.sims.values()) + [self.redis]):
            process.end()
        if keep:
            print(f"the logs are in {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def last_line(load):
    """What load-client told last; {} if nothing yet."""
    lines = [line for line in load.log.splitlines() if line.startswith("{") and line.endswith("}")]
    return json.loads(lines[-1]) if lines else {}


def rss_kib(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def heap_kib(process):
    """What malloc holds (a router's window and fleet are mappings of their own, of fixed size)."""
    with open(f"/proc/{process.pid}/smaps", encoding="ascii") as file:
        is_heap = False
        for line in file:
            if "-" in line.split(" ", 1)[0]:
                is_heap = line.rstrip().endswith("[heap]")
            elif is_heap and line.startswith("Rss:"):
                return int(line.split()[1])
    return 0


def connections_to(process, url):
    """How many TCP connections it has to that address of this machine, idle ones too."""
    port = f":{int(url.rsplit(':', 1)[1]):04X}"
    with open(f"/proc/{process.pid}/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(port)}
    folder = f"/proc/{process.pid}/fd"
    return sum(os.readlink(os.path.join(folder, fd)) in sockets for fd in os.listdir(folder))


class Watch:
    """Samples of named figures: (seconds since the start, value)."""

    def __init__(self):
        self.start = time.monotonic()
        self.series = {}

    @property
    def now(self):
        return time.monotonic() - self.start

    def add(self, name, value):
        self.series.setdefault(name, []).append((self.now, value))

    def sample(self, process, name=None, ollama=None):
        """Memory, descriptors and CPU of one process; nothing if it has just ended. Connections to its
        Ollama are counted apart: kept for reuse, there are as many as it once needed at a time."""
        name = name or process.name
        try:
            to_ollama = connections_to(process, ollama) if ollama else 0
            self.add((name, "rss"), rss_kib(process))
            self.add((name, "heap"), heap_kib(process))
            self.add((name, "fds"), process.fds() - to_ollama)
            self.add((name, "to_ollama"), to_ollama)
            self.add((name, "cpu"), process.cpu_seconds())
        except (OSError, ValueError):
            pass

    def between(self, key, begin, end):
        return [value for at, value in self.series.get(key, []) if begin <= at < end]

    def most(self, key):
        return max(value for _, value in self.series[key])


def mean(values):
    return sum(values) / len(values) if values else None
