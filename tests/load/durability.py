#!/usr/bin/python3
"""What Redis itself may take away: acknowledged XADDs that are gone afterwards. See docs/reliability.md.

    tests/load/durability.py [--seconds S]      all cases; a table

Four clients add entries and note what was acknowledged; then the server dies, and what is there is counted.
No daemon of orion takes part: this is what no server above Redis can give back.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from stand import TOP

import redis

from process import Process, wait_until

KEY, CLIENTS = "orion:inference:requests", 4
SLOW_FSYNC_MS = 400  # an SD card in a bad moment
LIE_S = 1.0  # how old is what a lying disk really holds


class Server:
    def __init__(self, directory, fsync, env=None, *options):
        os.makedirs(directory, exist_ok=True)
        self.directory, self.socket = directory, os.path.join(directory, "s")
        argv = ["redis-server", os.path.join(TOP, "config", "redis.conf"), "--port", "0", "--unixsocket",
                self.socket, "--dir", directory, "--appendfsync", fsync, "--daemonize", "no", *options]
        self.process = Process("redis", argv, os.path.join(directory, "log"), env)

    def db(self):
        return redis.Redis(unix_socket_path=self.socket, retry=None, socket_timeout=30)

    def answers(self):
        try:
            return self.db().ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process.start()
        wait_until(self.answers, "redis-server answers", 30)
        return self


def add_until_dead(server, acknowledged, stop):
    """XADDs, eight at a time, until the server does not answer."""
    db, payload = server.db(), b"x" * 900
    try:
        while not stop.is_set():
            pipe = db.pipeline(transaction=False)
            for _ in range(8):
                pipe.xadd(KEY, {"prompt": payload})
            acknowledged += pipe.execute()
    except (redis.RedisError, OSError):
        pass


def load(server, seconds, then):
    """Lets four clients add for that long, then calls then(). Returns the acknowledged ids."""
    lists, stop = [[] for _ in range(CLIENTS)], threading.Event()
    threads = [threading.Thread(target=add_until_dead, args=(server, ids, stop)) for ids in lists]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    then()
    stop.set()
    for thread in threads:
        thread.join()
    return [entry for ids in lists for entry in ids]


def count_missing(server, acknowledged):
    db, there, last = server.db(), set(), "-"
    while True:
        page = db.xrange(KEY, last, "+", 10000)
        there.update(entry for entry, _ in page)
        if len(page) < 10000:
            return len([entry for entry in acknowledged if entry not in there])
        last = b"(" + page[-1][0]


def killed(directory, seconds, fsync, env=None):
    """kill -9 of the server, and a restart."""
    server = Server(directory, fsync, env).start()
    acknowledged = load(server, seconds, server.process.kill)
    server.start()
    missing = count_missing(server, acknowledged)
    server.process.end()
    return acknowledged, missing


def slow_env(directory):
    """The environment of a server whose fsync takes SLOW_FSYNC_MS (tests/chaos/shim.c)."""
    shim, orders = os.path.join(directory, "shim.so"), os.path.join(directory, "orders")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim,
                    os.path.join(TOP, "tests", "chaos", "shim.c"), "-ldl"], check=True)
    with open(orders, "wb") as file:
        file.write((0).to_bytes(8, "little") + SLOW_FSYNC_MS.to_bytes(8, "little"))
    return {**os.environ, "LD_PRELOAD": shim, "CHAOS_SHIM": orders}


def lying_disk(directory, seconds):
    """`always`, on a disk that holds what it had LIE_S ago when the power goes."""
    server = Server(directory, "always").start()
    aof, kept = os.path.join(directory, "appendonlydir"), os.path.join(directory, "kept")

    def power_cut():
        shutil.copytree(aof, kept)
        time.sleep(LIE_S)
        server.process.kill()

    acknowledged = load(server, seconds, power_cut)
    shutil.rmtree(aof)
    os.rename(kept, aof)
    server.start()
    missing = count_missing(server, acknowledged)
    server.process.end()
    return acknowledged, missing


def failover(directory, seconds, stalled_s):
    """The master dies, its replica takes over, as Sentinel does it; the replica's link stood still before."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    master = Server(os.path.join(directory, "m"), "always", None, "--port", str(port)).start()
    replica = Server(os.path.join(directory, "r"), "always", None, "--replicaof", "127.0.0.1",
                     str(port)).start()
    wait_until(lambda: replica.db().info("replication")["master_link_status"] == "up", "it replicates", 30)

    def die():
        if stalled_s:
            replica.process.freeze()
            time.sleep(stalled_s)
        master.process.kill()
        replica.process.thaw()

    acknowledged = load(master, seconds, die)
    replica.db().replicaof("NO", "ONE")
    missing = count_missing(replica, acknowledged)
    replica.process.end()
    return acknowledged, missing


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4, help="of load before each death (4)")
    parser.add_argument("--runs", type=int, default=3, help="of each case (3)")
    options = parser.parse_args(argv)
    top = tempfile.mkdtemp(prefix="odur-")
    env = slow_env(top)
    seconds = options.seconds
    cases = [
        ("always, kill -9", lambda d: killed(d, seconds, "always")),
        (f"always, fsync of {SLOW_FSYNC_MS} ms, kill -9", lambda d: killed(d, seconds, "always", env)),
        ("everysec, kill -9", lambda d: killed(d, seconds, "everysec")),
        (f"everysec, fsync of {SLOW_FSYNC_MS} ms, kill -9", lambda d: killed(d, seconds, "everysec", env)),
        (f"always, a disk that lies by {LIE_S:g} s, power cut", lambda d: lying_disk(d, seconds)),
        ("always, failover to a replica", lambda d: failover(d, seconds, 0)),
        ("always, failover, its link stood still for 1 s", lambda d: failover(d, seconds, 1)),
    ]
    code = 0
    try:
        print(f"{'':52} {'acknowledged':>12}  {'gone':>24}")
        for number, (name, run) in enumerate(cases):
            results = [run(os.path.join(top, f"{number}-{i}")) for i in range(options.runs)]
            gone = [missing for _, missing in results]
            print(f"{name:52} {sum(len(a) for a, _ in results):12}  {', '.join(map(str, gone)):>24}", flush=True)
            if name.startswith("always") and "kill" in name and any(gone):
                code = 1
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
