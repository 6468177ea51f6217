"""orionctl submit, wait, cancel: asking."""

import json
import os
import re
import signal

import pytest

from cluster import CHAT, OTHER, SLOW_CHAT, wait_until
from ctl import Terminal, ctl, finish, start

ANSWER = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 tok8 tok9 tok10 tok11\n"


@pytest.mark.parametrize("arguments,stdin", [
    (("-m", "gemma3:1b", "Why", "is the sky", "blue?"), ""),
    (("-m", "gemma3:1b"), "Why?"),
    (("--model=gemma3:1b", "--generate", "Why?"), ""),
    (("-m", "gemma3:1b", "--system", "Be short.", "--stream", "Why?"), ""),
    (("-f", "-"), json.dumps({"model": "gemma3:1b", "prompt": "Why?", "metadata": "m"})),
    (("-f", "-", "-m", "gemma3:1b"), json.dumps([{"role": "user", "content": "Why?"}])),
    (("-m", "gemma3:1b", "--priority", "high", "--client", "me", "--session", "s", "--timeout",
      "20s", "--params", '{"options":{"seed":1}}', "--metadata", "x", "Why?"), ""),
])
def test_the_answer_goes_to_stdout_and_nothing_else(fleet, arguments, stdin):
    run = ctl(fleet, "submit", *arguments, stdin=stdin)
    assert (run.code, run.out, run.err) == (0, ANSWER, "")


def test_what_was_asked_arrives_as_the_protocol_says(fleet):
    ctl(fleet, "submit", "-m", "gemma3:1b", "--system", 'a"b', "--stream", "--progress", "--id",
        "ask-1", "--params", '{"options":{"seed":1}}', "--metadata", "mine", "line\none")
    assert fleet.read_reply("ask-1").end["metadata"] == "mine"
    bodies = [b for sim in fleet.sims for b in sim.bodies()]
    messages = [json.loads(b)["messages"] if isinstance(b, str) else b["messages"]
                for b in bodies if "messages" in b]
    assert [{"role": "system", "content": 'a"b'}, {"role": "user", "content": "line\none"}] \
        in messages


def test_progress_and_figures_are_told_on_stderr(fleet):
    run = ctl(fleet, "submit", "-m", "gemma3:1b", "--progress", "Why?")
    assert run.out == ANSWER
    assert "gets it" in run.err and "12 tokens" in run.err and "waited" in run.err
    assert ctl(fleet, "submit", "-m", "gemma3:1b", "--progress", "--quiet", "Why?").err == ""


def test_queue_position_and_eta_are_shown_while_it_waits(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT, OTHER))
    cluster.ask(model="qwen2.5:0.5b")  # how long an answer takes is known from here on
    running = cluster.submit(prompt="long")
    cluster.wait_running(running)
    before = [cluster.submit(prompt="x") for _ in range(2)]
    with Terminal(cluster, "submit", "-m", "gemma3:1b", "--id", "asked", "Why?") as terminal:
        terminal.wait_for(lambda: re.search(r"queued, 2 before it, about [0-9.]+(ms|s|m)",
                                            terminal.text))
        cluster.cancel("asked")
        assert terminal.wait() == 1
    for request_id in (*before, running):
        cluster.cancel(request_id)
        cluster.read_reply(request_id)


def test_json_is_the_last_entry_or_every_entry(fleet):
    last = ctl(fleet, "submit", "--json", "-m", "gemma3:1b", "Why?").json
    assert last["type"] == "done" and last["response"]["message"]["content"] + "\n" == ANSWER
    assert last["attempt"] == 1 and last["node"].startswith("pi-") and last["at_ms"] > 0
    lines = ctl(fleet, "submit", "--json", "--stream", "-m", "gemma3:1b", "Why?").lines
    assert {line["type"] for line in lines} == {"chunk", "done"}
    assert "".join(line["response"]["message"]["content"] for line in lines
                   if line["type"] == "chunk") + "\n" == ANSWER
    error = ctl(fleet, "submit", "--json", "-m", "gemma3:1b", "--priority", "urgent", "Why?")
    assert error.code == 1 and error.json["code"] == "invalid_request"
    assert error.json["retryable"] is False


def test_an_embedding_is_printed_as_json(fleet):
    run = ctl(fleet, "submit", "-m", "nomic-embed-text", "--embed", "sky")
    assert run.code == 0 and len(run.json[0]) == 16


def test_submit_without_waiting_and_wait(fleet):
    run = ctl(fleet, "submit", "--no-wait", "-m", "gemma3:1b", "Why?")
    assert run.code == 0
    request_id = run.out.strip()
    assert ctl(fleet, "wait", request_id).out == ANSWER
    assert ctl(fleet, "wait", request_id, "--stream", "--json").lines[-1]["type"] == "done"
    named = ctl(fleet, "submit", "--no-wait", "--json", "--id", "mine", "-m", "gemma3:1b", "x").json
    assert named == {"request_id": "mine"}
    assert ctl(fleet, "wait", "mine").code == 0


def test_the_reply_of_one_request_on_a_stream_of_several(fleet):
    shared = fleet.keys.reply("shared")
    for name in ("a", "b"):
        fleet.submit(request_id=f"shared-{name}", prompt=f"echo {name}", callback=shared)
        wait_until(lambda: fleet.events(event="done", request_id=f"shared-{name}"), "it is answered")
    for name in ("a", "b"):
        run = ctl(fleet, "wait", "--callback", shared, f"shared-{name}")
        assert run.code == 0 and run.out.strip() == name, run


@pytest.mark.parametrize("arguments,stdin,says", [
    (("submit", "hi"), "", "--model"),
    (("submit", "-m", "gemma3:1b", "--timeout", "5", "hi"), "", "--timeout"),
    (("submit", "-m", "gemma3:1b", "--id", "a b", "hi"), "", "request id"),
    (("submit", "-f", "-"), '{"model":"x","massages":[]}', "massages"),
    (("submit", "-f", "-"), '{"model":"x"', "not JSON"),
    (("submit", "-f", "-"), '{"model":"x","prompt":"a","input":"b"}', "more than one"),
    (("submit", "-f", "/nowhere/at/all"), "", "/nowhere/at/all"),
    (("submit", "-m", "gemma3:1b", "--frob"), "", "--frob"),
    (("wait",), "", "needs ID"),
    (("cancel", "a b"), "", "request id"),
    (("frobnicate",), "", "frobnicate"),
])
def test_bad_usage_is_2_and_says_what_is_wrong(fleet, arguments, stdin, says):
    run = ctl(fleet, *arguments, stdin=stdin)
    assert run.code == 2 and says in run.err and run.out == "", run


def test_an_error_is_1_and_what_nobody_knows_is_4(cluster):
    cluster.fleet(1)
    run = ctl(cluster, "submit", "-m", "nobody-has-it", "hi")
    assert run.code == 1 and "unknown_model" in run.err and run.out == ""
    assert ctl(cluster, "wait", "never").code == 4
    assert ctl(cluster, "cancel", "never").code == 4
    assert ctl(cluster, "explain", "never").code == 4


def test_a_wait_that_takes_too_long_is_5_and_leaves_the_request(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    request_id = cluster.submit(prompt="long")
    cluster.wait_running(request_id)
    run = ctl(cluster, "wait", request_id, "--timeout", "300ms")
    assert run.code == 5 and request_id in run.err
    assert cluster.job(request_id)["state"] == "running"
    run = ctl(cluster, "cancel", request_id, "--json")
    assert run.code == 0 and run.json == {"request_id": request_id, "cancelled": True,
                                          "ended": "cancelled"}
    assert cluster.read_reply(request_id).code == "cancelled"
    assert ctl(cluster, "cancel", request_id).code == 1


def test_a_cancel_without_a_router_is_5(cluster):
    request_id = cluster.submit(prompt="waits")
    run = ctl(cluster, "cancel", request_id, "--timeout", "300ms")
    assert run.code == 5 and "router" in run.err
    cluster.router()
    assert cluster.read_reply(request_id).code == "cancelled"


@pytest.mark.parametrize("stream", [True, False])
def test_ctrl_c_cancels_the_request_in_the_cluster(cluster, stream):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    process = start(cluster, "submit", "-m", "gemma3:1b", "--id", "long", "tell",
                    *(["--stream"] if stream else []))
    cluster.wait_running("long")
    run = finish(process, signal.SIGINT)
    assert run.code == 130 and "cancelling" in run.err and "cancelled" in run.err
    assert cluster.read_reply("long").code == "cancelled"
    wait_until(lambda: cluster.sims[0].running() == 0, "the simulator generates for nobody")


def test_ctrl_c_in_a_terminal(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    with Terminal(cluster, "submit", "-m", "gemma3:1b", "--stream", "--id", "long", "x") as terminal:
        terminal.wait_for("tok1")
        terminal.send("\x03")
        assert terminal.wait() == 130
        assert "cancelled" in terminal.text
    assert cluster.read_reply("long").code == "cancelled"


def test_a_second_ctrl_c_leaves_at_once(cluster):
    process = start(cluster, "submit", "-m", "gemma3:1b", "--id", "unread", "x")  # no router
    wait_until(lambda: cluster.db.xlen(cluster.keys.requests), "it is submitted")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: cluster.db.xlen(cluster.keys.control), "the cancel is sent")
    assert process.poll() is None
    assert finish(process, signal.SIGINT).code == 130
    cluster.router()
    wait_until(lambda: cluster.job("unread").get("state") == "done", "it is cancelled")


def test_nobody_reads_the_answer_any_more(cluster):
    cluster.router()
    cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    process = start(cluster, "submit", "-m", "gemma3:1b", "--stream", "--id", "piped", "x")
    cluster.wait_running("piped")
    process.stdout.read(4)
    os.close(process.stdout.fileno())
    process.stdout = None
    wait_until(lambda: cluster.entries("piped").end, "the request ends")
    assert cluster.read_reply("piped").code == "cancelled"
    process.stderr.read()
    process.stderr = None
    assert process.wait(20) == 130


def test_the_reply_is_read_on_when_redis_was_away(new_cluster):
    cluster = new_cluster(aof=True)
    cluster.router()
    cluster.worker("pi-1", cluster.sim("gemma3:1b,load=20ms,gen_tps=10,prompt_tps=1e6,tokens=30"))
    process = start(cluster, "submit", "-m", "gemma3:1b", "--id", "long", "--stream", "x")
    cluster.wait_running("long")
    cluster.redis.kill()
    cluster.redis.start()
    run = finish(process)
    assert run.code == 0 and "trying again" in run.err, run
    assert run.out.rstrip("\n").endswith("tok29")


def test_the_attempt_of_a_lost_node_is_told(cluster):
    cluster.router()
    first = cluster.worker("pi-1", cluster.sim(SLOW_CHAT))
    process = start(cluster, "submit", "-m", "gemma3:1b", "--stream", "--id", "moved", "x")
    wait_until(lambda: len(cluster.entries("moved").chunks) > 2, "pieces come")
    cluster.worker("pi-2", cluster.sim(CHAT))
    first.kill()
    run = finish(process)
    assert run.code == 0 and "attempt 2 begins the answer anew" in run.err
    assert run.out.endswith(ANSWER)


EVIL = "a\x1b]0;owned\x07\x1b[2Jb\u009b31m\u202e"


def test_an_answer_cannot_steer_the_terminal(cluster):
    response = json.dumps({"message": {"role": "assistant", "content": EVIL}, "done": True})
    for request_id, fields in {"evil": {"type": "done", "response": response, "node": EVIL},
                               "error": {"type": "error", "code": EVIL, "error": EVIL}}.items():
        cluster.db.xadd(cluster.keys.reply(request_id),
                        {"request_id": request_id, "attempt": "1", **fields})
        with Terminal(cluster, "wait", request_id) as terminal:
            assert terminal.wait() in (0, 1)
            assert "a?]0;owned??[2Jb?31m?" in terminal.text.replace("\r\n", "")
            assert not any(c in terminal.output.replace("\x1b[K", "") for c in "\x1b\x07\x9b\u202e")
    assert ctl(cluster, "wait", "evil").out == EVIL + "\n"  # a pipe gets the bytes
    assert json.loads(ctl(cluster, "wait", "evil", "--json").out)["response"]["message"] \
        ["content"] == EVIL
    assert "\x9b" not in ctl(cluster, "wait", "evil", "--json").out
