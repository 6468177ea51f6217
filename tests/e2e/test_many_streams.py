"""Many answers that stream through one worker at once: it reads and sends their pieces together."""

import pytest

from process import wait_until

MANY, FEW = 12, 8  # PACE_STREAMS in src/worker/core/pace.h is 9
FLOWING = "gemma3:1b,load=20ms,gen_tps=40,prompt_tps=100000,tokens=40"
ENDLESS = "gemma3:1b,load=20ms,gen_tps=40,prompt_tps=100000,tokens=4000"


def node(cluster, name, model, **settings):
    sim = cluster.sim(model, slots=MANY)
    return sim, cluster.worker(name, sim, slots=MANY, **settings)


def stream(cluster, n):
    return [cluster.submit(prompt=f"p {i}", stream=True) for i in range(n)]


def wait_paced(worker):
    wait_until(lambda: "event=streams_paced" in worker.log and "paced=1" in worker.log,
               "the streams are paced")


def wait_chunks(cluster, request_ids, n):
    for request_id in request_ids:
        wait_until(lambda r=request_id: len(cluster.entries(r).chunks) >= n, "pieces come")


def test_every_piece_of_many_streams_comes_in_order_and_while_it_is_generated(cluster):
    _, worker = node(cluster, "pi-1", FLOWING.replace("tokens=40", "tokens=120"))
    cluster.router()
    asked = stream(cluster, MANY)
    wait_paced(worker)
    for request_id in asked:
        reply = cluster.read_reply(request_id)  # compares the pieces with the whole
        assert reply.attempt == 1 and reply.answer["eval_count"] == 120
        assert 3 <= len(reply.chunks) <= 120  # three seconds' tokens: an entry per 50 ms
    wait_until(lambda: "paced=0" in worker.log, "the last ones are not paced any more")
    cluster.assert_no_leftovers()


@pytest.mark.parametrize("n, settings", [(FEW, {}), (MANY, {"chunk_interval": "10ms"})])
def test_few_streams_and_those_that_want_every_piece_at_once_are_not_paced(cluster, n, settings):
    _, worker = node(cluster, "pi-1", FLOWING, **settings)
    cluster.router()
    for request_id in stream(cluster, n):
        assert cluster.read_reply(request_id).answer["eval_count"] == 40
    assert "event=streams_paced" not in worker.log


def test_a_paced_stream_is_cancelled_as_any_other(cluster):
    _, worker = node(cluster, "pi-1", ENDLESS)
    cluster.router()
    asked = stream(cluster, MANY)
    wait_chunks(cluster, asked, 2)
    wait_paced(worker)
    for request_id in asked[:6]:
        cluster.cancel(request_id)
    assert {cluster.read_reply(r).code for r in asked[:6]} == {"cancelled"}
    before = {r: len(cluster.entries(r).chunks) for r in asked[6:]}
    for request_id, n in before.items():
        wait_chunks(cluster, [request_id], n + 2)
        cluster.cancel(request_id)
    assert {cluster.read_reply(r).code for r in asked[6:]} == {"cancelled"}
    cluster.assert_no_leftovers()


def test_paced_streams_go_elsewhere_when_their_ollama_dies(cluster):
    sim, worker = node(cluster, "pi-1", ENDLESS)
    cluster.router()
    asked = stream(cluster, MANY)
    wait_chunks(cluster, asked, 2)
    wait_paced(worker)
    node(cluster, "pi-2", FLOWING)
    sim.kill()
    for request_id in asked:
        reply = cluster.read_reply(request_id, 30)
        assert reply.attempt == 2 and reply.node == "pi-2"
    cluster.assert_no_leftovers()
