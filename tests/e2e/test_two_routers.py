"""Two routers over one fleet share nothing but Redis: no node is given more than it can run, a
conversation stays where it is whichever router has it, and nobody wishes for the same load twice."""

import json

from cluster import CHAT, wait_until

HALF_SECOND = "gemma3:1b,load=20ms,gen_tps=24,prompt_tps=1e6,tokens=12"
LOADS_A_WHILE = "gemma3:1b,load=2s,gen_tps=100,prompt_tps=1e6,tokens=20"
MODEL = "gemma3:1b"


def two_routers(cluster, model, nodes=3, **settings):
    sims = [cluster.sim(model) for _ in range(nodes)]
    for name in ("router-1", "router-2"):
        cluster.router(name, **settings)
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    cluster.wait_routers_look()
    return sims


def assert_both_have_worked(cluster):
    assert {e["router"] for e in cluster.events(event="routed")} == {"router-1", "router-2"}


def test_no_node_gets_more_than_it_can_run_and_each_request_runs_once(cluster):
    sims = two_routers(cluster, HALF_SECOND)
    asked = [cluster.submit(prompt=f"hi {i}", client=f"c{i % 4}") for i in range(24)]
    longest = 0
    waiting = set(asked)
    while waiting:
        longest = max(longest, *(cluster.db.xlen(cluster.keys.node(f"pi-{i}")) for i in (1, 2, 3)))
        waiting = {r for r in waiting if not cluster.entries(r).end}
    assert longest == 1
    for request_id in asked:
        assert cluster.read_reply(request_id).attempt == 1
    assert sum(sim.asked() for sim in sims) == len(asked)
    assert [sim.most_running() for sim in sims] == [1, 1, 1]
    assert len(cluster.events(event="routed")) == len(cluster.events(event="done")) == len(asked)
    assert_both_have_worked(cluster)
    cluster.assert_no_leftovers()


def test_a_conversation_stays_where_it_is_whichever_router_has_it(cluster):
    two_routers(cluster, CHAT)
    homes = {}
    for turn in range(5):
        for session in ("s1", "s2", "s3"):
            reply = cluster.ask(prompt=f"turn {turn}", session=session)
            assert homes.setdefault(session, reply.node) == reply.node, \
                cluster.events(event="routed", request_id=reply.done["request_id"])
            wait_until(lambda: session in cluster.health(reply.node)["sessions"], "it is warm there")
            cluster.wait_routers_look()
    assert_both_have_worked(cluster)


def test_a_load_ahead_of_need_is_wished_for_once(cluster):
    """One node has the model; it is asked again and again, so both routers would have another one
    load it at their next round, five seconds apart at most."""
    two_routers(cluster, LOADS_A_WHILE, nodes=2, swap_margin="60s")
    assert cluster.ask(prompt="warm").text

    def wishes():
        return [e for _, e in cluster.db.xrange(cluster.keys.control) if e["op"] == "preload"]

    def loaded():
        cluster.ask(prompt="hi")
        return cluster.events(event="preloaded")
    wait_until(loaded, "the other node has it too", 30)
    made = wishes()
    assert len(made) == 1 and made[0]["model"] == MODEL, made
    event = cluster.events(event="preloaded")[0]
    assert "error" not in event and event["node"] == made[0]["node"]
    health = [json.loads(text) for text in cluster.db.hvals(cluster.keys.health)]
    wait_until(lambda: all(cluster.health(h["node_id"])["models"] == [MODEL] for h in health),
               "both have it")
    for _ in range(2 * 6):  # another round of both
        cluster.ask(prompt="hi")
    assert len(wishes()) == 1
    assert_both_have_worked(cluster)
