"""A whole installation in a temporary directory: redis-server, Ollamas, routers, workers.

    def test_something(cluster):            # conftest.py: redis is up; checked and ended afterwards
        sim = cluster.sim()
        cluster.router()
        cluster.worker("pi-1", sim)
        request_id = cluster.submit(prompt="hi")
        assert cluster.read_reply(request_id).text

No port is fixed: Redis listens on a unix socket, the simulator on port 0. Nothing sleeps:
wait_until() polls.
"""

import itertools
import json
import os
import shutil
import tempfile
import time

import redis

import acl
from process import SLOW, Process, binary, wait_until
from protocol import Keys, check_reply
from root import Root
from sim import Sim

GROUP_ROUTERS, GROUP_WORKERS = "inference-routers", "inference-workers"
ROUTER_SETTINGS = {"node_late": "2s", "node_lost": "4s", "model_wait": "2s", "log_level": "debug",
                   "http_listen": ""}
WORKER_SETTINGS = {"health_interval": "150ms", "drain_timeout": "2s", "log_level": "debug"}
CHAT = "gemma3:1b,load=20ms,gen_tps=2000,prompt_tps=100000,tokens=12"
OTHER = "qwen2.5:0.5b,load=20ms,gen_tps=2000,prompt_tps=100000,tokens=12"
EMBED = "nomic-embed-text,load=20ms,prompt_tps=100000,dim=16"
SLOW_CHAT = "gemma3:1b,load=20ms,gen_tps=10,prompt_tps=100000,tokens=600"  # a minute of work


class Redis(Process):
    """A private redis-server on a unix socket; with config/users.acl and a port too, if `users`."""

    def __init__(self, directory, *options, aof=False, password=None, users=False):
        self.socket = os.path.join(directory, "redis.sock")
        self.directory, self.password = directory, password
        self.users, self.port = None, 0
        options += ("--requirepass", password) if password else ()
        if users:
            self.users, self.port = acl.Users(directory), acl.free_port()
            options += ("--aclfile", self.users.path, "--port", str(self.port))
        argv = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", directory,
                "--save", "", "--appendonly", "yes" if aof else "no", "--appendfsync", "always",
                "--maxmemory-policy", "noeviction", "--stream-node-max-bytes", "1024",
                "--daemonize", "no", *options]
        super().__init__("redis", argv, os.path.join(directory, "redis.log"))

    def client(self, user=None):
        if user:
            return redis.Redis(host="127.0.0.1", port=self.port, username=user, password=acl.password(user), retry=None,
                               decode_responses=True, socket_timeout=30 * SLOW)
        # redis-py 6 would repeat a failed command unless told not to: a test looks at the failure.
        admin = (acl.ADMIN, "admin") if self.users else (None, self.password)
        return redis.Redis(unix_socket_path=self.socket, username=admin[0], password=admin[1], retry=None,
                           decode_responses=True, encoding_errors="surrogateescape",
                           socket_timeout=30 * SLOW)

    def start(self, wait=True):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        super().start()
        if wait:
            wait_until(self.answers, "redis-server answers")
        return self

    def answers(self):
        try:
            return self.client().ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def forget_everything(self):
        """What the next start finds: nothing."""
        assert not self.alive
        shutil.rmtree(os.path.join(self.directory, "appendonlydir"), ignore_errors=True)


class Cluster:
    def __init__(self, *redis_options, aof=False, password=None, users=None):
        self.directory = tempfile.mkdtemp(prefix="oe2e-")
        self.keys = Keys("orion:inference")
        users = acl.IS_ON and not password if users is None else users
        self.redis = Redis(self.directory, *redis_options, aof=aof, password=password, users=users)
        self.daemons, self.sims, self.others = [], [], []
        self.submitted = {}
        self.pieces_may_end_early = False  # request id -> fields
        self.read = {}  # request id -> (stream, number of entries)
        self._number = itertools.count(1)
        self._client = None

    # --- parts ---------------------------------------------------------------------------------

    @property
    def db(self):
        if self._client is None:
            self._client = self.redis.client()
        return self._client

    def path(self, name):
        return os.path.join(self.directory, name)

    def sim(self, *models, **options):
        """An Ollama; by default with a chat model, another one, and one for embeddings."""
        name = f"ollama-{len(self.sims) + 1}"
        sim = Sim(name, models or (CHAT, OTHER, EMBED), self.path(name + ".log"), **options)
        self.sims.append(sim)
        return sim.start()

    def _daemon(self, program, name, settings, env, config):
        argv = [binary(program)]
        if config is not None:
            argv += ["--config", config]
        for key, value in settings.items():
            if value is not None:
                argv += ["--set", f"{key}={value}"]
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith("ORION_") and k not in ("REDIS_URL", "OLLAMA_HOST")}
        log = self.path(name + ".log")
        if any(d.log_path == log for d in self.daemons):
            log = self.path(f"{name}-{next(self._number)}.log")
        process = Process(name, argv, log, {**clean, **env})
        self.daemons.append(process)
        return process

    def _where(self, user):
        """Settings that lead to Redis: as that user of the ACL, if there is one."""
        if not self.redis.users:
            return {"redis": f"unix://{self.redis.socket}"}
        return {"redis": f"redis://{user}@127.0.0.1:{self.redis.port}",
                "redis_password_file": self.redis.users.password_file(user)}

    def _add_user(self, node):
        user = self.redis.users.add_node(node) if self.redis.users else []
        if user and self.redis.alive:
            self.db.execute_command("ACL", "SETUSER", *user)

    def new_router(self, name="router-1", env=None, config=None, **settings):
        """A router that is not started yet."""
        settings = {**self._where("orion-router"), "router_id": name, **ROUTER_SETTINGS, **settings}
        return self._daemon("orion-router", name, settings, env or {}, config)

    def new_worker(self, node, sim, root=None, env=None, config=None, **settings):
        """A worker that is not started yet; its made-up sensors are at `worker.root`."""
        root = root or Root(self.path("root-" + node))
        url = sim if isinstance(sim, str) else sim.url
        self._add_user(node)
        settings = {**self._where("orion-worker-" + node), "node_id": node, "ollama": url,
                    "root": root.path, **WORKER_SETTINGS, **settings}
        process = self._daemon("orion-worker", node, settings, env or {}, config)
        process.root = root
        return process

    def router(self, name="router-1", **settings):
        router = self.new_router(name, **settings).start()
        wait_until(lambda: self.db.hexists(self.keys.routers, name), f"router {name} is there")
        return router

    def worker(self, node, sim, **settings):
        worker = self.new_worker(node, sim, **settings).start()
        self.wait_available(node)
        return worker

    def fleet(self, n=2, **settings):
        """n Ollamas with a worker each (pi-1, ...) and a router; returns the Ollamas."""
        sims = [self.sim() for _ in range(n)]
        self.router()
        workers = [self.new_worker(f"pi-{i}", s, **settings).start()
                   for i, s in enumerate(sims, 1)]
        for worker in workers:
            self.wait_available(worker.name)
        return sims

    def daemon(self, name):
        """The newest daemon of that name."""
        return [d for d in self.daemons if d.name == name][-1]

    # --- looking -------------------------------------------------------------------------------

    def health(self, node):
        text = self.db.hget(self.keys.health, node)
        return json.loads(text) if text else None

    def is_available(self, node):
        health = self.health(node)
        return bool(health and health["available"])

    def wait_available(self, node, available=True):
        wait_until(lambda: self.health(node) and self.is_available(node) == available,
                   f"{node} is {'available' if available else 'unavailable'}", 15)

    def wait_routers_look(self):
        """Until the routers have read P:health twice more: they know what stands there now."""
        def looks():
            return self.db.info("commandstats")["cmdstat_hgetall"]["calls"]
        routers = sum(1 for d in self.daemons if d.alive and "router" in d.argv[0])
        wanted = looks() + 2 * routers
        wait_until(lambda: looks() >= wanted, "the routers have read P:health")

    def events(self, **fields):
        """Entries of P:events that have these fields, oldest first."""
        return [e for _, e in self.db.xrange(self.keys.events)
                if all(e.get(k) == v for k, v in fields.items())]

    def dead(self):
        return [e for _, e in self.db.xrange(self.keys.dead)]

    def job(self, request_id):
        return self.db.hgetall(self.keys.job(request_id))

    def wait_state(self, request_id, state, timeout=10):
        wait_until(lambda: self.job(request_id).get("state") == state,
                   f"{request_id} is {state} (it is {self.job(request_id)})", timeout)

    def wait_running(self, request_id, timeout=10):
        """Until a worker runs it; returns the node."""
        self.wait_state(request_id, "running", timeout)
        return self.job(request_id)["node"]

    # --- asking --------------------------------------------------------------------------------

    def submit(self, _db=None, **fields):
        """XADD of a request: chat with gemma3:1b unless fields say otherwise. Returns its id.

        Dicts and lists become JSON, True becomes 1, None leaves a default out.
        """
        request = {"request_id": f"r{next(self._number)}-{os.getpid()}", "model": "gemma3:1b"}
        if not {"messages", "prompt", "input"} & fields.keys():
            request["messages"] = [{"role": "user", "content": "Why is the sky blue?"}]
        request.update(fields)
        request = {k: _text(v) for k, v in request.items() if v is not None}
        (_db or self.db).xadd(self.keys.requests, request)
        self.submitted[request.get("request_id")] = request
        return request.get("request_id")

    def submit_raw(self, pairs):
        """XADD of any field-value pairs, bytes or text, as they are. Returns the entry id."""
        flat = [part for pair in pairs for part in pair]
        return self.db.execute_command("XADD", self.keys.requests, "*", *flat)

    def control(self, **fields):
        return self.db.xadd(self.keys.control, fields)

    def cancel(self, request_id):
        return self.control(op="cancel", request_id=request_id)

    def entries(self, request_id, callback=None):
        """The reply so far, checked."""
        stream = callback or self._callback(request_id)
        return check_reply([e for _, e in self.db.xrange(stream)], request_id,
                           self.submitted.get(request_id), self.pieces_may_end_early)

    def _callback(self, request_id):
        request = self.submitted.get(request_id, {})
        return request.get("callback", self.keys.reply(request_id))

    def read_reply(self, request_id, timeout=15.0, callback=None):
        """Reads as a client does, with XREAD BLOCK from the beginning, until the terminal entry.

        Every entry is checked against protocol section 3, and looked at once more at the end.
        """
        stream = callback or self._callback(request_id)
        deadline = time.monotonic() + timeout * SLOW
        last, entries = "0-0", []
        while not (entries and entries[-1].get("type") in ("done", "error")):
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                raise AssertionError(f"{request_id}: no terminal entry in {timeout * SLOW:g} s; "
                                     f"so far {entries}; job {self.job(request_id)}")
            try:
                found = self.db.xread({stream: last}, block=min(left_ms, 1000))
            except (redis.ConnectionError, redis.BusyLoadingError):
                wait_until(self.redis.answers, "redis is back", timeout)
                continue
            for entry_id, entry in found[0][1] if found else []:
                last = entry_id
                entries.append(entry)
        self.read[request_id] = (stream, len(entries))
        return check_reply(entries, request_id, self.submitted.get(request_id), self.pieces_may_end_early)

    def ask(self, timeout=15.0, **fields):
        """submit() and read_reply()."""
        return self.read_reply(self.submit(**fields), timeout)

    # --- the end -------------------------------------------------------------------------------

    def assert_nothing_after_the_end(self):
        for request_id, (stream, n) in self.read.items():
            entries = self.db.xrange(stream)
            if not entries:
                continue  # a test has emptied Redis
            assert len(entries) == n, f"{request_id}: after its terminal entry: {entries[n:]}"

    def assert_no_leftovers(self):
        """Every request has ended, and what is left of them goes away by itself."""
        wait_until(self._nothing_is_left, "no request is left anywhere")
        self.assert_nothing_after_the_end()

    def _nothing_is_left(self):
        assert self.db.xlen(self.keys.requests) == 0, self.db.xrange(self.keys.requests)
        for key in self.db.keys(f"{self.keys.prefix}:requests*"):
            assert self.db.xlen(key) == 0, (key, self.db.xrange(key))
            for group in self.db.xinfo_groups(key):
                assert group["pending"] == 0, (key, group)
        for key in self.db.keys(f"{self.keys.prefix}:job:*"):
            job = self.db.hgetall(key)
            assert job.get("state", "done") == "done", (key, job)
            assert self.db.pttl(key) > 0, (key, job)
        for key in self.db.keys(f"{self.keys.prefix}:responses:*"):
            assert self.db.type(key) != "stream" or self.db.pttl(key) > 0, (key, "has no TTL")
        return True

    def assert_nothing_forbidden(self):
        """Nobody has tried anything that config/users.acl does not allow; `orionctl doctor` may ask."""
        if self.redis.users:
            tried = [e for e in self.db.acl_log() if e["username"].startswith("orion-")
                     and e["object"] not in ("config|get", "acl|whoami", "acl|getuser",
                                             "client|setinfo")]  # redis-py 6 says its name
            assert not tried, tried

    def check_and_stop(self):
        """An orderly end: every daemon that the test has left alive stops on SIGTERM with 0."""
        faults = []
        alive = [d for d in self.daemons if d.alive]
        for daemon in alive:
            daemon.thaw()
            daemon.signal(15)
        for daemon in alive:
            try:
                code = daemon.wait(15)
                if code != daemon.expected_exit:
                    faults.append(f"{daemon.name}: exit code {code} after SIGTERM")
            except AssertionError as error:
                faults.append(str(error))
        for process in self.daemons + self.sims:
            faults += [f"{process.name}: {line}" for line in process.problems()]
            crashed = not process.alive and not process.killed and process.popen is not None
            if crashed and process.popen.returncode < 0:
                faults.append(f"{process.name}: ended by signal {-process.popen.returncode}")
        if self.redis.answers():
            try:
                self.assert_nothing_forbidden()
                self.assert_nothing_after_the_end()
            except AssertionError as error:
                faults.append(str(error))
        assert not faults, "\n".join(faults)

    def logs(self):
        """(name, end of the log) of every process, for a failure's report."""
        for process in [self.redis] + self.sims + self.daemons + self.others:
            if os.path.exists(process.log_path):
                yield process.name, process.log[-6000:]

    def close(self):
        for process in self.daemons + self.sims + self.others + [self.redis]:
            if process.alive:
                process.thaw()
            process.end()
        shutil.rmtree(self.directory, ignore_errors=True)


def _text(value):
    if value is True:
        return "1"
    return json.dumps(value) if isinstance(value, (dict, list)) else value
