"""What routers record of a cluster's real life can be played again with the same decisions
(docs/routing.md, "How to read an explanation"): lost nodes, loads ahead of need, two routers, a model
that leaves all nodes and comes back, settings that change while they run."""

import subprocess

from cluster import CHAT, wait_until
from process import SLOW, binary

OTHER, THIRD = "qwen2.5:0.5b", "tinyllama:latest"
QUICK_TO_JUDGE = {"node_late": f"{SLOW}s", "node_lost": f"{2 * SLOW}s"}


def like(model, name):
    return model.replace("gemma3:1b", name)


def replay(path):
    done = subprocess.run([binary("orion-sim"), "--replay", path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=60 * SLOW)
    return done.returncode, done.stdout


def recorded_router(cluster, name):
    config = cluster.path(name + ".conf")
    with open(config, "w", encoding="ascii") as file:
        file.write("lambda_t = 50%\n")
    router = cluster.new_router(name, config=config, **QUICK_TO_JUDGE)
    router.argv += ["--record", cluster.path(name + ".record")]
    router.start()
    wait_until(lambda: cluster.db.hexists(cluster.keys.routers, name), f"{name} is there")
    return router, config


def restart_with(cluster, sim, *models):
    """The same Ollama, with other models on its disk."""
    node = f"pi-{cluster.sims.index(sim) + 1}"
    sim.end()
    cluster.wait_available(node, False)
    kept = [i for i, word in enumerate(sim.argv) if word == "--model"]
    for i in reversed(kept):
        del sim.argv[i:i + 2]
    for model in models:
        sim.argv += ["--model", model]
    sim.start()
    names = {model.split(",")[0] for model in models}
    wait_until(lambda: cluster.health(node) and set(cluster.health(node)["installed"]) == names
               and cluster.is_available(node), f"{node} has {names}")


def work(cluster, n, **fields):
    """Some requests of a few clients and conversations."""
    asked = [cluster.submit(prompt=f"hi {i}", client=f"c{i % 3}", session=f"s{i % 5}", **fields)
             for i in range(n)]
    for request_id in asked:
        assert cluster.read_reply(request_id, 30).text


def test_a_record_of_everything_that_happens_to_routers_plays_the_same(cluster):
    both = (CHAT, like(CHAT, OTHER))
    sims = [cluster.sim(*both) for _ in range(3)]
    routers = [recorded_router(cluster, name) for name in ("router-1", "router-2")]
    workers = [cluster.worker(f"pi-{i}", sim) for i, sim in enumerate(sims, 1)]
    cluster.wait_routers_look()
    work(cluster, 12)
    work(cluster, 6, model=OTHER, priority="high")

    # a load ahead of need, and one that is refused
    cluster.control(op="preload", node="pi-1", model=OTHER)
    cluster.control(op="preload", node="pi-2", model="nobody-has:1b")
    wait_until(lambda: cluster.events(event="preloaded", node="pi-1"), "it is told")

    # the model leaves all nodes, another one comes, and it comes back
    for sim in sims:
        restart_with(cluster, sim, CHAT)
    assert cluster.ask(prompt="hi", model=OTHER, timeout=30).code == "unknown_model"
    for sim in sims:
        restart_with(cluster, sim, CHAT, like(CHAT, THIRD))
    work(cluster, 4, model=THIRD)
    for sim in sims:
        restart_with(cluster, sim, CHAT, like(CHAT, THIRD), like(CHAT, OTHER))
    work(cluster, 6, model=OTHER)

    # settings change
    for router, config in routers:
        with open(config, "w", encoding="ascii") as file:
            file.write("lambda_t = 0%\nswap_margin = 1s\npin = gemma3:1b = pi-2, pi-1\n"
                       "policy = late\nplacement = no\n")
        router.signal(1)
        wait_until(lambda: "event=reloaded" in router.log, "the settings are read again")
    cluster.wait_routers_look()
    work(cluster, 6)

    # a node is lost with work, and comes back
    running = [cluster.submit(prompt=f"hold {i}", model=OTHER) for i in range(6)]
    workers[0].kill()
    wait_until(lambda: cluster.events(event="node_down", node="pi-1"), "it is missed", 20)
    workers[0].start()
    cluster.wait_available("pi-1")
    for request_id in running:
        assert cluster.read_reply(request_id, 30).text
    work(cluster, 6)

    for router, _ in routers:
        assert router.stop() == 0
    for name in ("router-1", "router-2"):
        path = cluster.path(name + ".record")
        status, out = replay(path)
        assert status == 0 and " 0 of them differ" in out, out
        text = open(path, encoding="utf-8").read()
        for word in ("lost ", "left ", "elsewhere ", "demand ", "loads_elsewhere ", "loaded ",
                     "settings 0 0 ", "unname "):
            assert f"\n{word}" in text, f"{name} has recorded no {word}"
        assert text.count(f" {OTHER}\n") >= 2  # it has had an index more than once


def test_a_record_that_the_router_was_killed_in_plays_as_far_as_it_goes(cluster):
    sim = cluster.sim(CHAT)
    router, _ = recorded_router(cluster, "router-1")
    cluster.worker("pi-1", sim)
    work(cluster, 6)
    router.kill()
    status, out = replay(cluster.path("router-1.record"))
    assert status == 0 and " 0 of them differ" in out, out
