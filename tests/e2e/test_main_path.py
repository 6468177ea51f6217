"""The main job: a request goes in by XADD, the right node answers it, the reply comes out."""

import json

import pytest

import acl
from cluster import CHAT, OTHER, wait_until
from process import SLOW, check_no_descriptor_leak
from scripted import ScriptedOllama

SLOWISH = "gemma3:1b,load=20ms,gen_tps=40,prompt_tps=100000,tokens=20"  # half a second


def body_of(sim, n=-1):
    """Body of an inference request as the simulator got it, as text and as an object."""
    text = sim.bodies()[n]
    return text, json.loads(text)


def test_the_smallest_request_of_the_protocol_is_answered_unchanged(fleet):
    fleet.db.execute_command(
        "XADD", "orion:inference:requests", "*", "request_id", "r1", "model", "gemma3:1b",
        "messages", '[{"role":"user","content":"Why is the sky blue?"}]',
        "callback", "orion:inference:responses:r1")
    reply = fleet.read_reply("r1", callback="orion:inference:responses:r1")
    assert reply.text and reply.answer["message"]["role"] == "assistant"
    assert len(reply.entries) == 1 and "dropped" not in reply.done
    assert reply.done["model"] == "gemma3:1b" and reply.node in ("pi-1", "pi-2")


@pytest.mark.parametrize("stream", [None, True])
@pytest.mark.parametrize("path,fields", [
    ("/api/chat", {"messages": [{"role": "user", "content": "hello"}]}),
    ("/api/generate", {"prompt": "hello"}),
    ("/api/embed", {"input": '"hello"', "model": "nomic-embed-text"}),
    ("/api/embed", {"input": ["hello", "world"], "model": "nomic-embed-text"})])
def test_each_kind_goes_to_its_endpoint_and_comes_back_whole(fleet, path, fields, stream):
    before = [sim.asked(path) for sim in fleet.sims]
    reply = fleet.ask(stream=stream, **fields)
    number = int(reply.node[-1]) - 1
    sim = fleet.sims[number]
    assert sim.asked(path) == before[number] + 1
    if path == "/api/embed":
        wanted = len(fields["input"]) if isinstance(fields["input"], list) else 1
        assert [len(v) for v in reply.answer["embeddings"]] == [16] * wanted
        assert not reply.chunks
    else:
        assert reply.text and reply.answer["done_reason"] == "stop"
        assert body_of(sim)[1]["stream"] is True
        assert bool(reply.chunks) == bool(stream)


def test_a_reply_without_callback_comes_to_the_default_stream(fleet):
    request_id = fleet.submit(prompt="hi")
    assert fleet.read_reply(request_id, callback=f"orion:inference:responses:{request_id}").text


def test_a_reply_comes_to_the_callback_that_was_named(fleet):
    callback = "orion:inference:responses:of/client-7"
    request_id = fleet.submit(prompt="hi", callback=callback)
    assert fleet.read_reply(request_id).text
    assert not fleet.db.exists(fleet.keys.reply(request_id))
    assert fleet.db.pttl(callback) > 0


def test_a_reply_and_its_job_live_for_response_ttl(fleet):
    request_id = fleet.submit(prompt="hi")
    fleet.read_reply(request_id)
    hour = 3600 * 1000
    assert hour - 60000 < fleet.db.pttl(fleet.keys.reply(request_id)) <= hour
    assert hour - 60000 < fleet.db.pttl(fleet.keys.job(request_id)) <= hour


def test_metadata_is_echoed_byte_for_byte(fleet):
    for metadata in ('{"a": [1,\n2]}', "", "grüße \U0001f353 \t\"\\ ", "x" * 4096):
        reply = fleet.ask(prompt="hi", metadata=metadata)
        assert reply.done["metadata"] == metadata


def test_what_would_reload_or_pin_a_model_is_dropped_and_listed(fleet):
    owned = {"num_ctx": 99, "num_batch": 1, "num_gpu": 0, "main_gpu": 0, "use_mmap": True,
             "num_thread": 3}
    reply = fleet.ask(prompt="hi", params={
        "keep_alive": -1, "shift": False, "options": {**owned, "temperature": 0.5}, "raw": True})
    names = {name.rpartition(".")[2] for name in reply.done["dropped"].split(",")}
    assert names == {"keep_alive", "shift", *owned}
    body = body_of(fleet.sims[int(reply.node[-1]) - 1])[1]
    assert body["options"] == {"temperature": 0.5} and body["raw"] is True
    assert not {"keep_alive", "shift"} & body.keys()


def test_runner_options_are_passed_on_when_the_configuration_allows_them(cluster):
    sim = cluster.sim()
    cluster.router()
    cluster.worker("pi-1", sim, allow_runner_options="yes", num_ctx=2048)
    reply = cluster.ask(prompt="hi", params={"keep_alive": "7m", "options": {"num_thread": 3}})
    assert "dropped" not in reply.done
    body = body_of(sim)[1]
    assert body["keep_alive"] == "7m" and body["options"] == {"num_thread": 3, "num_ctx": 2048}


def test_num_ctx_of_the_configuration_is_asked_for_in_every_request(cluster):
    sim = cluster.sim()
    cluster.router()
    cluster.worker("pi-1", sim, num_ctx=2048)
    reply = cluster.ask(prompt="hi", params={"options": {"num_ctx": 99}})
    assert reply.done["dropped"].endswith("num_ctx")
    assert body_of(sim)[1]["options"] == {"num_ctx": 2048}
    cluster.ask(prompt="hi")
    assert body_of(sim)[1]["options"] == {"num_ctx": 2048}


def test_messages_and_params_reach_ollama_byte_for_byte(fleet):
    messages = ('[ {"role":"user",  "content":"gr\\u00fc\u00dfe \U0001f353 \\ud83c\\udf53 '
                '<&> \\/ \\\\ \\"","n":9007199254740993, "f":1.10e-7}\n]')
    schema = '{"type":"object" , "b":1,"a":[9223372036854775807,-0.0,1E400]}'
    options = '"temperature" : 0.10,"seed":9007199254740993,"stop":["\\u2028","</s>"]'
    reply = fleet.ask(messages=messages,
                      params='{"format":%s , "options":{ %s },"think": false}' % (schema, options))
    text = body_of(fleet.sims[int(reply.node[-1]) - 1])[0]
    assert messages in text and schema in text and options in text


def test_a_prompt_of_any_text_arrives_as_it_was_given(fleet):
    for prompt in ('"quoted" \\ back\\slash', "line\nbreak\ttab\r\x01\x1f\x7f", "\u2028 \U0001f353",
                   "{\"looks\": \"like JSON\"}", "x" * 8000):
        reply = fleet.ask(prompt=prompt)
        body = body_of(fleet.sims[int(reply.node[-1]) - 1])[1]
        assert body["prompt"] == prompt


def test_input_reaches_ollama_byte_for_byte(fleet):
    text = '[ "\\u00e9\u00e9" ,"b"]'
    reply = fleet.ask(input=text, model="nomic-embed-text")
    assert text in body_of(fleet.sims[int(reply.node[-1]) - 1])[0]


def test_numbers_and_fields_of_ollama_reach_the_client_unchanged(cluster):
    lines = ['{"model":"gemma3:1b","created_at":"2026-08-21T13:05:33.123456789Z","message":'
             '{"role":"assistant","content":"a\\u003cb \\ud83c\\udf53","thinking":"hm "},'
             '"done":false}',
             '{"model":"gemma3:1b","message":{"role":"assistant","content":"","tool_calls":[{"id":'
             '"call_1","function":{"name":"f","arguments":{"n":12345678901234567890,"x":1.10}}}]},'
             '"done":false}',
             '{"model":"gemma3:1b","message":{"role":"assistant","content":" end"},"done":true,'
             '"done_reason":"stop","total_duration":9007199254740993,"eval_count":3,'
             '"eval_duration":9223372036854775807,"new_field":{"big":18446744073709551615}}']
    with ScriptedOllama(lines) as ollama:
        cluster.router()
        cluster.worker("pi-1", ollama.url)
        reply = cluster.ask(stream=True)
    text, answer = reply.done["response"], reply.answer
    assert reply.text == "a<b \U0001f353 end" and answer["message"]["thinking"] == "hm "
    call = answer["message"]["tool_calls"][0]
    assert call["id"] == "call_1" and call["function"]["arguments"]["n"] == 12345678901234567890
    assert '"x":1.10' in text
    assert answer["total_duration"] == 9007199254740993
    assert answer["eval_duration"] == 9223372036854775807
    assert answer["new_field"]["big"] == 18446744073709551615


def test_chunks_come_while_it_is_generated(cluster):
    sim = cluster.sim(SLOWISH)
    cluster.router()
    cluster.worker("pi-1", sim)
    request_id = cluster.submit(prompt="hi", stream=True)
    wait_until(lambda: len(cluster.entries(request_id).chunks) >= 3, "three chunks are there")
    assert cluster.entries(request_id).end is None
    reply = cluster.read_reply(request_id)
    assert len(reply.chunks) >= 5


def test_a_fast_model_does_not_flood_redis(cluster):
    sim = cluster.sim("gemma3:1b,load=20ms,gen_tps=4000,prompt_tps=100000,tokens=1000")
    cluster.router()
    cluster.worker("pi-1", sim)
    reply = cluster.ask(prompt="hi", stream=True)
    assert reply.answer["eval_count"] == 1000
    assert 2 <= len(reply.chunks) <= 100  # 1000 tokens: one entry per 50 ms or 64 tokens


def test_progress_tells_what_happens_in_order(cluster):
    sim = cluster.sim(SLOWISH.replace("load=20ms", "load=300ms"))
    cluster.router()
    cluster.worker("pi-1", sim)
    reply = cluster.ask(prompt="hi", progress=True)
    order = ["queued", "routed", "loading", "running"]
    firsts = [reply.states.index(s) for s in order if s in reply.states]
    assert firsts == sorted(firsts) and {"routed", "loading", "running"} <= set(reply.states)
    assert {e["node"] for e in reply.of("status") if "node" in e} == {"pi-1"}


def test_a_request_that_waits_is_told_its_position(cluster):
    sim = cluster.sim(SLOWISH)
    cluster.router()
    cluster.worker("pi-1", sim)
    first = cluster.submit(prompt="hi")
    cluster.wait_running(first)
    second = cluster.submit(prompt="hi", progress=True)
    reply = cluster.read_reply(second)
    assert reply.states[0] == "queued"
    cluster.read_reply(first)


def test_queue_and_run_times_are_told(cluster):
    sim = cluster.sim(SLOWISH)
    cluster.router()
    cluster.worker("pi-1", sim)
    first = cluster.submit(prompt="hi")
    cluster.wait_running(first)
    second = cluster.submit(prompt="hi")
    one, two = cluster.read_reply(first).done, cluster.read_reply(second).done
    assert 400 <= int(one["run_ms"]) <= 3000 * SLOW and int(one["queued_ms"]) <= 1000 * SLOW
    assert 100 <= int(two["queued_ms"]) <= 3000 * SLOW and 400 <= int(two["run_ms"])


def test_two_models_are_answered_by_the_nodes_that_have_them(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(CHAT))
    cluster.worker("pi-2", cluster.sim(OTHER))
    asked = [(cluster.submit(model=m, prompt="hi"), m)
             for m in ["gemma3:1b", "qwen2.5:0.5b"] * 4]
    for request_id, model in asked:
        node = {"gemma3:1b": "pi-1", "qwen2.5:0.5b": "pi-2"}[model]
        assert cluster.read_reply(request_id).node == node


@pytest.mark.parametrize("name", ["nomic-embed-text", "nomic-embed-text:latest", "NOMIC-embed-text",
                                  "library/nomic-embed-text",
                                  "registry.ollama.ai/library/nomic-embed-text:latest"])
def test_a_model_is_found_by_every_spelling_that_ollama_takes(fleet, name):
    reply = fleet.ask(model=name, input=["x"])
    assert reply.answer["embeddings"]


def test_the_node_with_the_model_in_memory_comes_first(cluster):
    sims = cluster.fleet(3)
    sims[2].call("POST", "/api/generate", json.dumps({"model": "gemma3:1b"}))
    wait_until(lambda: "gemma3:1b" in cluster.health("pi-3")["models"], "pi-3 has it in memory")
    cluster.wait_routers_look()
    for _ in range(3):
        assert cluster.ask(prompt="hi").node == "pi-3"


def test_a_node_runs_no_more_than_its_slots_and_the_others_help(cluster):
    sims = [cluster.sim(SLOWISH) for _ in range(2)]
    cluster.router()
    cluster.worker("pi-1", sims[0], slots=1)
    cluster.worker("pi-2", sims[1], slots=1)
    asked = [cluster.submit(prompt="hi") for _ in range(6)]
    nodes = [cluster.read_reply(request_id).node for request_id in asked]
    assert sorted(nodes) == ["pi-1"] * 3 + ["pi-2"] * 3
    cluster.assert_no_leftovers()


def test_sessions_are_published_by_the_node_that_has_them_warm(fleet):
    reply = fleet.ask(prompt="hi", session="conversation-17")
    wait_until(lambda: fleet.health(reply.node)["sessions"], "the session is published")


def test_the_decision_is_told_in_events(fleet):
    reply = fleet.ask(prompt="hi")
    request_id = reply.end["request_id"]
    routed = fleet.events(event="routed", request_id=request_id)
    assert len(routed) == 1 and routed[0]["node"] == reply.node and routed[0]["why"]
    kinds = [e["event"] for e in fleet.events(request_id=request_id)]
    assert [k for k in kinds if k != "queued"] == ["routed", "started", "done"]


def test_health_has_every_field_of_the_protocol(fleet):
    fleet.ask(prompt="hi", model="gemma3:1b")

    def where_it_ran():  # where it was only loaded ahead of need nothing is known of its speed
        return next((n for n in ("pi-1", "pi-2")
                     if fleet.health(n)["rates"].get("gemma3:1b", {}).get("gen_tps")), None)

    node = wait_until(where_it_ran, "rates are published")
    wait_until(lambda: fleet.health(node)["cpu_percent"] is not None, "cpu is known")
    health = fleet.health(node)
    kinds = {"node_id": str, "cpu_percent": (int, float), "ram_percent": (int, float),
             "ram_used_mb": (int, float), "ram_total_mb": (int, float), "temp_c": (int, float),
             "models": list, "available": bool, "last_seen": int, "reason": str, "installed": list,
             "slots": int, "in_flight": int, "throttled": bool, "under_voltage": bool,
             "freq_capped": bool, "memory_pressure": (int, float), "rates": dict, "sessions": list,
             "board": str, "boot_id": str, "uptime_s": int, "agent_version": str,
             "ollama_version": str}
    for field, kind in kinds.items():
        assert isinstance(health[field], kind), (field, health.get(field))
    assert health["node_id"] == node and health["temp_c"] == 48 and health["available"] is True
    assert 39 <= health["ram_percent"] <= 41 and health["ram_total_mb"] == 8064
    assert abs(health["last_seen"] - fleet.db.time()[0]) <= 2
    assert health["installed"] == sorted(health["installed"]) or len(health["installed"]) == 3
    rates = health["rates"]["gemma3:1b"]
    assert {"load_ms", "prompt_tps", "gen_tps", "tokens_out", "n"} <= rates.keys()
    assert rates["n"] >= 1 and rates["gen_tps"] > 0


def test_routers_publish_themselves(fleet):
    router = json.loads(fleet.db.hget(fleet.keys.routers, "router-1"))
    assert {"last_seen", "window", "version"} <= router.keys()


def test_an_idle_request_is_answered_without_a_polling_delay(fleet):
    fleet.ask(prompt="warm")
    took = [int(d["queued_ms"]) for d in (fleet.ask(prompt="hi").done for _ in range(5))]
    assert min(took) < 100 * SLOW, took


def test_a_completion_wakes_the_router_at_once(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=1ms,gen_tps=100000,prompt_tps=1e6,tokens=2"))
    asked = [cluster.submit(prompt="hi") for _ in range(30)]
    entries = [cluster.read_reply(request_id) for request_id in asked]
    assert int(entries[-1].done["queued_ms"]) < 4000 * SLOW  # 30 lost events would be 30 s


@pytest.mark.skipif(acl.IS_ON, reason="the users of the shipped file have the default prefix")
def test_another_prefix_with_a_hash_tag_works(cluster):
    cluster.keys = type(cluster.keys)("{orion}:inference")
    cluster.router(prefix="{orion}:inference")
    cluster.worker("pi-1", cluster.sim(), prefix="{orion}:inference")
    assert cluster.ask(prompt="hi").text
    assert all(key.startswith("{orion}:inference:") for key in cluster.db.keys())


def test_an_idle_cluster_writes_nothing_to_the_append_only_file(new_cluster):
    cluster = new_cluster(aof=True)
    cluster.fleet(1)
    cluster.ask(prompt="hi")
    cluster.assert_no_leftovers()

    def size():
        return int(cluster.db.info("persistence")["aof_current_size"])

    def seen():
        return json.loads(cluster.db.hget(cluster.keys.health, "pi-1"))["last_seen_ms"]

    wait_until(lambda: settled(size), "the file has settled")
    before, first = size(), seen()
    wait_until(lambda: seen() > first + 1500, "ten heartbeats have come")
    assert size() == before


def settled(size):
    """Has it the same size after some polls?"""
    first = size()
    try:
        wait_until(lambda: size() != first, "it changes", 0.3)
    except AssertionError:
        return True
    return False


def test_connections_to_ollama_are_kept_and_reused(cluster):
    (sim,) = cluster.fleet(1)
    cluster.ask(prompt="warm")
    before = sim.state()["connections_accepted"]
    for _ in range(20):
        assert cluster.ask(prompt="hi").text
    assert sim.state()["connections_accepted"] - before <= 5  # and one is ours


def test_many_requests_leave_nothing_behind(cluster):
    cluster.fleet(3, slots=2)
    for _ in range(6):
        cluster.ask(prompt="warm")
    before = {d.name: d.fds() + 4 for d in cluster.daemons}  # connections to Ollama are kept
    asked = [cluster.submit(prompt=f"n {i}", stream=bool(i % 2) or None, client=f"c{i % 5}",
                            priority=("high", "normal", "low")[i % 3]) for i in range(150)]
    for request_id in asked:
        cluster.read_reply(request_id, 30)
    cluster.assert_no_leftovers()
    for daemon in cluster.daemons:
        check_no_descriptor_leak(daemon, before[daemon.name])
    assert len(cluster.events(event="done")) == 156
