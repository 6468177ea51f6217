"""What an operator can do to a running fleet's Redis: it recovers and loses nothing it need not."""

import itertools

import pytest

from cluster import GROUP_ROUTERS, GROUP_WORKERS, wait_until

QUICK = "gemma3:1b,load=1ms,gen_tps=200,prompt_tps=1e6,tokens=20"  # a tenth of a second


def two_nodes(cluster):
    cluster.router()
    for i in (1, 2):
        cluster.worker(f"pi-{i}", cluster.sim(QUICK))


DISTURBANCES = {
    "SCRIPT FLUSH": lambda db, keys: db.execute_command("SCRIPT", "FLUSH"),
    "XGROUP DESTROY of the routers": lambda db, keys: db.xgroup_destroy(keys.requests,
                                                                        GROUP_ROUTERS),
    "XGROUP DESTROY of a node": lambda db, keys: db.xgroup_destroy(keys.node("pi-1"),
                                                                   GROUP_WORKERS),
    "XGROUP DESTROY of control": lambda db, keys: db.xgroup_destroy(keys.control, GROUP_ROUTERS),
    "DEL of a node's stream": lambda db, keys: db.delete(keys.node("pi-1")),
    "DEL of the queue": lambda db, keys: db.delete(keys.requests),
    "DEL of health": lambda db, keys: db.delete(keys.health),
    "DEL of routers": lambda db, keys: db.delete(keys.routers),
    "DEL of an epoch": lambda db, keys: db.delete(keys.epoch("pi-1")),
    "DEL of events and control": lambda db, keys: db.delete(keys.events, keys.control),
    "FLUSHALL": lambda db, keys: db.flushall(),
    "CLIENT KILL": lambda db, keys: db.execute_command("CLIENT", "KILL", "TYPE", "normal",
                                                       "SKIPME", "yes"),
}


numbers = itertools.count()


def nodes_of_four(cluster):
    # New conversations each time: an old one goes back to the node that has it.
    asked = [cluster.submit(prompt=f"hi {next(numbers)}") for _ in range(4)]
    return {cluster.read_reply(request_id).node for request_id in asked}


@pytest.mark.parametrize("what", DISTURBANCES)
def test_the_fleet_recovers_from_what_an_operator_can_do(cluster, what):
    two_nodes(cluster)
    cluster.ask(prompt="hi")
    DISTURBANCES[what](cluster.db, cluster.keys)
    cluster.read.clear()
    wait_until(lambda: cluster.health("pi-1") and cluster.health("pi-2"), "both are back")
    wait_until(lambda: nodes_of_four(cluster) == {"pi-1", "pi-2"}, "both get work again")
    assert nodes_of_four(cluster)
    cluster.cancel("nobody")
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("what", ["SCRIPT FLUSH", "XGROUP DESTROY of the routers", "CLIENT KILL",
                                  "XGROUP DESTROY of a node", "DEL of routers",
                                  "DEL of events and control"])
def test_a_disturbance_in_the_middle_loses_no_request(cluster, what):
    two_nodes(cluster)
    asked = [cluster.submit(prompt="hi", stream=True) for _ in range(6)]
    cluster.wait_running(asked[0])
    DISTURBANCES[what](cluster.db, cluster.keys)
    for request_id in asked:
        cluster.read_reply(request_id, 20)
    cluster.assert_no_leftovers()
