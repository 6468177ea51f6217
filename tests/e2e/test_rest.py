"""An idle daemon is woken twice by a heartbeat: to send it, and by its answer. What else comes meanwhile
stays in its socket (bench/run rest counts)."""

import os
import statistics

import pytest

from cluster import CHAT, wait_until


def watched(daemon):
    """How many descriptors the daemon's event loop waits for."""
    counts = [0]
    for fd in os.listdir(f"/proc/{daemon.pid}/fd"):
        try:
            if os.readlink(f"/proc/{daemon.pid}/fd/{fd}") != "anon_inode:[eventpoll]":
                continue
            with open(f"/proc/{daemon.pid}/fdinfo/{fd}", encoding="ascii") as file:
                counts.append(sum(line.startswith("tfd:") for line in file))
        except FileNotFoundError:
            pass  # closed meanwhile
    return max(counts)


@pytest.mark.parametrize("name", ["router-1", "pi-1"])
def test_what_blocks_is_left_alone_until_a_heartbeat_has_its_answer(cluster, name):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(CHAT))
    assert cluster.ask(prompt="hi").text
    daemon = cluster.daemon(name)
    usual = statistics.mode(watched(daemon) for _ in range(200))
    cluster.redis.freeze()
    wait_until(lambda: watched(daemon) == usual - 2, "two of its connections to Redis wait", 4)
    cluster.redis.thaw()
    wait_until(lambda: watched(daemon) == usual, "all are heard again", 10)
    assert cluster.ask(prompt="hi").text
    assert daemon.log.count("event=redis_up") == 3  # no connection was lost


@pytest.mark.parametrize("name", ["router-1", "pi-1"])
def test_after_a_heartbeat_without_an_answer_everything_is_heard_again(cluster, name):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(CHAT))
    assert cluster.ask(prompt="hi").text
    daemon = cluster.daemon(name)
    cluster.redis.freeze()
    wait_until(lambda: "unanswered for" in daemon.log, "the heartbeat is given up", 15)
    cluster.redis.thaw()
    assert cluster.ask(prompt="hi").text
