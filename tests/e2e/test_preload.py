"""How a model gets into memory ahead of need, as Ollama sees it (docs/routing.md, "How it sits in the
daemons"): what must go goes first, nobody is stalled, and the load lives as long as its connection.
And what counts as being in memory."""

import http.client
import json
import threading

import pytest

from cluster import CHAT, SLOW_CHAT, wait_until
from process import stays_true

MODEL, ANOTHER = "gemma3:1b", "qwen2.5:0.5b"
QUICK = "qwen2.5:0.5b,load=20ms,gen_tps=2000,prompt_tps=100000,tokens=12"


def loads_in(time):
    return QUICK.replace("20ms", time)


def wish(cluster, node, model, **more):
    cluster.control(op="preload", node=node, model=model, **more)


def told(cluster, node, model):
    return wait_until(lambda: cluster.events(event="preloaded", node=node, model=model),
                      f"{node} tells what became of the load of {model}")[0]


def loads_of(sim, model):
    return [m for m in sim.state()["models"] if m["name"] == model][0]["loads"]


def state_of(sim, model):
    """"unloaded", "loading" or "loaded"."""
    return [m for m in sim.state()["models"] if m["name"] == model][0]["state"]


def asked_without_prompt(sim):
    """(model, keep_alive) of the requests that only load or unload, oldest first."""
    bodies = [json.loads(body) for body in sim.bodies()]
    return [(body["model"], body.get("keep_alive")) for body in bodies
            if not body.get("prompt") and not body.get("messages")]


class Neighbour:
    """Somebody else at the same Ollama: one request, open until close()."""

    def __init__(self, sim, **body):
        self.connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=60)
        self.connection.request("POST", "/api/generate", json.dumps(body))
        self.answer = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            self.answer = self.connection.getresponse().read()
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # closed

    def done(self):
        self.reader.join(30)
        assert not self.reader.is_alive() and b'"done":true' in self.answer
        self.connection.close()

    def close(self):
        self.connection.sock.shutdown(2)
        self.reader.join(30)
        self.connection.close()


def put_on_the_node(cluster, node, **fields):
    """What a router writes that does not know yet that the node loads a model."""
    seconds, micros = cluster.db.time()
    now_ms = seconds * 1000 + micros // 1000
    request = {"request_id": "late", "prompt": "hi", **fields}
    cluster.submitted[request["request_id"]] = request
    cluster.db.xadd(cluster.keys.node(node), {
        **request, "attempt": 1, "origin_id": f"{now_ms}-0", "submitted_ms": now_ms,
        "deadline_ms": now_ms + 60000})
    return request["request_id"]


# --- order -------------------------------------------------------------------------------------------


def test_the_old_model_is_gone_before_the_new_one_is_asked_for(cluster):
    """This Ollama would keep both, whether or not its memory holds them."""
    sim = cluster.sim(CHAT, QUICK, max_loaded=2)
    cluster.router()
    cluster.worker("pi-1", sim)
    cluster.ask(prompt="hi")
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "the node knows what it has")
    wish(cluster, "pi-1", ANOTHER, unload=MODEL)
    assert "error" not in told(cluster, "pi-1", ANOTHER)
    assert asked_without_prompt(sim) == [(MODEL, 0), (ANOTHER, None)]
    states = {model["name"]: model["state"] for model in sim.state()["models"]}
    assert states == {MODEL: "unloaded", ANOTHER: "loaded"}
    wait_until(lambda: cluster.health("pi-1")["models"] == [ANOTHER], "the fleet knows it")


def test_nothing_is_loaded_nor_sent_while_the_old_model_still_serves_somebody(cluster):
    """A request for the old model would go on holding it, and the load behind it would wait for the
    whole of its keep_alive; one for another would wait behind the load."""
    sim = cluster.sim(SLOW_CHAT, QUICK, max_loaded=2)
    cluster.router()
    cluster.worker("pi-1", sim)
    cluster.worker("pi-2", cluster.sim(CHAT))
    neighbour = Neighbour(sim, model=MODEL, prompt="a long story")
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "it is in memory")
    wish(cluster, "pi-1", ANOTHER, unload=MODEL)
    wait_until(lambda: cluster.health("pi-1")["loading"] == ANOTHER, "the swap is under way")
    wait_until(lambda: asked_without_prompt(sim) == [(MODEL, 0)], "the old one is told to go")
    for i in range(3):
        assert cluster.ask(prompt=f"hi {i}").node == "pi-2"
    stays_true(lambda: asked_without_prompt(sim) == [(MODEL, 0)], "the new one is not asked for", 0.7)
    assert cluster.health("pi-1")["models"] == [MODEL]
    neighbour.close()
    assert "error" not in told(cluster, "pi-1", ANOTHER)
    assert asked_without_prompt(sim) == [(MODEL, 0), (ANOTHER, None)]
    assert sim.running() == 0


def test_the_connection_of_a_load_is_held_until_the_model_is_there(cluster):
    sim = cluster.sim(loads_in("1500ms"))
    cluster.router()
    cluster.worker("pi-1", sim)
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: state_of(sim, ANOTHER) == "loading", "it loads")
    wait_until(lambda: state_of(sim, ANOTHER) != "loading", "it does no more")
    assert state_of(sim, ANOTHER) == "loaded"
    assert int(told(cluster, "pi-1", ANOTHER)["run_ms"]) >= 1400
    assert sim.state()["load_aborts"] == 0 and loads_of(sim, ANOTHER) == 1


# --- work comes first --------------------------------------------------------------------------------


def test_a_request_for_another_model_that_comes_all_the_same_ends_the_load(cluster):
    sim = cluster.sim(CHAT, loads_in("60s"))
    cluster.router()
    cluster.worker("pi-1", sim)
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: cluster.health("pi-1")["loading"] == ANOTHER, "the fleet knows")
    wait_until(lambda: state_of(sim, ANOTHER) == "loading", "it is loading")
    late = put_on_the_node(cluster, "pi-1", model=MODEL)
    assert cluster.read_reply(late).node == "pi-1"
    assert told(cluster, "pi-1", ANOTHER)["error"] == "a request for another model came"
    assert sim.state()["load_aborts"] == 1
    wait_until(lambda: cluster.health("pi-1")["loading"] is None, "nothing is loading any more")
    assert cluster.ask(prompt="hi").node == "pi-1"


def test_a_request_for_another_model_ends_the_wait_for_the_old_one_to_go(cluster):
    sim = cluster.sim(SLOW_CHAT, QUICK, max_loaded=2)
    cluster.router()
    cluster.worker("pi-1", sim)
    neighbour = Neighbour(sim, model=MODEL, prompt="a long story")
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "it is in memory")
    wish(cluster, "pi-1", ANOTHER, unload=MODEL)
    wait_until(lambda: asked_without_prompt(sim) == [(MODEL, 0)], "the old one is told to go")
    late = put_on_the_node(cluster, "pi-1", model=MODEL)
    assert told(cluster, "pi-1", ANOTHER)["error"] == "a request for another model came"
    neighbour.close()
    cluster.wait_running(late)
    cluster.cancel(late)
    assert cluster.read_reply(late).code == "cancelled"
    assert loads_of(sim, ANOTHER) == 0


def test_a_request_for_the_model_that_is_being_loaded_joins_the_load(cluster):
    sim = cluster.sim(loads_in("1s"))
    cluster.router()
    cluster.worker("pi-1", sim)
    wish(cluster, "pi-1", ANOTHER)
    wait_until(lambda: state_of(sim, ANOTHER) == "loading", "it is loading")
    late = put_on_the_node(cluster, "pi-1", model=ANOTHER)
    assert cluster.read_reply(late).node == "pi-1"
    assert "error" not in told(cluster, "pi-1", ANOTHER)
    assert loads_of(sim, ANOTHER) == 1 and sim.state()["load_aborts"] == 0


# --- what counts as being in memory ------------------------------------------------------------------


def wait_looked(sim):
    """Until the worker has seen what is in memory now."""
    seen = sim.asked("/api/ps")
    wait_until(lambda: sim.asked("/api/ps") >= seen + 2, "the worker has looked again")


def neighbour_loads(sim, num_ctx):
    Neighbour(sim, model=MODEL, options={"num_ctx": num_ctx}).done()


def test_what_somebody_else_has_loaded_otherwise_does_not_count_as_in_memory(cluster):
    sim = cluster.sim(CHAT)
    cluster.router()
    worker = cluster.worker("pi-1", sim, num_ctx=2048)
    neighbour_loads(sim, 8192)
    wait_until(lambda: "event=model_foreign" in worker.log, "the worker has seen it")
    assert f"model={MODEL} context_length=8192" in worker.log
    wait_until(lambda: cluster.health("pi-1")["foreign"] == [MODEL], "the fleet knows")
    assert cluster.health("pi-1")["models"] == [MODEL]
    cluster.wait_routers_look()
    request_id = cluster.ask(prompt="hi", session="s1").done["request_id"]
    why = cluster.events(event="routed", request_id=request_id)[0]["why"]
    assert why.startswith("loading the model there")
    wait_until(lambda: cluster.health("pi-1")["foreign"] == [], "now it is as we ask for it")
    wait_until(lambda: cluster.health("pi-1")["sessions"] == ["s1"], "its cache is known")
    assert loads_of(sim, MODEL) == 2
    neighbour_loads(sim, 8192)
    wait_until(lambda: cluster.health("pi-1")["foreign"] == [MODEL], "it is not ours any more")
    assert cluster.health("pi-1")["sessions"] == []


def test_without_a_pinned_num_ctx_what_ours_gives_is_learnt_from_the_first_answer(cluster):
    sim = cluster.sim(CHAT)
    cluster.router()
    cluster.worker("pi-1", sim)
    neighbour_loads(sim, 8192)
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "nothing speaks against it yet")
    cluster.ask(prompt="hi")
    wait_looked(sim)
    assert cluster.health("pi-1")["foreign"] == []
    neighbour_loads(sim, 8192)
    wait_until(lambda: cluster.health("pi-1")["foreign"] == [MODEL], "somebody has reloaded it")
    cluster.ask(prompt="hi")
    wait_until(lambda: cluster.health("pi-1")["foreign"] == [], "it is ours again")


def test_a_num_ctx_that_ollama_cuts_is_ours_all_the_same(cluster):
    sim = cluster.sim(CHAT + ",train_ctx=2048")
    cluster.router()
    cluster.worker("pi-1", sim, num_ctx=8192)
    cluster.ask(prompt="hi")
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "it is in memory")
    routed = cluster.ask(prompt="hi").done["request_id"]
    why = cluster.events(event="routed", request_id=routed)[0]["why"]
    assert "load 0.0" in why and not why.startswith("loading"), why
    assert loads_of(sim, MODEL) == 1


def test_an_ollama_that_does_not_tell_its_context_length_is_believed(cluster):
    sim = cluster.sim(CHAT, profile="0.9.6")
    cluster.router()
    worker = cluster.worker("pi-1", sim, num_ctx=2048)
    neighbour_loads(sim, 8192)
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "it is in memory")
    cluster.ask(prompt="hi")
    neighbour_loads(sim, 8192)
    wait_looked(sim)
    assert cluster.health("pi-1")["foreign"] == []
    assert "event=model_foreign" not in worker.log


def test_with_runner_options_of_clients_any_context_length_is_as_good_as_another(cluster):
    sim = cluster.sim(CHAT)
    cluster.router()
    worker = cluster.worker("pi-1", sim, num_ctx=2048, allow_runner_options="yes")
    neighbour_loads(sim, 8192)
    wait_until(lambda: cluster.health("pi-1")["models"] == [MODEL], "it is in memory")
    assert "event=model_foreign" not in worker.log


@pytest.mark.parametrize("size,has_room", [("1GB", True), ("5GB", False)])
def test_a_load_ahead_of_need_unloads_what_the_router_cannot_know_of_if_there_is_no_room(
        cluster, size, has_room):
    sim = cluster.sim(CHAT + ",size=1GB", QUICK + ",size=" + size, max_loaded=2)
    cluster.router()
    cluster.worker("pi-1", sim, num_ctx=2048)  # of 8 GB
    neighbour_loads(sim, 8192)
    wait_until(lambda: "event=model_foreign" in cluster.daemon("pi-1").log, "the worker has seen it")
    wish(cluster, "pi-1", ANOTHER)
    assert "error" not in told(cluster, "pi-1", ANOTHER)
    unloaded = [] if has_room else [(MODEL, 0)]
    assert asked_without_prompt(sim)[1:] == [*unloaded, (ANOTHER, None)]
    assert state_of(sim, MODEL) == ("loaded" if has_room else "unloaded")
