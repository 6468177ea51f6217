"""orionctl top in a terminal: keys, sizes, and the terminal as it was before."""

import os
import re
import signal

import pytest

from cluster import SLOW_CHAT, wait_until
from ctl import Terminal


def test_top_shows_the_fleet_and_takes_keys(cluster):
    cluster.router()
    for i in (1, 2):
        cluster.worker(f"pi-{i}", cluster.sim(SLOW_CHAT))
    cluster.daemon("pi-2").root.set(temp=60)
    wait_until(lambda: cluster.health("pi-2")["temp_c"] == 60, "it is read")
    with Terminal(cluster, "top", "--interval", "200ms") as terminal:
        terminal.wait_screen("2 nodes: 2 up", "> pi-1", "  pi-2", "q quit")
        assert len(terminal.screen) == 24 and max(map(len, terminal.screen)) <= 80
        running = cluster.submit(prompt="long")
        terminal.wait_screen("1 on nodes", "1/1", "started")
        terminal.send("j")
        terminal.wait_screen("> pi-2")
        terminal.send("ss")
        terminal.wait_screen("by temp")
        terminal.send("\x1b[A")  # up; the hotter one stands first, so nothing is above it
        terminal.wait_screen("> pi-2")
        terminal.send("\r")
        terminal.wait_screen("Raspberry Pi 5", "60.0 C; throttled: no", "Esc back")
        terminal.send("\x1b")
        terminal.wait_screen("> pi-2", "q quit")
        terminal.send("?")
        terminal.wait_screen("turn the order round")
        terminal.send("x")
        terminal.wait_screen("q quit")
        terminal.send("d")
        terminal.wait_screen("Drain pi-2? y or n")
        terminal.send("n")
        terminal.wait_screen("q quit", "!Drain")
        assert not cluster.db.smembers(cluster.keys.drained)
        terminal.send("dy")
        terminal.wait_screen("1 drained")
        assert cluster.db.smembers(cluster.keys.drained) == {"pi-2"}
        terminal.send("d")
        terminal.wait_screen("Take back into service: pi-2? y or n")
        terminal.send("y")
        terminal.wait_screen("2 nodes: 2 up")
        terminal.send("p")
        terminal.wait_screen("PAUSED")
        terminal.send("q")
        assert terminal.wait() == 0 and terminal.is_restored()
    cluster.cancel(running)
    cluster.read_reply(running)


def test_top_follows_the_size_of_its_window(cluster):
    cluster.fleet(1)
    with Terminal(cluster, "top") as terminal:
        terminal.wait_screen("pi-1", "q quit")
        terminal.resize(12, 60)
        terminal.wait_for(lambda: len(terminal.screen) == 12)
        assert max(map(len, terminal.screen)) <= 60
        terminal.resize(40, 132)
        terminal.wait_for(lambda: len(terminal.screen) == 40)
        terminal.resize(4, 20)
        terminal.wait_for("too small")
        terminal.send("q")
        assert terminal.wait() == 0 and terminal.is_restored()


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130),
                                         (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
                                         (signal.SIGABRT, -signal.SIGABRT)])
def test_every_way_out_gives_the_terminal_back(cluster, number, code):
    with Terminal(cluster, "top") as terminal:
        terminal.wait_screen("No node")
        assert not terminal.is_restored()
        terminal.process.send_signal(number)
        assert terminal.wait() == code
        assert terminal.is_restored()


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(cluster):
    with Terminal(cluster, "top") as terminal:
        terminal.wait_screen("No node")
        os.kill(terminal.process.pid, signal.SIGTSTP)
        def stopped():
            with open(f"/proc/{terminal.process.pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"
        wait_until(stopped, "it is stopped")
        terminal.wait_for(terminal.is_restored)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_for(lambda: not terminal.is_restored())
        terminal.send("q")
        assert terminal.wait() == 0 and terminal.is_restored()


def test_top_outlives_redis(cluster):
    cluster.fleet(1)
    with Terminal(cluster, "top", "--interval", "200ms") as terminal:
        terminal.wait_screen("1 node: 1 up")
        cluster.redis.kill()
        terminal.wait_screen("Redis", "pi-1")
        cluster.redis.start()
        terminal.wait_screen("q quit", "1 router")
        terminal.send("q")
        assert terminal.wait() == 0 and terminal.is_restored()


def test_no_colour_when_nobody_wants_it(cluster):
    cluster.fleet(1)
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        with Terminal(cluster, "status", **env) as terminal:
            assert terminal.wait() == 0
            assert ("\x1b[32m" in terminal.output) == coloured
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal(cluster, "top", **env) as terminal:
            terminal.wait_screen("q quit", "pi-1")
            terminal.send("q")
            assert terminal.wait() == 0 and terminal.is_restored()
            assert (re.search(r"\x1b\[[0-9;]*m", terminal.output) is not None) == coloured
    with Terminal(cluster, "status", "--color", "never") as terminal:
        terminal.wait()
        assert "\x1b" not in terminal.output
