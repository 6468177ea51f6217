"""What can go wrong, one method each, and the scenarios that are made of them.

A fault strikes now and plans its own end on the agenda. Whom and how long is the dice's choice, so
a seed is a schedule. A part that is being tormented is `busy` and is left alone by others; one
router, one worker and one Ollama always stay free of a fault that stops them.
"""

import heapq
import http.client
import itertools
import json
import re
import signal
import time

import redis

from stage import MODELS, NODE_LOST_S, NODES, ROUTERS

YEARS_20, DAY = 20 * 365 * 86400, 86400
FREEZE_S = (1.2 * NODE_LOST_S, 2.2 * NODE_LOST_S)
# Each fault of the simulator; ANY_STATUS stands for one of its named errors.
ANY_STATUS = "status=*,count=2"
OLLAMA_FAULTS = (
    "hang-accept,count=1", "hang-headers,count=1", "hang-after=2,count=2", "cut-after=3,count=2",
    "reset-after=2,count=2", "clean-end-after=2,count=2", "error-line-after=2,count=2",
    "status=stopped500,count=2", "status=busy503,count=3", "garbage=1,count=1",
    "long-line=1MB,count=1", "split=1,count=2", "merge=3,count=3", "slow-prefill=3s,count=1",
    "slow-tokens=300ms,count=2", "repeat31,count=1", "empty-chunks,count=2",
    "escape-unicode,count=2", "truncated-json,count=1", "wrong-content-length=1000,count=1",
    "big-embed=1MB,count=1,path=/api/embed", "load-hang,count=1", "ps-block=5s,count=2",
    "ps-500-empty,count=2", "ps-dead-runner=1s", "tags-500,count=1", "version-404,count=1",
    "connect-refuse=1s") + 6 * (ANY_STATUS,)


class Torment:
    def __init__(self, stage, dice, until):
        self.stage, self.dice, self.until = stage, dice, until
        self.agenda, self.order = [], itertools.count()
        self.struck = {}  # fault -> how often
        self.effects = {}  # fault -> what came of it, of those that can be ordered in vain
        self.wiped = []  # when Redis was emptied
        self.deleted = {}  # request id -> when its entry was deleted by our hand
        self.redis_kills = 0
        self.refused_before = None  # by a full Redis, when it became full
        self.flags = set()  # what the account must allow for

    # --- tools ---

    def at(self, delay_s, action):
        heapq.heappush(self.agenda, (time.monotonic() + delay_s, next(self.order), action))

    def run_due(self):
        while self.agenda and self.agenda[0][0] <= time.monotonic():
            heapq.heappop(self.agenda)[2]()

    def note(self, text):
        self.stage.note(text)

    def effect(self, name, n):
        self.effects[name] = self.effects.get(name, 0) + int(n or 0)

    def count_effects(self):
        """What the proxy and the shims have seen."""
        seen = self.stage.marks()["effects"]
        for name in NET:
            self.effect(name, seen.get(name[len("net-"):].replace("-", "_")))
        for unit in self.stage.units.values():
            if unit.kind in ("router", "worker"):
                self.effect("clock-" + unit.kind, unit.shim.clocks_shifted)
        self.effect("slow-fsync", self.stage.units["redis"].shim.fsyncs_slowed)

    def strike(self, name):
        if getattr(self, name.replace("-", "_"))() is not False:
            self.struck[name] = self.struck.get(name, 0) + 1

    def free(self, kind, spare=1):
        """A unit that no fault has hold of, if more than `spare` are left so."""
        now = time.monotonic()
        units = [u for u in self.stage.units.values()
                 if u.kind == kind and u.process.alive and u.busy_until < now]
        return self.dice.choice(units) if len(units) > spare else None

    def hold(self, unit, seconds):
        unit.busy_until = time.monotonic() + seconds

    def redis_call(self, call):
        """The call's value on a fresh direct connection; None if Redis is away."""
        if self.stage.units["redis"].busy_until > time.monotonic():
            return None  # what we send to a frozen server it would do later
        db = self.stage.db(timeout=5)
        try:
            return call(db)
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
            self.note(f"   (Redis: {error})")
            return None
        finally:
            db.close()

    # --- processes ---

    def kill(self, unit, delay_s):
        if unit is None:
            return False
        self.note(f"kill -9 {unit.name}, down for {delay_s:.2f} s")
        self.hold(unit, delay_s + 0.1)
        unit.restart_at = time.monotonic() + delay_s
        unit.deaths += 1
        unit.process.kill()
        return True

    def down_s(self):
        """Short as a supervisor's restart, or longer than node_lost."""
        return self.dice.choice([0.05, self.dice.uniform(0.1, 1), NODE_LOST_S * 1.5])

    def kill_router(self):
        return self.kill(self.free("router"), self.down_s())

    def kill_worker(self):
        return self.kill(self.free("worker"), self.down_s())

    def kill_ollama(self):
        return self.kill(self.free("sim"), self.dice.uniform(0.05, 2))

    def kill_redis(self):
        unit = self.free("redis", 0)
        self.redis_kills += unit is not None
        return self.kill(unit, self.dice.uniform(0.05, 1.5))

    def freeze(self, unit):
        if unit is None:
            return False
        seconds = self.dice.uniform(*FREEZE_S)
        process = unit.process
        self.note(f"SIGSTOP {unit.name} for {seconds:.1f} s")
        self.hold(unit, seconds + 0.3)
        process.freeze()
        self.at(seconds, lambda: self.thaw(unit, process))
        return True

    def thaw(self, unit, process):
        if process.alive:
            self.note(f"SIGCONT {unit.name}")
            process.thaw()

    def freeze_router(self):
        return self.freeze(self.free("router"))

    def freeze_worker(self):
        return self.freeze(self.free("worker"))

    def freeze_redis(self):
        return self.freeze(self.free("redis", 0))

    def freeze_ollama(self):
        return self.freeze(self.free("sim"))

    def twin_worker(self):
        """Two processes under one node id; half the time the older one is frozen meanwhile."""
        unit = self.free("worker")
        if unit is None:
            return False
        if self.dice.random() < 0.5:
            self.freeze(unit)
        self.hold(unit, NODE_LOST_S * 3)
        twin = self.stage.twin_of(unit)
        self.note(f"a second worker as {unit.name}, pid {twin.pid} beside {unit.process.pid}")
        return True

    def twin_router(self):
        unit = self.free("router", 0)
        if unit is None:
            return False
        seconds = self.dice.uniform(1, 5)
        self.hold(unit, seconds + 0.5)
        twin = self.stage.twin_of(unit)
        self.note(f"a second router as {unit.name} for {seconds:.1f} s")
        self.at(seconds, lambda: self.end_router_twin(unit, twin))
        return True

    def end_router_twin(self, unit, twin):
        if not twin.alive or not unit.process.alive:
            return
        gone, stays = self.dice.choice([(twin, unit.process), (unit.process, twin)])
        number = self.dice.choice([signal.SIGTERM, signal.SIGKILL])
        gone.killed = True
        gone.signal(number)
        self.note(f"{number.name} to one of the two {unit.name}")
        unit.twins.remove(twin)
        unit.twins.append(gone)
        if unit.process is not stays:
            unit.process, unit.before, unit.started_s = stays, None, time.monotonic()

    def restart_storm(self):
        self.note("a storm of restarts")
        for i in range(12):
            self.at(0.2 * i + self.dice.uniform(0, 0.1), self.storm_blow)
        return True

    def storm_blow(self):
        kind = self.dice.choice(["router", "worker", "worker"])
        self.kill(self.free(kind, 0), self.dice.uniform(0.01, 0.15))

    # --- the network ---

    def link(self):
        return self.dice.choice(sorted(self.stage.ports))

    def tell(self, link, text, **order):
        answer = self.stage.tell(link=link, **order)
        self.note(f"{link}: {text} ({answer.get('connections')} connections)")

    def for_a_while(self, link, seconds):
        self.at(seconds, lambda: self.tell(link, "healed", op="heal"))

    def net_cut(self):
        self.tell(self.link(), "reset", op="cut")

    def net_refuse(self):
        link = self.link()
        self.tell(link, "reset", op="cut")
        self.tell(link, "refuses", op="refuse", on=True)
        self.for_a_while(link, self.dice.uniform(0.2, 1.6 * NODE_LOST_S))

    def net_stall(self):
        link = self.link()
        self.tell(link, "stalls", op="stall", on=True)
        self.for_a_while(link, self.dice.choice([0.5, 1.2 * NODE_LOST_S, 2.2 * NODE_LOST_S]))

    def net_halfopen(self):
        way = self.dice.choice(["up", "down", "both"])
        self.tell(self.link(), f"half-open, {way} is swallowed", op="halfopen", way=way)

    def net_cut_after(self):
        n, way = self.dice.choice([1, 3, 17, 100, 1000, 5000]), self.dice.choice(["up", "down"])
        self.tell(self.link(), f"reset after {n} more bytes {way}", op="cut_after", bytes=n, way=way)

    def net_delay(self):
        link, ms = self.link(), self.dice.choice([20, 150, 600])
        self.tell(link, f"{ms} ms later", op="delay", ms=ms)
        self.for_a_while(link, self.dice.uniform(0.5, 3))

    def net_throttle(self):
        link, rate = self.link(), self.dice.choice([2000, 20000, 200000])
        self.tell(link, f"{rate} bytes/s", op="throttle", rate=rate)
        self.for_a_while(link, self.dice.uniform(0.5, 3))

    # --- Redis ---

    def script_flush(self):
        self.note("SCRIPT FLUSH")
        self.effect("script-flush", self.redis_call(lambda db: db.script_flush()))

    def xgroup_destroy(self):
        keys = self.stage.keys
        key, group = self.dice.choice(
            [(keys.requests, "inference-routers"), (keys.control, "inference-routers")]
            + 2 * [(keys.node(n), "inference-workers") for n in NODES])
        done = self.redis_call(lambda db: db.xgroup_destroy(key, group))
        self.note(f"XGROUP DESTROY {key} {group}: {done}")
        self.effect("xgroup-destroy", done)

    def del_node_stream(self):
        key = self.stage.keys.node(self.dice.choice(NODES))

        def both(db):
            pipe = db.pipeline(transaction=True)
            pipe.xrange(key)
            pipe.delete(key)
            return pipe.execute()
        gone = self.redis_call(both)
        ids = [entry.get("request_id") for _, entry in (gone[0] if gone else [])]
        self.deleted.update({i: time.monotonic() for i in ids})
        self.note(f"DEL {key} with {ids}")
        self.effect("del-node-stream", gone and gone[1])

    def client_kill(self):
        killed = self.redis_call(lambda db: db.execute_command(
            "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        self.note(f"CLIENT KILL: {killed}")
        self.effect("client-kill", killed)

    def maxmemory(self):
        def below(db):
            self.refused_before = self.refusals(db)
            return db.config_set("maxmemory", max(int(db.info("memory")["used_memory"] * 0.8), 1))
        seconds = self.dice.uniform(0.5, 2.5)
        self.note(f"maxmemory below use for {seconds:.1f} s")
        self.refused_before = None
        self.redis_call(below)
        self.at(seconds, self.maxmemory_off)

    @staticmethod
    def refusals(db):
        told = db.info("errorstats").get("errorstat_OOM", 0)  # text or a dictionary, by version
        return int(re.search(r"\d+", str(told)).group())

    def maxmemory_off(self):
        def off(db):
            if self.refused_before is not None:
                self.effect("maxmemory", max(0, self.refusals(db) - self.refused_before))
                self.refused_before = None
            return db.config_set("maxmemory", 0)
        self.note("maxmemory 0")
        if self.redis_call(off) is None:
            self.at(0.3, self.maxmemory_off)

    def debug_sleep(self):
        seconds = self.dice.choice([0.5, 1.5, 1.3 * NODE_LOST_S])
        self.note(f"DEBUG SLEEP {seconds}")
        db = self.stage.db(timeout=0.05)
        try:
            db.execute_command("DEBUG", "SLEEP", seconds)
        except (redis.ConnectionError, redis.TimeoutError):
            pass
        self.hold(self.stage.units["redis"], seconds)

    def empty_restart(self):
        unit = self.free("redis", 0)
        if unit is None or self.wiped:
            return False
        unit.empty = True
        self.wiped.append(time.monotonic())
        self.note("Redis will come back empty")
        return self.kill(unit, self.dice.uniform(0.05, 1))

    def slow_fsync(self):
        unit = self.stage.units["redis"]
        seconds = self.dice.uniform(1, 4)
        self.note(f"fsync takes 400 ms for {seconds:.1f} s")
        unit.shim.set(fsync_ms=400)
        self.at(seconds, unit.shim.set)

    def foreign_value(self):
        """A string where a stream or hash of ours should be; what was there comes back later."""
        keys = self.stage.keys
        key = self.dice.choice([keys.requests, keys.health, keys.routers, keys.events, keys.dead,
                                keys.control, keys.drained, keys.node(self.dice.choice(NODES)),
                                keys.epoch(self.dice.choice(NODES))])
        kept = f"chaos:kept:{key}"

        def replace(db):
            if db.exists(kept):
                return "was so already"
            pipe = db.pipeline(transaction=True)
            if db.exists(key):
                pipe.rename(key, kept)
            pipe.set(key, "foreign")
            return pipe.execute(raise_on_error=False)
        seconds = self.dice.uniform(0.3, 1.5 * NODE_LOST_S)
        done = self.redis_call(replace)
        self.note(f"{key} is a foreign string for {seconds:.1f} s: {done}")
        self.effect("foreign-value", isinstance(done, list))
        self.at(seconds, lambda: self.foreign_value_off(key, kept))

    def foreign_value_off(self, key, kept):
        def restore(db):
            pipe = db.pipeline(transaction=True)
            if db.type(key) == "string" and db.get(key) == "foreign":
                pipe.delete(key)
            if db.exists(kept):
                pipe.rename(kept, key)
            pipe.ping()
            return pipe.execute()
        done = self.redis_call(restore)
        self.note(f"{key} is ours again: {done}")
        if done is None:
            self.at(0.3, lambda: self.foreign_value_off(key, kept))

    # --- clocks, Ollama, operators, clients ---

    def clock(self, unit):
        if unit is None:
            return
        jump = self.dice.choice([DAY, -DAY, YEARS_20, -YEARS_20])
        self.note(f"the clock of {unit.name} jumps by {jump} s")
        unit.shim.set(wall_offset_s=jump)
        self.at(self.dice.uniform(0.5, 4), unit.shim.set)

    def clock_worker(self):
        self.clock(self.free("worker", 0))

    def clock_router(self):
        self.clock(self.free("router", 0))

    def ollama(self):
        unit, spec = self.free("sim", 0), self.dice.choice(OLLAMA_FAULTS)
        if spec == ANY_STATUS:
            spec = spec.replace("*", self.dice.choice(self.stage.statuses))
        if unit is None:
            return False
        self.flags.add("ollama")
        self.note(f"{unit.name}: {spec}")
        return self.ask_sim(unit, {"add": [spec]})

    def ask_sim(self, unit, body):
        connection = http.client.HTTPConnection("127.0.0.1", unit.process.port, timeout=2)
        try:
            connection.request("POST", "/sim/faults", json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                self.note(f"   (refused: {text})")
            return answer.status == 200
        except OSError as error:
            self.note(f"   (no answer: {error})")
            return False
        finally:
            connection.close()

    def operator(self):
        """Drains a node, and undrains it later."""
        node = self.dice.choice(NODES)
        control = self.stage.keys.control
        self.note(f"drain {node}")
        self.redis_call(lambda db: db.xadd(control, {"op": "drain", "node": node}))
        self.at(self.dice.uniform(0.5, 3), lambda: self.undrain(node))

    def undrain(self, node):
        control = self.stage.keys.control
        self.note(f"undrain {node}")
        if self.redis_call(lambda db: db.xadd(control, {"op": "undrain", "node": node})) is None:
            self.at(0.3, lambda: self.undrain(node))

    def preload(self):
        """A wish as a router's or an operator's: load this, unload that; some make no sense."""
        names = [m.split(",")[0] for m in MODELS] + ["nobody-has-this", ""]
        fields = {"op": "preload", "node": self.dice.choice(NODES),
                  "model": self.dice.choice(names), "unload": self.dice.choice(names)}
        if self.dice.random() < 0.5:
            fields["router"] = self.dice.choice(ROUTERS)
        self.note(f"preload {fields}")
        self.redis_call(lambda db: db.xadd(self.stage.keys.control, fields))

    def nothing(self):
        return False

    def settle(self):
        """All lasting faults end now: what the agenda still holds, too."""
        self.stage.heal()
        self.stage.units["redis"].busy_until = 0.0
        while self.agenda:
            time.sleep(0.01)
            self.stage.supervise()
            action = heapq.heappop(self.agenda)[2]
            action()
        self.stage.heal()
        for unit in self.stage.units.values():
            if unit.kind == "sim" and unit.process.alive:
                self.ask_sim(unit, {"clear": True})


KILL = ("kill-router", "kill-worker", "kill-redis", "kill-ollama")
FREEZE = ("freeze-router", "freeze-worker", "freeze-redis", "freeze-ollama")
TWINS = ("twin-worker", "twin-router")
NET = ("net-cut", "net-refuse", "net-stall", "net-halfopen", "net-cut-after", "net-delay",
       "net-throttle")
REDIS = ("script-flush", "xgroup-destroy", "del-node-stream", "client-kill", "maxmemory",
         "debug-sleep", "empty-restart", "slow-fsync", "foreign-value")
CLOCK = ("clock-worker", "clock-router")
OTHER = ("ollama", "operator", "preload")
SINGLE = KILL + FREEZE + TWINS + ("restart-storm",) + NET + REDIS + CLOCK + OTHER

# name -> (what it does, faults with their weight, pause between two in seconds)
SCENARIOS = {name: (f"only {name}", {name: 1}, (0.3, 1.5)) for name in SINGLE}
SCENARIOS["kill-redis"] = ("only kill-redis", {"kill-redis": 1}, (1.5, 4))
SCENARIOS["freeze-redis"] = ("only freeze-redis", {"freeze-redis": 1}, (3, 6))
SCENARIOS["debug-sleep"] = ("only debug-sleep", {"debug-sleep": 1}, (2, 5))
SCENARIOS["restart-storm"] = ("only restart-storm", {"restart-storm": 1}, (3, 6))
SCENARIOS["empty-restart"] = ("Redis comes back empty, once", {"empty-restart": 1}, (4, 8))
SCENARIOS["calm"] = ("no fault, plain requests: each must run exactly once", {"nothing": 1}, (1, 2))
SCENARIOS["clients"] = ("no fault but the clients' own", {"nothing": 1}, (1, 2))
SCENARIOS["net"] = ("every fault of the network", {n: 1 for n in NET}, (0.2, 0.8))
SCENARIOS["processes"] = ("kills, stops, twins, storms",
                          {n: 1 for n in KILL + FREEZE + TWINS + ("restart-storm",)}, (0.3, 1.2))
SCENARIOS["slow-disk"] = ("kill -9 of Redis on a disk whose fsync takes 400 ms, and of others",
                          {"slow-fsync": 3, "kill-redis": 2, "kill-worker": 1, "kill-router": 1},
                          (0.5, 2))
SCENARIOS["redis"] = ("every fault of Redis", {n: 1 for n in REDIS}, (0.4, 1.6))
SCENARIOS["mixed"] = ("all of them", {
    **{n: 4 for n in SINGLE}, "empty-restart": 0.5, "del-node-stream": 1, "freeze-redis": 1,
    "debug-sleep": 1, "restart-storm": 1, "slow-fsync": 1, "ollama": 8}, (0.2, 1.0))
