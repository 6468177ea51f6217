"""The installation that is tormented: redis-server, proxy, Ollamas, routers, workers, clients.

Everything that runs is a child of this process, dies with it (PR_SET_PDEATHSIG), and is signalled
by its own pid. Redis is on a unix socket; what talks to it has a link of proxy.py of its own.
"""

import json
import mmap
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

import redis

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "e2e"))
from process import SANITIZE, SLOW, Process, wait_until  # noqa: E402
from protocol import BrokenReply, Keys, check_reply, texts  # noqa: E402,F401
from root import Root  # noqa: E402
from sim import Sim  # noqa: E402

ROUTERS = ("router-1", "router-2")
NODES = ("pi-1", "pi-2", "pi-3", "pi-4")
CLIENTS = 4
PREFIX = "orion:inference"
NODE_LOST_S = 2.0 * SLOW
MODELS = ("gemma3:1b,load=5ms,gen_tps=100,prompt_tps=1e6,tokens=12",
          "qwen2.5:0.5b,load=5ms,gen_tps=200,prompt_tps=1e6,tokens=12",
          "nomic-embed-text,load=5ms,prompt_tps=1e6,dim=16")
ROUTER_SETTINGS = {"node_late": f"{SLOW}s", "node_lost": f"{2 * SLOW}s", "model_wait": "10s",
                   "max_attempts": 5, "prefetch": 1, "response_ttl": "15m",
                   "priority_age": "2s",  # so that low does not starve within a timeout
                   "log_level": "debug", "http_listen": ""}
WORKER_SETTINGS = {"health_interval": "200ms", "drain_timeout": "1s", "stall_timeout": "1s",
                   "first_byte_timeout": "2s", "reply_max": "256KiB", "chunk_interval": "10ms",
                   "slots": 2, "log_level": "debug"}


class Shim:
    """What shim.c is told, and what came of it: a file of four numbers, mapped by both sides."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(32))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 32)

    def set(self, wall_offset_s=0, fsync_ms=0):
        self.map[:16] = struct.pack("=qq", wall_offset_s, fsync_ms)

    @property
    def clocks_shifted(self):
        return struct.unpack_from("=q", self.map, 16)[0]

    @property
    def fsyncs_slowed(self):
        return struct.unpack_from("=q", self.map, 24)[0]


class Unit:
    """A part that can be struck: its process, and what we did to it."""

    def __init__(self, name, kind, process):
        self.name, self.kind, self.process = name, kind, process
        self.busy_until = 0.0  # no second fault before
        self.restart_at = None
        self.twins = []
        self.shim = None
        self.before, self.started_s = None, None
        self.warm = None  # figures before the first fault
        self.deaths = 0

    def start(self):
        self.process.start()
        self.started_s = time.monotonic()
        self.before = self.restart_at = None


def figures(process):
    """Memory and descriptors: {rss, pss, anon (KiB), fds, cpu (s)}; None if it is gone."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
            kib = {k: int(v) for k, v in re.findall(r"^(\w+): +(\d+) kB", file.read(), re.M)}
        return {"rss": kib["Rss"], "pss": kib["Pss"], "anon": kib.get("Anonymous", 0),
                "fds": process.fds(), "cpu": process.cpu_seconds()}
    except (OSError, KeyError):
        return None


def sim_words(program):
    """What the simulator says of itself: {"faults": [names], "statuses": [names]}."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    faults, _, statuses = text.partition("\nFaults")[2].partition("\nNames for status=")
    return {"faults": re.findall(r"^  ([a-z][a-z0-9-]*)", faults, re.M),
            "statuses": re.findall(r"\b[a-z]+[45]\d\d\b", statuses)}


class Stage:
    def __init__(self, directory, bin_dir, fsync, dice):
        self.directory, self.bin_dir, self.fsync, self.dice = directory, bin_dir, fsync, dice
        self.keys = Keys(PREFIX)
        self.units, self.clients, self.roots = {}, [], {}
        self.history = []  # (monotonic seconds, text)
        self.faults = []  # what a sound installation does not do: sentences
        self.start_s = time.monotonic()
        self.ports = {}
        self.socket_path = os.path.join(directory, "redis.sock")

    def path(self, name):
        return os.path.join(self.directory, name)

    def note(self, text):
        self.history.append((time.monotonic() - self.start_s, text))

    def binary(self, name):
        return os.path.join(self.bin_dir, name)

    # --- Redis ---

    def db(self, timeout=3):
        """Straight to the server, no proxy between."""
        return redis.Redis(unix_socket_path=self.socket_path, decode_responses=True,
                           encoding_errors="surrogateescape", socket_timeout=timeout,
                           retry=None)

    def redis_answers(self):
        try:
            return self.db().ping()
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            return False

    def shimmed(self, unit_name, env):
        """The environment with the shim in it, and the shim's handle."""
        shim = Shim(self.path(f"shim-{unit_name}"))
        env = {**env, "LD_PRELOAD": self.path("shim.so"), "CHAOS_SHIM": shim.path}
        if SANITIZE:
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return env, shim

    def start_redis(self):
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.path("shim.so"),
                        os.path.join(HERE, "shim.c"), "-ldl"], check=True)
        env, shim = self.shimmed("redis", dict(os.environ))
        argv = ["redis-server", "--port", "0", "--unixsocket", self.socket_path, "--dir",
                self.directory, "--save", "", "--appendonly", "yes", "--appendfsync", self.fsync,
                "--maxmemory-policy", "noeviction", "--stream-node-max-bytes", "1024",
                "--enable-debug-command", "yes", "--daemonize", "no", "--loglevel", "verbose"]
        unit = Unit("redis", "redis", Process("redis", argv, self.path("redis.log"), env))
        unit.shim = shim
        self.units["redis"] = unit
        unit.start()
        wait_until(self.redis_answers, "redis-server answers")

    def restart_redis(self, empty=False):
        """Starts it after a kill; waits for nothing."""
        if empty:
            shutil.rmtree(self.path("appendonlydir"), ignore_errors=True)
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        self.units["redis"].start()

    # --- the network ---

    def start_proxy(self):
        links = {f"{n}>redis": f"unix:{self.socket_path}" for n in ROUTERS + NODES}
        links.update({f"client-{i}>redis": f"unix:{self.socket_path}" for i in range(CLIENTS)})
        ollamas = {f"{n}>ollama": str(self.units[f"ollama-{n}"].process.port) for n in NODES}
        spec = {"links": {**links, **ollamas}, "marks": list(ollamas),
                "control": self.path("proxy.sock")}
        with open(self.path("proxy.json"), "w", encoding="utf-8") as file:
            json.dump(spec, file)
        argv = ["/usr/bin/python3", os.path.join(HERE, "proxy.py"), self.path("proxy.json")]
        self.proxy = Process("proxy", argv, self.path("proxy.log")).start()
        found = wait_until(lambda: re.search(r'^\{"ports".*$', self.proxy.log, re.M),
                           "the proxy tells its ports")
        self.ports = json.loads(found.group(0))["ports"]
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.settimeout(10)
        self.wire.connect(spec["control"])
        self.wire_file = self.wire.makefile("rw")

    def tell(self, **order):
        self.wire_file.write(json.dumps(order) + "\n")
        self.wire_file.flush()
        return json.loads(self.wire_file.readline())

    # --- Ollamas and daemons ---

    def start_sims(self):
        os.environ["ORION_BIN"] = self.bin_dir
        self.statuses = sim_words(self.binary("ollama-sim"))["statuses"]
        for node in NODES:
            sim = Sim(f"ollama-{node}", MODELS, self.path(f"ollama-{node}.log"))
            sim.argv += ["--slots", "2", "--die-with-parent"]
            self.units[sim.name] = Unit(sim.name, "sim", sim)
            self.units[sim.name].start()

    def daemon(self, program, name, settings):
        argv = [self.binary(program)]
        settings = {"redis": f"redis://127.0.0.1:{self.ports[name + '>redis']}", **settings}
        for key, value in settings.items():
            argv += ["--set", f"{key}={value}"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ORION_")
                 and k not in ("REDIS_URL", "OLLAMA_HOST")}
        env, shim = self.shimmed(name, clean)
        process = Process(name, argv, self.path(name + ".log"), env)
        unit = self.units[name] = Unit(name, program.split("-")[1], process)
        unit.shim = shim
        unit.start()

    def start_daemons(self):
        for name in ROUTERS:
            window = self.dice.choice([16, 64, 4096])
            self.daemon("orion-router", name, {"router_id": name, "window": window,
                                               **ROUTER_SETTINGS})
        for node in NODES:
            root = self.roots[node] = Root(self.path("root-" + node))
            url = f"http://127.0.0.1:{self.ports[node + '>ollama']}"
            self.daemon("orion-worker", node, {"node_id": node, "ollama": url, "root": root.path,
                                               **WORKER_SETTINGS})
        wait_until(self.all_up, "the fleet is up", 20)

    def all_up(self):
        db = self.db()
        health = db.hgetall(self.keys.health)
        return (set(ROUTERS) <= set(db.hkeys(self.keys.routers)) and set(NODES) <= set(health)
                and all(json.loads(h)["available"] for h in health.values()))

    def twin_of(self, unit):
        """A second process with the same id."""
        number = len(unit.twins) + 2
        twin = Process(f"{unit.name}#{number}", unit.process.argv,
                       self.path(f"{unit.name}-{number}.log"), unit.process.env)
        unit.twins.append(twin)
        return twin.start()

    def start_clients(self, seed, stop_at, calm_at, give_up_at, in_flight, kinds):
        for i in range(CLIENTS):
            spec = {"index": i, "seed": seed, "prefix": PREFIX, "open": in_flight,
                    "port": self.ports[f"client-{i}>redis"], "stop_at": stop_at, "kinds": kinds,
                    "calm_at": calm_at, "give_up_at": give_up_at,
                    "out": self.path(f"client-{i}.json")}
            with open(self.path(f"client-{i}-spec.json"), "w", encoding="utf-8") as file:
                json.dump(spec, file)
            argv = ["/usr/bin/python3", os.path.join(HERE, "client.py"),
                    self.path(f"client-{i}-spec.json")]
            self.clients.append(Process(f"client-{i}", argv, self.path(f"client-{i}.log")).start())

    # --- living ---

    def supervise(self):
        """As systemd does: what has ended is started again. What ended by itself is noted."""
        now = time.monotonic()
        for unit in self.units.values():
            if unit.process.alive:
                if unit.before is None and now - unit.started_s > 2.5 and now > unit.busy_until:
                    unit.before = figures(unit.process)
                continue
            if unit.restart_at is None:
                self.died_by_itself(unit)
            elif now >= unit.restart_at:
                self.note(f"{unit.name} is started again")
                if unit.kind == "redis":
                    self.restart_redis(empty=getattr(unit, "empty", False))
                    unit.empty = False
                else:
                    unit.start()

    def note_warm(self):
        """Figures while all is well; `before` of one started in the storm may lack connections."""
        for unit in self.units.values():
            unit.warm = unit.before or unit.warm

    def died_by_itself(self, unit):
        """Being fenced by a twin is its duty; anything else is a fault."""
        code = unit.process.popen.returncode
        alive = [t for t in unit.twins if t.alive]
        if alive and unit.kind == "worker":
            self.note(f"{unit.name} has stopped for its twin, exit {code}")
            unit.process = alive[-1]
            unit.twins.remove(alive[-1])
            unit.started_s, unit.before = time.monotonic(), None
            return
        if not unit.process.killed:
            self.faults.append(f"{unit.name} ended by itself, exit {code}")
            self.note(f"{unit.name} ended by itself, exit {code}")
        unit.restart_at = time.monotonic() + 0.5

    def heal(self):
        """Every lasting fault ends."""
        for link in self.ports:
            self.tell(op="heal", link=link)
        for unit in self.units.values():
            for process in [unit.process] + unit.twins:
                if process.alive:
                    process.thaw()
            if unit.shim:
                unit.shim.set()
        self.note("everything is healed")

    def marks(self):
        return self.tell(op="marks")

    def stop_daemons(self):
        """An orderly end: SIGTERM, exit 0, soon."""
        alive = [u for u in self.units.values() if u.kind in ("router", "worker")
                 and u.process.alive]
        for unit in alive:
            unit.process.signal(15)
        for unit in alive:
            try:
                code = unit.process.wait(10)
                if code != 0:
                    self.faults.append(f"{unit.name}: exit code {code} after SIGTERM")
            except AssertionError as error:
                self.faults.append(str(error))
        for unit in self.units.values():
            for process in [unit.process] + unit.twins:
                self.faults += [f"{process.name}: {line}" for line in process.problems()]

    def close(self):
        for unit in self.units.values():
            for process in [unit.process] + unit.twins:
                if process.alive:
                    process.thaw()
                process.end()
        for process in self.clients + [getattr(self, "proxy", None)]:
            if process:
                process.end()
