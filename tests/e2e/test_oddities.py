"""Ollama in all its versions and oddities: what is final, what does no harm, what is bounded."""

import pytest

from cluster import CHAT, EMBED, wait_until


def two_nodes(cluster):
    """pi-1, which the router knows first and which comes first for everything, and pi-2."""
    sims = [cluster.sim(), cluster.sim()]
    cluster.router()
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    return sims


FINAL = ["invalid400", "type400", "duration400", "nogenerate400", "nothinking400", "raw400",
         "prompt400", "logprobs400"]


@pytest.mark.parametrize("name", FINAL)
def test_what_every_node_would_say_is_final(cluster, name):
    sims = two_nodes(cluster)
    sims[0].fault(f"status={name}")
    reply = cluster.ask(prompt="hi")
    assert reply.code == "invalid_request" and reply.attempt == 1 and reply.end["node"] == "pi-1"
    assert sims[1].asked() == 0


HARMLESS = ["split=1", "split=7", "merge=3", "merge=100", "slow-prefill=500ms", "slow-tokens=60ms",
            "empty-chunks", "escape-unicode", "ps-500-empty", "ps-block=10s", "tags-500"]


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_is_only_odd_does_no_harm(cluster, fault):
    (sim,) = cluster.fleet(1)
    sim.fault(fault)
    for fields in ({"prompt": "grüße \U0001f353"}, {}):
        reply = cluster.ask(stream=True, **fields)
        assert reply.text and reply.attempt == 1, fault
    assert cluster.is_available("pi-1")


PROFILES = ["0.5.7", "0.9.6", "0.11.4", "0.12.5", "0.12.11", "0.24.0", "0.30.0", "0.32.15"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_version_of_ollama_is_understood(cluster, profile):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(CHAT, EMBED, profile=profile))
    assert cluster.ask(prompt="hi", stream=True).text
    assert cluster.ask().text
    assert cluster.ask(model="nomic-embed-text", input=["hi"]).answer["embeddings"]
    wait_until(lambda: cluster.health("pi-1")["ollama_version"] == profile, "it is published")


def test_a_line_of_20_mb_costs_bounded_memory(cluster):
    sim = cluster.sim()
    cluster.router()
    worker = cluster.worker("pi-1", sim)
    sim.fault("long-line=20MB")
    for fields in ({"prompt": "hi"}, {"stream": True}):
        assert cluster.ask(**fields).code == "reply_too_large"
    assert worker.rss_mib() < 400
    sim.heal()
    sim.fault("big-embed=32MB")
    reply = cluster.ask(timeout=60, model="nomic-embed-text", input=["x"])  # slow to make
    assert reply.code == "reply_too_large"
    sim.heal()
    assert cluster.ask(prompt="hi").text


def test_a_large_answer_below_reply_max_comes_whole(cluster):
    sim = cluster.sim()
    cluster.router(node_late="20s", node_lost="20s")  # 20 MB take seconds under a sanitizer
    cluster.worker("pi-1", sim, reply_max="64MiB")
    sim.fault("long-line=20MB,count=1")
    assert len(cluster.ask(timeout=30, prompt="hi").text) >= 20 * 10**6


@pytest.mark.parametrize("fields", [{"prompt": "hi"}, {"prompt": "hi", "stream": True}])
def test_an_answer_that_redis_never_takes_ends_its_request_all_the_same(new_cluster, fields):
    """Larger than proto-max-bulk-len: Redis drops the connection, at each try."""
    cluster = new_cluster("--proto-max-bulk-len", "1mb")
    sim = cluster.sim()
    cluster.router(node_late="20s", node_lost="20s")
    cluster.worker("pi-1", sim)
    sim.fault("long-line=2MB,count=1")
    reply = cluster.ask(timeout=30, **fields)
    assert reply.code == "reply_too_large" and "proto-max-bulk-len" in reply.end["error"]
    assert cluster.ask(prompt="hi").text
    cluster.assert_no_leftovers()


def test_a_runner_that_died_while_idle_is_no_failure_of_the_request(cluster):
    (sim,) = cluster.fleet(1)
    cluster.ask(prompt="hi")
    sim.fault("ps-dead-runner=300ms")
    assert cluster.ask(prompt="hi").text
