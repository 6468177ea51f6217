"""The demo's processes: Redis, Ollamas, router, workers. One temporary folder; ended by pid."""

import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import redis

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(REPOSITORY, "tests", "tools"))
import make_root  # noqa: E402

STATE_FILE = "cluster.json"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

# Shorter than the defaults, so that nobody waits 15 s to see a node being lost.
NODE_LOST_S = 3
ROUTER_SETTINGS = {"node_late": "2s", "node_lost": f"{NODE_LOST_S}s", "log_level": "info",
                   "http_listen": ""}
WORKER_SETTINGS = {"health_interval": "500ms", "drain_timeout": "2s"}


class DemoError(Exception):
    """Something did not work; the message says what."""


def started_at(pid):
    """Start time of a process in clock ticks, or None if there is none: pids are used again."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    def __init__(self, name, argv, directory, dies_with_demo):
        self.name, self.argv, self.directory = name, argv, directory
        self.dies_with_demo = dies_with_demo
        self.popen = None
        self.killed = False

    def start(self):
        self.killed = False
        with open(os.path.join(self.directory, self.name + ".log"), "ab") as log:
            # A session of its own: Ctrl-C is for the demo, which then ends all in order.
            self.popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=_clean_environment(),
                preexec_fn=_die_with_parent if self.dies_with_demo else None)
        return self

    @property
    def pid(self):
        return self.popen.pid

    @property
    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def kill(self):
        self.killed = True
        self.popen.kill()
        self.popen.wait()

    def must_live(self):
        if not self.killed and self.popen is not None and self.popen.poll() is not None:
            raise DemoError(f"{self.name} has ended by itself, exit code {self.popen.returncode}")


def _clean_environment():
    """The daemons of the demo get their settings from it alone."""
    return {k: v for k, v in os.environ.items()
            if not k.startswith("ORION_") and k not in ("REDIS_URL", "OLLAMA_HOST")}


class Cluster:
    def __init__(self, bin_directory, keep, redis_url=None, password_file=None):
        self.bin = bin_directory
        self.dies_with_demo = not keep
        self.directory = tempfile.mkdtemp(prefix="orion-demo-")
        if len(self.directory) > 80:  # a unix socket's path has 107 bytes at most
            os.rmdir(self.directory)
            self.directory = tempfile.mkdtemp(prefix="orion-demo-", dir="/tmp")
        self.processes = []
        self.password_file = password_file
        self.is_private = redis_url is None
        self.redis_url = redis_url or f"unix://{self.path('redis.sock')}"
        self.prefix = "orion:inference" if self.is_private else f"orion:demo:{os.getpid()}"
        self.db = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def key(self, name):
        return f"{self.prefix}:{name}"

    def check(self):
        """A process that ended by itself is an error."""
        for process in self.processes:
            process.must_live()

    def wait(self, condition, what, timeout_s=20):
        """Asks until condition() is true, and returns its value."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.check()
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise DemoError(f"not within {timeout_s} s: {what() if callable(what) else what}")
            time.sleep(0.02)

    def _start(self, name, *argv):
        process = Process(name, list(argv), self.directory, self.dies_with_demo)
        self.processes.append(process)
        return process.start()

    def process(self, name):
        return next(p for p in self.processes if p.name == name)

    # --- starting ------------------------------------------------------------------------------

    def start_redis(self):
        if self.is_private:
            # The configuration that orion ships, on a unix socket instead of a port.
            self._start("redis", "redis-server", os.path.join(REPOSITORY, "config", "redis.conf"),
                        "--port", "0", "--unixsocket", self.path("redis.sock"),
                        "--dir", self.directory)
        self.db = connect(self.redis_url, self.password_file)
        self.wait(self._redis_answers, f"Redis answers at {self.redis_url}", 10)

    def _redis_answers(self):
        try:
            return self.db.ping()
        except (redis.BusyLoadingError, redis.ConnectionError, redis.TimeoutError) as error:
            if isinstance(error, redis.AuthenticationError):
                raise
            return False

    def start_ollama(self, name, models, speed):
        """Returns the URL of a simulated Ollama."""
        port_file = self.path(name + ".port")
        argv = [os.path.join(self.bin, "ollama-sim"), "--listen", "127.0.0.1:0",
                "--port-file", port_file, "--speed", str(speed)]
        for model in models:
            argv += ["--model", model]
        self._start(name, *argv)
        self.wait(lambda: os.path.exists(port_file), f"{name} listens")
        with open(port_file, encoding="ascii") as file:
            return f"http://127.0.0.1:{file.read().strip()}"

    def _daemon(self, program, name, settings):
        settings = {"redis": self.redis_url, "prefix": self.prefix, **settings}
        if self.password_file:
            settings["redis_password_file"] = self.password_file
        config = self.path(name + ".conf")
        with open(config, "w", encoding="utf-8") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        return self._start(name, os.path.join(self.bin, program), "--config", config)

    def start_router(self, name):
        return self._daemon("orion-router", name, {"router_id": name, **ROUTER_SETTINGS})

    def start_worker(self, node, ollama, root):
        """root: where its sensors are; empty: this machine's own."""
        return self._daemon("orion-worker", node,
                            {"node_id": node, "ollama": ollama, "root": root, **WORKER_SETTINGS})

    def make_sensors(self, node, **values):
        """Makes, or changes, the made-up /sys and /proc of a node. Returns where."""
        make_root.make(self.path("sensors-" + node), **values)
        return self.path("sensors-" + node)

    # --- looking -------------------------------------------------------------------------------

    def nodes(self):
        """[(health object, age of the last sign of life in seconds)], by node id."""
        seconds, micros = self.db.time()
        now_s = seconds + micros / 1e6
        nodes = self.db.hgetall(self.key("health"))
        found = [json.loads(text) for _, text in sorted(nodes.items())]
        return [(h, now_s - h.get("last_seen_ms", h["last_seen"] * 1000) / 1000) for h in found]

    def health(self, node):
        return next((h for h, _ in self.nodes() if h.get("node_id") == node), {})

    def is_available(self, node):
        return bool(self.health(node).get("available"))

    def logs(self, lines=12):
        """(name, end of the log) of each process that wrote one."""
        for path in sorted(glob.glob(self.path("*.log"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read().splitlines()[-lines:]
            if text:
                yield os.path.basename(path), text

    # --- the end -------------------------------------------------------------------------------

    def save(self):
        """Writes down what stop() must know."""
        processes = [{"name": p.name, "pid": p.pid, "started_at": started_at(p.pid)}
                     for p in self.processes if p.alive]
        with open(self.path(STATE_FILE), "w", encoding="utf-8") as file:
            json.dump({"processes": processes, "redis": self.redis_url, "prefix": self.prefix,
                       "password_file": self.password_file, "is_private": self.is_private}, file)

    def close(self):
        """Ends everything that was started and removes the folder. Returns how many processes."""
        self.save()
        if self.db is not None:
            self.db.close()
        return stop(self.directory, reap=lambda: [p.popen.poll() for p in self.processes])


def connect(url, password_file=None):
    password = None
    if password_file:
        with open(password_file, encoding="utf-8") as file:
            password = file.read().removesuffix("\n")
    options = {"password": password} if password is not None else {}
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=30, **options)


def _end(processes, reap):
    """SIGTERM to all of them, SIGKILL to those that are still there after 5 s."""
    for number, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        reap()
        for process in processes:
            if started_at(process["pid"]) == process["started_at"]:
                os.kill(process["pid"], number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            reap()
            if all(started_at(p["pid"]) != p["started_at"] for p in processes):
                return
            time.sleep(0.02)


def _remove_keys(state):
    db = connect(state["redis"], state["password_file"])
    for key in db.scan_iter(match=state["prefix"] + ":*", count=1000):
        db.unlink(key)
    db.close()


def stop(directory, reap=lambda: None):
    """Ends the cluster in that folder and removes it. Returns the number of processes ended."""
    try:
        with open(os.path.join(directory, STATE_FILE), encoding="utf-8") as file:
            state = json.load(file)
    except (OSError, ValueError) as error:
        raise DemoError(f"the demo has left no cluster in {directory}: {error}") from error
    servers = [p for p in state["processes"] if p["name"].startswith(("redis", "ollama-"))]
    daemons = [p for p in state["processes"] if p not in servers]
    _end(daemons, reap)  # while Redis is there to say goodbye to
    if not state["is_private"]:
        try:
            _remove_keys(state)
        except (redis.RedisError, OSError) as error:
            print(f"demo: the keys {state['prefix']}:* were not removed: {error}", file=sys.stderr)
    _end(servers, reap)
    shutil.rmtree(directory, ignore_errors=True)
    return len(state["processes"])
