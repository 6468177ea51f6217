"""Which node, why, and what is loaded ahead of need (docs/routing.md)."""

import json

import pytest

from cluster import CHAT, OTHER, SLOW_CHAT, wait_until
from ctl import ctl

SLOW_LOAD = "qwen2.5:0.5b,load=30s,gen_tps=2000,prompt_tps=100000,tokens=12"
MODEL, ANOTHER = "gemma3:1b", "qwen2.5:0.5b"


def resident(cluster, node):
    return cluster.health(node)["models"]


def preloaded(cluster, node, model):
    return cluster.events(event="preloaded", node=node, model=model)


def wish(cluster, node, model, **more):
    cluster.control(op="preload", node=node, model=model, **more)


def routed_why(cluster, request_id):
    return cluster.events(event="routed", request_id=request_id)[0]["why"]


# --- loading ahead of need -------------------------------------------------------------------------


def test_a_node_loads_a_model_when_it_is_asked_to(cluster):
    cluster.fleet(1)
    wish(cluster, "pi-1", MODEL)
    wait_until(lambda: resident(cluster, "pi-1") == [MODEL], "it is in memory")
    event = wait_until(lambda: preloaded(cluster, "pi-1", MODEL), "it is told")[0]
    assert "error" not in event and int(event["run_ms"]) >= 0
    assert cluster.ask(prompt="hi").node == "pi-1"


def test_what_was_there_is_unloaded_first_if_the_wish_says_so(cluster):
    cluster.fleet(1)
    assert cluster.ask(prompt="hi").text
    wait_until(lambda: resident(cluster, "pi-1") == [MODEL], "the node knows what it has")
    wish(cluster, "pi-1", ANOTHER, unload=MODEL)
    wait_until(lambda: resident(cluster, "pi-1") == [ANOTHER], "the other one alone")
    wait_until(lambda: preloaded(cluster, "pi-1", ANOTHER), "it is told")


def test_health_says_what_is_being_loaded_and_nothing_else_is_sent_there(cluster):
    sims = [cluster.sim(CHAT, SLOW_LOAD), cluster.sim(CHAT)]
    cluster.router()
    cluster.worker("pi-1", sims[0])
    cluster.worker("pi-2", sims[1])
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: cluster.health("pi-1")["loading"] == ANOTHER, "it is loading")
    for i in range(3):
        assert cluster.ask(prompt=f"hi {i}").node == "pi-2"
    assert cluster.health("pi-1")["loading"] == ANOTHER


def test_a_router_that_has_just_started_knows_what_is_being_loaded(cluster):
    cluster.sim(CHAT, SLOW_LOAD.replace("30s", "3s"))
    cluster.router()
    cluster.worker("pi-1", cluster.sims[0])
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: cluster.health("pi-1")["loading"] == ANOTHER, "it is loading")
    cluster.daemon("router-1").kill()
    cluster.router("router-2")
    reply = cluster.ask(prompt="hi", timeout=30)
    event = preloaded(cluster, "pi-1", ANOTHER)[0]
    assert "error" not in event and int(event["run_ms"]) >= 2500
    routed = cluster.events(event="routed", request_id=reply.done["request_id"])[0]
    assert routed["router"] == "router-2"


@pytest.mark.parametrize("model, why", [("nobody-has:1b", "not installed"), (ANOTHER, "has work")])
def test_a_preload_that_cannot_be_is_refused_with_its_reason(cluster, model, why):
    cluster.sim(SLOW_CHAT, OTHER)
    cluster.router()
    cluster.worker("pi-1", cluster.sims[0])
    running = cluster.submit(prompt="hi")
    cluster.wait_running(running)
    name = model if ":" in model else model + ":latest"
    wish(cluster, "pi-1", model)
    event = wait_until(lambda: preloaded(cluster, "pi-1", name), "it is told")[0]
    assert why in event["error"]
    cluster.cancel(running)
    cluster.read_reply(running)


def test_a_worker_that_dies_while_it_loads_leaves_nothing_behind(cluster):
    cluster.sim(CHAT, SLOW_LOAD)
    cluster.router()
    worker = cluster.worker("pi-1", cluster.sims[0])
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: cluster.health("pi-1")["loading"] == ANOTHER, "it is loading")
    worker.kill()
    worker.start()
    wait_until(lambda: cluster.health("pi-1")["loading"] is None, "nothing is loading")
    assert cluster.ask(prompt="hi", timeout=30).node == "pi-1"
    assert resident(cluster, "pi-1") == [MODEL] or wait_until(
        lambda: resident(cluster, "pi-1") == [MODEL], "what was asked for")


# --- pin and avoid -----------------------------------------------------------------------------------


def test_a_pinned_model_runs_only_where_it_is_pinned_and_the_first_is_preferred(cluster):
    for _ in range(3):
        cluster.sim(SLOW_CHAT)
    cluster.router(pin=f"{MODEL} = pi-3, pi-2")
    for i, sim in enumerate(cluster.sims, 1):
        cluster.worker(f"pi-{i}", sim)
    cluster.wait_routers_look()
    asked = [cluster.submit(prompt=f"hi {i}") for i in range(3)]
    assert cluster.wait_running(asked[0]) == "pi-3"
    routed = wait_until(lambda: len(cluster.events(event="routed")) == 2 and
                        cluster.events(event="routed"), "one more is sent, to the other one")
    assert [event["node"] for event in routed] == ["pi-3", "pi-2"]
    why = routed_why(cluster, asked[0])
    assert "pinned (choice 1)" in why and "pi-1 model pinned elsewhere" in why
    for request_id in asked:
        cluster.cancel(request_id)
        cluster.read_reply(request_id)


def test_a_model_does_not_run_where_it_is_to_be_avoided(cluster):
    cluster.sim()
    cluster.sim()
    cluster.router(avoid=f"{MODEL} = pi-1")
    for i, sim in enumerate(cluster.sims, 1):
        cluster.worker(f"pi-{i}", sim)
    cluster.wait_routers_look()
    asked = [cluster.submit(prompt=f"hi {i}") for i in range(4)]
    assert {cluster.read_reply(request_id).node for request_id in asked} == {"pi-2"}
    assert "pi-1 avoided for this model" in routed_why(cluster, asked[0])
    assert cluster.ask(prompt="hi", model=ANOTHER).text


# --- homes ---------------------------------------------------------------------------------------------


def test_a_conversation_goes_where_it_was_also_for_a_router_that_has_just_started(cluster):
    cluster.router()
    for i in range(3):  # prompts are so slow that what is cached counts more than how busy the machine is
        cluster.worker(f"pi-{i + 1}", cluster.sim("gemma3:1b,load=20ms,gen_tps=2000,prompt_tps=2000,tokens=12"))
    long = "why? " * 1000
    homes = {f"s{i}": cluster.ask(prompt=f"{i} {long}", session=f"s{i}").node for i in range(3)}
    for session, node in homes.items():
        wait_until(lambda: session in cluster.health(node)["sessions"], "its cache is known")
        assert cluster.ask(prompt=long + "and then?", session=session).node == node
    router = cluster.daemon("router-1")
    assert router.stop() == 0
    router.start()
    cluster.wait_routers_look()
    for session, node in homes.items():
        reply = cluster.ask(prompt=long + "and then?", session=session)
        assert reply.node == node, routed_why(cluster, reply.done["request_id"])


# --- why -----------------------------------------------------------------------------------------------


def test_every_decision_explains_itself(cluster):
    cluster.fleet(3)
    cluster.ask(prompt="warm")
    reply = cluster.ask(prompt="hi")
    why = routed_why(cluster, reply.done["request_id"])
    for word in ("wait ", "load ", "service ", "heat ", "harm ", "cache saved ", "others: "):
        assert word in why, why
    for node in {"pi-1", "pi-2", "pi-3"} - {reply.node}:
        assert node in why, why
    assert len(why) <= 767


def test_who_waits_for_a_node_is_told_why_after_ten_seconds(cluster):
    cluster.fleet(2)
    for node in ("pi-1", "pi-2"):
        cluster.control(op="drain", node=node)
        wait_until(lambda: cluster.db.sismember(cluster.keys.drained, node), "it is drained")
    cluster.wait_routers_look()
    request_id, *others = [cluster.submit(prompt=f"hi {i}") for i in range(40)]
    wait_until(lambda: len(cluster.events(event="waits")) == 40, "they are told, some at a time", 30)
    waits = cluster.events(event="waits", request_id=request_id)
    assert len(waits) == 1 and waits[0]["router"] == "router-1"
    assert len({e["request_id"] for e in cluster.events(event="waits")}) == 40
    assert waits[0]["why"] == "waits: no node can take it now; others: pi-1 drained, pi-2 drained"
    assert f"event=waits_for_node request_id={request_id}" in cluster.daemon("router-1").log
    assert "pi-1 drained, pi-2 drained" in ctl(cluster, "explain", request_id).out.replace("\n", " ")
    cluster.control(op="undrain", node="pi-2")
    for asked in [request_id, *others]:
        assert cluster.read_reply(asked, 30).node == "pi-2"


@pytest.mark.parametrize("policy", ["chwbl", "chwbl_prefix", "least_in_flight", "first_resident"])
def test_the_simple_policies_answer_too(cluster, policy):
    cluster.sim()
    cluster.sim()
    cluster.router(policy=policy)
    for i, sim in enumerate(cluster.sims, 1):
        cluster.worker(f"pi-{i}", sim)
    asked = [cluster.submit(prompt=f"hi {i}") for i in range(6)]
    for request_id in asked:
        assert cluster.read_reply(request_id).text


# --- record ----------------------------------------------------------------------------------------------


def test_what_is_recorded_is_made_of_the_decisions_and_of_no_prompt(cluster):
    path = cluster.path("record")
    cluster.sim()
    router = cluster.new_router()
    router.argv += ["--record", path]
    router.start()
    cluster.worker("pi-1", cluster.sims[0])
    reply = cluster.ask(prompt="the secret of the pyramids", client="alice")
    lines = open(path, encoding="utf-8").read().splitlines()
    assert lines[0].startswith("orion-record 2 ")
    assert any(line.startswith("next ") for line in lines)
    assert any(reply.done["request_id"] in line for line in lines if line.startswith("add "))
    text = "\n".join(lines)
    assert "pyramids" not in text and "alice" not in text
    assert json.dumps(lines[0])  # it is text
