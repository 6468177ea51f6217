"""What Ollama can do wrong: tried elsewhere, final, or no harm at all (docs/protocol.md 4.4)."""

import pytest

from cluster import CHAT, wait_until

# A failure that another node might not have: fault of the first node -> also when streaming?
ELSEWHERE = {
    "busy": "status=busy503",
    "empty 500": "status=empty500",
    "out of memory": "status=oom500",
    "no memory layout": "status=layout500",
    "runner terminated": "status=terminated500",
    "runner killed": "status=killed500",
    "load timed out": "status=timeout500",
    "runner stopped": "status=stopped500",
    "unexpected EOF": "status=eof500",
    "error reading": "status=reading500",
    "no slots": "status=noslots500",
    "bad gateway": "status=html502",
    "model missing": "status=notfound404",
    "endpoint missing": "status=page404",
    "host check": "status=forbidden403",
    "no answer": "hang-accept",
    "no headers": "hang-headers",
    "no first line": "hang-after=0",
    "hang": "hang-after=3",
    "cut at once": "cut-after=0",
    "cut": "cut-after=3",
    "reset": "reset-after=3",
    "clean end": "clean-end-after=3",
    "clean end at once": "clean-end-after=0",
    "error line": "error-line-after=3,text=an error was encountered while running the model: EOF",
    "error line at once": "error-line-after=0",
    "garbage": "garbage=2,text=<html>no JSON</html>",
    "garbage at once": "garbage=0,text={\"response\": ",
    "31 equal tokens": "repeat31",
    "half a last line": "truncated-json",
}
SHORT = {"first_byte_timeout": "700ms", "stall_timeout": "700ms"}


def two_nodes(cluster, **settings):
    """pi-1, which comes first for everything, and pi-2."""
    sims = [cluster.sim(), cluster.sim()]
    cluster.router()
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim, **settings)
    return sims


def gets_work_again(cluster):
    """pi-1 does, although pi-2 may be the better node: it is taken out of service."""
    cluster.control(op="drain", node="pi-2")
    wait_until(lambda: cluster.health("pi-2")["reason"] == "draining", "pi-2 is drained")
    assert cluster.ask(prompt="hi", timeout=40).node == "pi-1"


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_failure_of_one_node_is_made_good_by_another(cluster, what):
    sims = two_nodes(cluster, **SHORT)
    path = ",path=/api/generate" if ELSEWHERE[what].startswith("hang-") else ""
    fault, _, text = ELSEWHERE[what].partition(",text=")
    sims[0].fault(fault + path + (",text=" + text if text else ""))
    reply = cluster.ask(prompt="hi", stream=True, progress=True)
    assert reply.text and reply.node == "pi-2" and reply.attempt == 2, what
    assert "retrying" in reply.states
    requeued = cluster.events(event="requeued", request_id=reply.end["request_id"])
    assert len(requeued) == 1 and requeued[0]["node"] == "pi-1" and requeued[0]["why"]
    assert sims[1].asked() == 1
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("path,fields", [
    ("/api/chat", {}), ("/api/embed", {"model": "nomic-embed-text", "input": ["hi"]})])
@pytest.mark.parametrize("fault", ["status=stopped500", "cut-after=0", "wrong-content-length=500",
                                   "garbage=0", "reset-after=0"])
def test_chat_and_embed_are_made_good_too(cluster, path, fields, fault):
    sims = two_nodes(cluster)
    sims[0].fault(f"{fault},path={path}")
    if fault.startswith("wrong-content-length") and path == "/api/chat":
        sims[0].heal()
        sims[0].fault("truncated-json")
    reply = cluster.ask(**fields)
    assert reply.node == "pi-2" and reply.attempt == 2


def test_a_refused_connection_is_made_good(cluster):
    """Killed between two polls: the worker finds out with the request."""
    sims = two_nodes(cluster, health_interval="5s")
    sims[0].kill()
    reply = cluster.ask(prompt="hi")
    assert reply.node == "pi-2" and reply.attempt == 2


def test_three_failing_nodes_are_attempts_exhausted(cluster):
    sims = cluster.fleet(3)
    for sim in sims:
        sim.fault("status=stopped500")
    reply = cluster.ask(prompt="hi", metadata="m")
    assert reply.code == "attempts_exhausted" and reply.attempt == 3
    assert "unexpectedly stopped" in reply.error
    assert [sim.asked() for sim in sims] == [1, 1, 1]  # each node once
    dead = [e for e in cluster.dead() if e["request_id"] == reply.end["request_id"]]
    assert len(dead) == 1 and dead[0]["code"] == "attempts_exhausted"
    assert "unexpectedly stopped" in dead[0]["error"]
    cluster.assert_no_leftovers()


def test_a_fleet_of_one_node_uses_its_attempts(cluster):
    (sim,) = cluster.fleet(1)
    sim.fault("status=stopped500,count=2")
    reply = cluster.ask(prompt="hi")
    assert reply.text and reply.attempt == 3
    sim.fault("status=stopped500")
    reply = cluster.ask(prompt="hi")
    assert reply.code == "attempts_exhausted" and reply.attempt == 3
    assert sim.asked() == 6


def test_max_attempts_is_a_setting(cluster):
    sims = [cluster.sim() for _ in range(2)]
    cluster.router(max_attempts=1)
    for i, sim in enumerate(sims, 1):
        sim.fault("status=stopped500")
        cluster.worker(f"pi-{i}", sim)
    assert cluster.ask(prompt="hi").code == "attempts_exhausted"
    assert sum(sim.asked() for sim in sims) == 1


def test_a_node_that_fails_fast_does_not_attract_the_work(cluster):
    sims = [cluster.sim(), cluster.sim(CHAT.replace("gen_tps=2000", "gen_tps=150"))]
    cluster.router()
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    sims[0].fault("status=stopped500")
    asked = [cluster.submit(prompt="hi") for _ in range(30)]
    for request_id in asked:
        assert cluster.read_reply(request_id, 30).node == "pi-2"
    assert sims[0].asked() <= 12, sims[0].asked()
    sims[0].heal()

    gets_work_again(cluster)


def test_a_node_without_the_model_is_asked_again_for_its_tags(cluster):
    sims = two_nodes(cluster)
    before = sims[0].asked("/api/tags")
    sims[0].fault("status=notfound404,count=1")
    assert cluster.ask(prompt="hi").node == "pi-2"
    wait_until(lambda: sims[0].asked("/api/tags") > before, "tags are asked again")


def test_a_hung_model_is_suspect_until_a_probe_of_one_token_clears_it(cluster):
    sims = two_nodes(cluster, **SHORT)
    sims[0].fault("hang-after=2,count=1")
    reply = cluster.ask(prompt="hi")
    assert reply.node == "pi-2" and reply.attempt == 2

    def probes():
        return [r for r in sims[0].bodies()[1:] if '"num_predict":1' in r.replace(" ", "")]
    wait_until(probes, "the model is probed")
    wait_until(lambda: not cluster.health("pi-1").get("suspect"), "the probe clears it")
    gets_work_again(cluster)


def test_an_embedding_model_is_never_probed_and_no_probe_loads_a_model(cluster):
    sims = two_nodes(cluster, **SHORT)
    sims[0].fault("hang-accept,path=/api/embed,count=1")
    reply = cluster.ask(model="nomic-embed-text", input=["hi"])
    assert reply.node == "pi-2" and reply.attempt == 2
    polls = sims[0].asked("/api/ps")
    wait_until(lambda: sims[0].asked("/api/ps") > polls + 10, "ten polls have passed")
    assert sims[0].asked() == sims[0].asked("/api/embed") == 1
