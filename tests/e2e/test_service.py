"""The daemons as systemd sees them: a socket of the test takes the service manager's place."""

import os
import signal
import socket
import time

import pytest

from cluster import SLOW_CHAT, wait_until
from process import stays_true


class Manager:
    """$NOTIFY_SOCKET, and what came in."""

    def __init__(self, path):
        self.path, self.messages = path, []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(path)

    @property
    def env(self):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "600000"}

    def look(self):
        while True:
            try:
                self.messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.messages

    def heard(self, text):
        return any(text in message.splitlines() for message in self.look())

    def status(self):
        """The newest STATUS line."""
        lines = [line for m in self.look() for line in m.splitlines() if line.startswith("STATUS=")]
        return lines[-1].partition("=")[2] if lines else ""

    def fed(self):
        return self.look().count("WATCHDOG=1")

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(cluster):
    made = []

    def make(name):
        made.append(Manager(cluster.path(name + ".notify")))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_router_is_ready_when_redis_is_and_says_what_it_waits_for(new_cluster, tmp_path):
    cluster, systemd = new_cluster(start=False), Manager(str(tmp_path / "notify"))
    cluster.new_router(env=systemd.env).start()
    wait_until(lambda: "waiting for Redis at " + cluster.redis.socket in systemd.status(), "status")
    assert not systemd.heard("READY=1")
    asked = sum("EXTEND_TIMEOUT_USEC" in m for m in systemd.look())
    wait_until(lambda: sum("EXTEND_TIMEOUT_USEC" in m for m in systemd.look()) > asked,
               "it asks for more time to start")
    cluster.redis.start()
    wait_until(lambda: systemd.heard("READY=1"), "READY")
    wait_until(lambda: systemd.status() == "0 nodes up, 0 waiting", "status")
    cluster.redis.stop()
    wait_until(lambda: "waiting for Redis" in systemd.status(), "status")
    cluster.redis.start()
    wait_until(lambda: "nodes up" in systemd.status(), "status")
    assert systemd.look().count("READY=1") == 1
    systemd.close()


@pytest.mark.parametrize("program", ["router", "worker"])
def test_ready_also_means_that_the_scripts_are_loaded(new_cluster, tmp_path, program):
    cluster, systemd = new_cluster(users=False), Manager(str(tmp_path / "notify"))
    cluster.db.execute_command("ACL", "SETUSER", "default", "-script", "-eval", "-evalsha")
    make = {"router": lambda: cluster.new_router(env=systemd.env),
            "worker": lambda: cluster.new_worker("pi-1", cluster.sim(), env=systemd.env)}[program]
    daemon = make().start()
    wait_until(lambda: "event=script_refused" in daemon.log, "it has tried")
    stays_true(lambda: not systemd.heard("READY=1"), "it is not ready", 1)
    cluster.db.execute_command("ACL", "SETUSER", "default", "+@all")
    wait_until(lambda: systemd.heard("READY=1"), "READY", 15)
    systemd.close()


def test_the_routers_status_tells_the_fleet_and_the_queue(cluster, manager):
    systemd, sim = manager("router"), cluster.sim(SLOW_CHAT)
    cluster.router(env=systemd.env)
    cluster.worker("pi-1", sim)
    hot = cluster.worker("pi-2", sim)
    wait_until(lambda: systemd.status() == "2 nodes up, 0 waiting", "two nodes")
    hot.root.set(temp=78.1)
    wait_until(lambda: systemd.status() == "1 node up, 1 hot (pi-2 78.1 C), 0 waiting", "one hot")
    running, waiting = cluster.submit(), cluster.submit()
    wait_until(lambda: systemd.status() == "1 node up, 1 hot (pi-2 78.1 C), 1 waiting", "one waits")
    for request in (running, waiting):
        cluster.cancel(request)
        cluster.read_reply(request)


def test_the_worker_is_ready_with_redis_even_without_ollama(cluster, manager):
    systemd = manager("worker")
    cluster.new_worker("pi-1", "http://127.0.0.1:1", env=systemd.env).start()
    wait_until(lambda: systemd.heard("READY=1"), "READY")
    wait_until(lambda: systemd.status().startswith("gets no work: ollama down; 0 of 1 slots busy, "),
               "status")
    assert "Ollama has not answered yet" in systemd.status()


def test_the_workers_status_tells_load_and_temperature(cluster, manager):
    systemd, sim = manager("worker"), cluster.sim(SLOW_CHAT)
    worker = cluster.worker("pi-1", sim, env=systemd.env)
    cluster.router()
    worker.root.set(temp=61.2)
    request = cluster.submit()
    cluster.wait_running(request)
    wait_until(lambda: systemd.status().startswith("1 of 1 slots busy, 61.2 C, "), "status")
    cluster.cancel(request)
    cluster.read_reply(request)


@pytest.mark.parametrize("program", ["router", "worker"])
def test_the_watchdog_is_fed_by_the_loop_and_by_nothing_else(cluster, manager, program):
    systemd = manager(program)
    make = {"router": lambda: cluster.router(env=systemd.env),
            "worker": lambda: cluster.worker("pi-1", cluster.sim(), env=systemd.env)}[program]
    daemon = make()
    before = systemd.fed()
    wait_until(lambda: systemd.fed() >= before + 3, "the watchdog is fed")
    daemon.freeze()  # what systemd would see of a loop that is stuck
    systemd.look()
    before = systemd.fed()
    stays_true(lambda: systemd.fed() - before <= 1, "at most one was on its way", 1)
    daemon.thaw()
    wait_until(lambda: systemd.fed() >= before + 3, "the watchdog is fed again")


@pytest.mark.parametrize("program", ["router", "worker"])
def test_reload_and_stop_are_told(cluster, manager, program):
    systemd = manager(program)
    make = {"router": lambda: cluster.router(env=systemd.env),
            "worker": lambda: cluster.worker("pi-1", cluster.sim(), env=systemd.env)}[program]
    daemon = make()
    wait_until(lambda: systemd.heard("READY=1"), "READY")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: systemd.look().count("READY=1") == 2, "READY again")
    told = systemd.look()
    reload_ = next(m for m in told if m.startswith("RELOADING=1\n"))
    usec = int(reload_.partition("MONOTONIC_USEC=")[2])
    assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6 - usec < 60e6
    assert told.index(reload_) < len(told) - told[::-1].index("READY=1")
    assert daemon.stop() == 0
    stop = next(m for m in systemd.look() if m.startswith("STOPPING=1\n"))
    assert int(stop.partition("EXTEND_TIMEOUT_USEC=")[2]) >= 7_000_000
    assert os.path.exists(systemd.path)
