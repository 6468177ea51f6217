"""The simulated Ollama against the recorded facts about the real one (checklist of its README)."""

import http.client
import json
import os
import re
import resource
import socket
import struct
import subprocess
import threading
import time

import pytest

BIN = os.environ.get("ORION_BIN", os.path.join(os.path.dirname(__file__), "../../build/dev/bin"))
CHAT = "gemma3:1b"
EMBED = "nomic-embed-text"
# Slow enough to be seen, fast enough to be tested: 0.2 s load, 100 tokens/s.
MODEL = CHAT + ",size=815MB,load=200ms,prompt_tps=2000,gen_tps=100,tokens=10"
VERSIONS = ["0.5.7", "0.9.6", "0.11.4", "0.12.5", "0.12.11", "0.24.0", "0.30.0", "0.32.15"]
DEADLINE = 20


def number(version):
    return tuple(int(part) for part in version.split("."))


class Sim:
    def __init__(self, *args, models=(MODEL, EMBED + ",size=274MB,load=50ms")):
        command = [os.path.join(BIN, "ollama-sim"), "--listen", "127.0.0.1:0", "--die-with-parent"]
        for model in models:
            command += ["--model", model]
        self.process = subprocess.Popen(command + list(args), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0
        self.process.stdout.close()

    def request(self, method, path, body=None, headers=None, timeout=DEADLINE):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def json(self, path):
        return json.loads(self.get(path).text)

    def chat(self, text="hello", path="/api/chat", model=CHAT, **more):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        if path == "/api/generate":
            body["prompt"] = text
            del body["messages"]
        return self.post(path, body)

    def lines(self, text="hello", **more):
        return [json.loads(line) for line in self.chat(text, **more).text.splitlines()]

    def open(self, path, body, timeout=DEADLINE):
        """Sends a request and leaves the answer to the caller."""
        text = json.dumps(body).encode()
        sock = socket.create_connection(("127.0.0.1", self.port), timeout)
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                     % (path.encode(), len(text), text))
        return sock

    def open_chat(self, text="hello", model=CHAT, **more):
        return self.open("/api/chat", {"model": model, **more,
                                       "messages": [{"role": "user", "content": text}]})

    def fault(self, *faults):
        answer = self.post("/sim/faults", {"set": list(faults)})
        assert answer.status == 200, answer.text

    def config(self, **config):
        answer = self.post("/sim/config", config)
        assert answer.status == 200, answer.text

    def state(self):
        return self.json("/sim/state")

    def model(self, name=CHAT):
        return next(m for m in self.state()["models"] if m["name"].startswith(name))

    def ps(self):
        return self.json("/api/ps")["models"]

    def until(self, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, "never happened"
            time.sleep(0.005)

    def load(self, model=CHAT, **more):
        return json.loads(self.post("/api/generate", {"model": model, **more}).text)


@pytest.fixture
def sim():
    with Sim() as running:
        yield running


def read_all(sock):
    data = b""
    while True:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


def read_until(sock, wanted):
    data = b""
    while wanted not in data:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


def parse_time(text):
    match = re.fullmatch(r"(\d{4})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", text)
    assert match, text
    seconds = time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    zone = match.group(3)
    if zone != "Z":
        seconds -= (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 60 + int(zone[4:])) * 60
    return seconds + float(match.group(2) or 0)


def content(lines):
    return "".join(line["message"]["content"] for line in lines)


# --- C1.1: what /api/ps shows ---------------------------------------------------------------------

def test_ps_with_nothing_loaded_is_an_empty_list(sim):
    answer = sim.get("/api/ps")
    assert answer.text == '{"models":[]}'
    assert answer.getheader("Content-Type") == "application/json; charset=utf-8"


def test_ps_lists_the_keys_in_ollamas_order(sim):
    sim.load()
    assert list(sim.ps()[0]) == ["name", "model", "size", "digest", "details", "expires_at",
                                 "size_vram", "context_length"]
    tag = next(t for t in sim.json("/api/tags")["models"] if t["name"] == CHAT)
    assert sim.ps()[0]["digest"] == tag["digest"] and re.fullmatch("[0-9a-f]{64}", tag["digest"])


@pytest.mark.parametrize("version,model,listed", [
    ("0.11.4", "llama3.2:3b", True), ("0.12.5", "llama3.2:3b", False), ("0.24.0", "gemma3:1b", True),
    ("0.30.0", "gemma3:1b", False), ("0.32.15", "gemma3:1b", False)])
def test_a_loading_model_is_listed_or_not_by_version(version, model, listed):
    with Sim("--version-profile", version, models=[model + ",load=60s"]) as sim:
        sock = sim.open_chat(model=model)
        sim.until(lambda: sim.model(model)["state"] == "loading")
        assert [m["name"] for m in sim.ps()] == ([model] if listed else [])
        sock.close()


def test_expires_at_lies_in_the_past_during_a_long_later_request():
    with Sim("--keep-alive", "300ms") as sim:
        sim.load()
        sock = sim.open_chat(options={"num_predict": 1000}, text="echo " + "word " * 1000)
        sim.until(lambda: sim.ps() and parse_time(sim.ps()[0]["expires_at"]) < time.time() - 0.1)
        sock.close()


def test_expires_at_moves_during_the_first_request(sim):
    sock = sim.open_chat("echo " + "word " * 1000)
    sim.until(sim.ps)
    first = sim.ps()[0]["expires_at"]
    sim.until(lambda: sim.ps()[0]["expires_at"] > first)
    sock.close()


def test_a_stopped_busy_model_stays_listed_with_the_time_of_the_stop(sim):
    sock = sim.open_chat("echo " + "word " * 20)
    sim.until(sim.ps)
    assert sim.load(keep_alive=0)["done_reason"] == "unload"
    assert parse_time(sim.ps()[0]["expires_at"]) <= time.time()
    read_until(sock, b'"done":true')
    sim.until(lambda: sim.ps() == [])


@pytest.mark.parametrize("zone,digits,pattern", [
    ("Z", 9, r"\.\d{1,9}Z"), ("+05:30", 0, r"\d\+05:30"), ("-08:00", 3, r"(\.\d{1,3})?-08:00")])
def test_expires_at_has_the_zone_and_digits_asked_for(zone, digits, pattern):
    with Sim("--zone", zone, "--digits", str(digits)) as sim:
        sim.load()
        shown = sim.ps()[0]["expires_at"]
        assert re.search(pattern + "$", shown), shown
        assert abs(parse_time(shown) - time.time() - 300) < 30


@pytest.mark.parametrize("keep_alive", [-1, "-1m"])
def test_keep_alive_below_zero_expires_in_2318(sim, keep_alive):
    sim.load(keep_alive=keep_alive)
    assert sim.ps()[0]["expires_at"].startswith(str(time.gmtime().tm_year + 292)[:3])
    assert int(sim.ps()[0]["expires_at"][:4]) - time.gmtime().tm_year in (292, 293)


def test_fault_ps_block_answers_late_and_ps_500_empty_with_nothing(sim):
    sim.fault("ps-block=300ms,count=1")
    start = time.monotonic()
    assert sim.ps() == [] and time.monotonic() - start >= 0.3
    sim.fault("ps-block=60s")
    with pytest.raises(socket.timeout):
        sim.get("/api/ps", timeout=0.2)
    sim.fault("ps-500-empty,count=1")
    answer = sim.get("/api/ps")
    assert (answer.status, answer.text) == (500, "")
    assert sim.ps() == []


def test_fault_ps_dead_runner_stays_listed_and_reloads_at_the_next_request(sim):
    sim.load()
    sim.fault("ps-dead-runner,count=1")
    assert sim.model()["state"] == "dead"
    assert [m["name"] for m in sim.ps()] == [CHAT]
    assert sim.lines()[-1]["done"] and sim.model()["loads"] == 2


# --- C1.2: versions -------------------------------------------------------------------------------

@pytest.mark.parametrize("version", VERSIONS)
def test_a_profile_differs_where_its_version_does(version):
    v = number(version)
    models = [MODEL + ",template=rendered", EMBED, "qwen3:0.6b,load=10ms,gen_tps=500,tokens=3"]
    with Sim("--version-profile", version, models=models) as sim:
        assert sim.json("/api/version") == {"version": version}
        assert sim.request("HEAD", "/api/version").status == (200 if v >= (0, 5, 12) else 404)
        assert sim.request("DELETE", "/api/ps").status == (405 if v >= (0, 7, 0) else 404)
        lines = sim.lines()
        assert ("context_length" in sim.ps()[0]) == (v >= (0, 10, 0))
        keys = [k for k in lines[-1] if k.startswith("done")]
        assert keys == (["done", "done_reason"] if v >= (0, 12, 0) else ["done_reason", "done"])
        assert "capabilities" in sim.json("/api/tags")["models"][0] or v < (0, 30, 0)
        thought = any("thinking" in line["message"] for line in sim.lines(model="qwen3:0.6b"))
        assert thought == (v >= (0, 12, 4))
        embedding = json.loads(sim.post("/api/embed", {"model": EMBED, "input": "a",
                                                       "dimensions": 5}).text)["embeddings"][0]
        assert len(embedding) == (5 if v >= (0, 11, 11) else 768)
        logs = sim.lines(logprobs=True)[0].get("logprobs")
        assert (logs is not None) == (v >= (0, 12, 11))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_before_the_first_chunk_is_a_line_until_0_12_5_and_a_status_after(version):
    text = "an error was encountered while running the model: unexpected EOF"
    with Sim("--version-profile", version) as sim:
        sim.fault("status=eof500")
        answer = sim.chat()
        old = number(version) < (0, 12, 6)
        assert answer.status == (200 if old else 500)
        assert json.loads(answer.text) == {"error": text} and answer.text.endswith("\n") == old
        assert sim.chat(stream=False).status == 500


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


@pytest.mark.parametrize("version,template,last", [
    ("0.9.6", "native", False), ("0.12.5", "native", False), ("0.24.0", "native", False),
    ("0.32.15", "rendered", False), ("0.30.0", "native", True), ("0.32.15", "native", True)])
def test_tool_calls_come_before_or_in_the_last_line(version, template, last):
    with Sim("--version-profile", version, models=[MODEL + ",template=" + template]) as sim:
        lines = sim.lines("is it raining?", tools=TOOLS)
        calling = [line for line in lines if "tool_calls" in line["message"]]
        assert len(calling) == 1 and calling[0]["done"] == last and lines[-1]["done"]
        call = calling[0]["message"]["tool_calls"][0]
        assert call["function"]["arguments"] == {"input": "is it raining?"}
        with_id = number(version) >= (0, 12, 10)
        assert bool(re.fullmatch("call_[a-z0-9]{8}", call.get("id", ""))) == with_id
        assert ("index" in call["function"]) == with_id


def test_0_30_0_alone_leaves_cached_tokens_out_of_the_count():
    for version, same in (("0.30.0", False), ("0.32.15", True), ("0.24.0", True)):
        with Sim("--version-profile", version) as sim:
            first, second = sim.lines("a b c")[-1], sim.lines("a b c")[-1]
            counts = first["prompt_eval_count"], second.get("prompt_eval_count", 0)
            assert (counts[0] == counts[1]) == same and counts[1] in (counts[0], 0)


def test_0_12_5_reports_the_time_of_the_last_batch_only():
    text = "word " * 600
    times = {}
    for version in ("0.12.5", "0.12.11"):
        with Sim("--version-profile", version) as sim:
            times[version] = sim.lines(text)[-1]["prompt_eval_duration"]
    assert times["0.12.5"] * 4 < times["0.12.11"]


# --- C1.3: chunks ---------------------------------------------------------------------------------

def test_a_stream_is_ndjson_in_chunks_one_line_each(sim):
    data = b""
    sock = sim.open_chat("echo one two")
    data = read_until(sock, b"0\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Type: application/x-ndjson" in head
    assert b"Transfer-Encoding: chunked" in head
    sizes = re.findall(rb"(?:^|\r\n)([0-9a-f]+)\r\n(?=\{)", body)
    assert len(sizes) == 3


def count_reads(sock):
    reads = 0
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        piece = sock.recv(65536)
        assert piece
        data += piece
        reads += 1
    return reads, data


def test_fault_split_sends_a_byte_per_segment(sim):
    sim.load()
    sim.fault("split=1,path=/api/chat")
    reads, data = count_reads(sim.open_chat("echo hé 😀"))
    assert reads > len(data) / 20
    assert "😀".encode() in data
    sim.fault("split=7")
    assert content(sim.lines("echo hé 😀")) == "hé 😀"
    assert sim.json("/api/version")["version"] == "0.32.15"


def test_fault_merge_puts_several_lines_in_a_chunk(sim):
    sim.fault("merge=3")
    _, data = count_reads(sim.open_chat("echo a b c d"))
    assert len(re.findall(rb"\r\n[0-9a-f]+\r\n\{", data)) == 2
    assert len(data.split(b'"created_at"')) == 6


def test_html_characters_and_line_separators_are_escaped_like_go_does(sim):
    text = sim.chat("echo <a> & b\u2028c\u2029 \"q\" \\ \t").text
    for escape in ("\\u003ca\\u003e", "\\u0026", "\\u2028", "\\u2029", '\\"q\\"', "\\\\", "\\t"):
        assert escape in text
    assert "<" not in text and "&" not in text


def test_fault_escape_unicode_sends_surrogate_pairs(sim):
    sim.fault("escape-unicode")
    text = sim.chat("echo é 😀").text
    assert "\\ud83d\\ude00" in text and "\\u00e9" in text
    assert content([json.loads(line) for line in text.splitlines()]) == "é 😀"


def test_fault_empty_chunks_sends_lines_without_content(sim):
    sim.fault("empty-chunks")
    lines = sim.lines("echo a b")
    assert [line["message"]["content"] for line in lines] == ["", "a", "", " b", ""]


def test_thinking_comes_before_content():
    with Sim(models=["qwen3:0.6b,load=1ms,gen_tps=1000,tokens=3,thinking=2"]) as sim:
        lines = sim.lines(model="qwen3:0.6b")
        assert [line["message"].get("thinking") for line in lines] == ["think0", " think1"] + [None] * 4
        assert [line["message"]["content"] for line in lines] == ["", "", "tok0", " tok1", " tok2", ""]
        assert len(sim.lines(model="qwen3:0.6b", think=False)) == 4
        whole = json.loads(sim.chat(model="qwen3:0.6b", stream=False).text)["message"]
        assert whole == {"role": "assistant", "content": "tok0 tok1 tok2", "thinking": "think0 think1"}


def test_fault_slow_prefill_is_silence_then_a_stream(sim):
    sim.load()
    sim.fault("slow-prefill=400ms")
    sock = sim.open_chat("echo a b")
    sock.settimeout(0.2)
    with pytest.raises(socket.timeout):
        sock.recv(1)
    sock.settimeout(DEADLINE)
    assert b'"prompt_eval_duration":400000000' in read_until(sock, b"0\r\n\r\n")


def test_fault_slow_tokens_paces_them(sim):
    sim.load()
    sim.fault("slow-tokens=100ms")
    start = time.monotonic()
    assert sim.lines("echo a b c")[-1]["eval_duration"] == 300000000
    assert time.monotonic() - start >= 0.3


def test_fault_long_line_and_big_embed_are_large(sim):
    sim.fault("long-line=3MB")
    lines = sim.lines()
    assert len(lines[1]["message"]["content"]) == 3000000 and lines[-1]["done"]
    sim.fault("big-embed=2MB")
    answer = sim.post("/api/embed", {"model": EMBED, "input": "a"})
    assert len(answer.text) >= 2000000
    assert len(json.loads(answer.text)["embeddings"][0]) > 100000


# --- C1.4: ends -----------------------------------------------------------------------------------

def test_a_stream_ends_with_done_true(sim):
    lines = sim.lines()
    assert content(lines) == " ".join("tok%d" % i for i in range(10))
    assert [line["done"] for line in lines] == [False] * 10 + [True]
    assert lines[-1]["done_reason"] == "stop"
    short = sim.lines(options={"num_predict": 4})
    assert content(short) == "tok0 tok1 tok2 tok3" and short[-1]["done_reason"] == "length"
    assert content(sim.lines()) == content(lines)


def test_fault_error_line_after_ends_with_that_line(sim):
    sim.fault("error-line-after=2")
    lines = sim.lines()
    assert len(lines) == 3
    assert lines[2] == {"error": "an error was encountered while running the model: unexpected EOF"}
    sim.fault("error-line-after=0,text=out of a, b and c")
    assert sim.lines() == [{"error": "out of a, b and c"}]
    answer = sim.chat(stream=False)
    assert (answer.status, json.loads(answer.text)) == (500, {"error": "out of a, b and c"})


def test_fault_clean_end_after_ends_without_done(sim):
    sim.fault("clean-end-after=3")
    assert [line["done"] for line in sim.lines()] == [False] * 3
    assert json.loads(sim.chat(stream=False).text)["done"] is False


def test_fault_cut_after_closes_in_the_middle_of_a_chunk(sim):
    sim.fault("cut-after=2")
    data = read_all(sim.open_chat())
    assert data.count(b'"done":false') == 2 and not data.endswith(b"0\r\n\r\n")
    with pytest.raises(http.client.IncompleteRead):
        sim.chat()
    with pytest.raises(http.client.IncompleteRead):
        sim.chat(stream=False)
    sim.fault("cut-after=0")
    assert read_all(sim.open_chat()) == b""


def test_fault_reset_after_resets(sim):
    sim.fault("reset-after=2")
    sock = sim.open_chat()
    read_until(sock, b" tok1")
    with pytest.raises(ConnectionResetError):
        read_all(sock)


def test_fault_hang_after_goes_silent_and_keeps_its_slot(sim):
    sim.fault("hang-after=2,count=1")
    sock = sim.open_chat()
    data = read_until(sock, b" tok1")
    sock.settimeout(0.2)
    with pytest.raises(socket.timeout):
        sock.recv(1)
    assert data.count(b'"done":false') == 2 and sim.model()["running"] == 1
    sock.close()
    sim.until(lambda: sim.model()["running"] == 0)
    assert sim.lines()[-1]["done"]


def test_fault_repeat31_drops_the_answer_silently(sim):
    sim.fault("repeat31")
    lines = sim.lines()
    assert content(lines) == " again" * 31 and not any(line["done"] for line in lines)
    whole = json.loads(sim.chat(stream=False).text)
    assert whole["done"] is False and "done_reason" not in whole


def test_fault_garbage_is_a_line_that_is_no_json(sim):
    sim.fault("garbage=1")
    lines = sim.chat().text.splitlines()
    with pytest.raises(ValueError):
        json.loads(lines[1])
    assert json.loads(lines[-1])["done"]


def test_fault_truncated_json_and_wrong_content_length(sim):
    sim.fault("truncated-json")
    lines = sim.chat().text.splitlines()
    with pytest.raises(ValueError):
        json.loads(lines[-1])
    with pytest.raises(ValueError):
        json.loads(sim.chat(stream=False).text)
    sim.fault("wrong-content-length=1000")
    for stream in (True, False):
        with pytest.raises(http.client.IncompleteRead):
            sim.chat(stream=stream)


def test_fault_hang_accept_and_hang_headers_never_answer(sim):
    for fault, wanted in (("hang-accept", b""), ("hang-headers", b"HTTP/1.1 200 OK\r\n")):
        sim.fault(fault)
        for path in ("/api/chat", "/api/version"):
            sock = sim.open(path, {"model": CHAT})
            sock.settimeout(0.2)
            data = b""
            with pytest.raises(socket.timeout):
                while True:
                    data += sock.recv(1000)
            assert data.startswith(wanted) and b"\r\n\r\n" not in data
            sock.close()


def test_fault_connect_refuse_closes_the_port_for_a_time(sim):
    other = socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    sim.fault("connect-refuse=300ms")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    assert other.recv(1) == b""

    def back():
        try:
            return sim.get("/").text == "Ollama is running"
        except OSError:
            return False
    sim.until(back)


def test_faults_of_tags_and_version(sim):
    sim.fault("tags-500,count=1", "version-404,count=1")
    assert sim.get("/api/tags").status == 500 and sim.get("/api/tags").status == 200
    answer = sim.get("/api/version")
    assert (answer.status, answer.text) == (404, "404 page not found")
    assert sim.get("/api/version").status == 200


def test_faults_count_skip_and_pick_model_and_path(sim):
    sim.fault("status=500,count=1,after=1,text=once", {"name": "status", "arg": "busy503",
                                                       "model": "nomic-embed-text"})
    assert [sim.chat().status for _ in range(3)] == [200, 500, 200]
    assert sim.post("/api/embed", {"model": EMBED, "input": "a"}).status == 503
    sim.fault("status=500,path=/api/generate")
    assert sim.chat().status == 200 and sim.chat(path="/api/generate").status == 500
    sim.fault("status=html502,path=/api/ps")
    assert sim.get("/api/ps").status == 502 and sim.get("/api/tags").status == 200
    assert sim.post("/sim/faults", {"clear": True}).status == 200
    assert sim.state()["faults"] == []
    assert sim.post("/sim/faults", {"add": ["no-such-fault"]}).status == 400


# --- C1.5: errors ---------------------------------------------------------------------------------

NAMED = [
    ("missing400", 400, "missing request body"),
    ("invalid400", 400, "invalid character 'x' looking for beginning of value"),
    ("type400", 400,
     "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"),
    ("duration400", 400, 'time: missing unit in duration "300"'),
    ("model400", 400, "model is required"),
    ("name400", 400, "invalid model name"),
    ("logprobs400", 400, "top_logprobs must be between 0 and 20"),
    ("nochat400", 400, '"gemma3:1b" does not support chat'),
    ("nogenerate400", 400, '"gemma3:1b" does not support generate'),
    ("nothinking400", 400, '"gemma3:1b" does not support thinking'),
    ("notools400", 400, "registry.ollama.ai/library/gemma3:1b does not support tools"),
    ("raw400", 400, "raw mode does not support template, system, or context"),
    ("input400", 400, "invalid input type"),
    ("toolong400", 400, "the input length exceeds the context length"),
    ("unauthorized401", 401, "unauthorized"),
    ("notfound404", 404, "model 'gemma3:1b' not found"),
    ("notfound404embed", 404, 'model "gemma3:1b" not found, try pulling it first'),
    ("canceled499", 499, "request canceled"),
    ("busy503", 503, "server busy, please try again.  maximum pending requests exceeded"),
    ("memory500", 500, "model requires more system memory (3.9 GiB) than is available (2.1 GiB)"),
    ("layout500", 500, "memory layout cannot be allocated"),
    ("status500", 500, "unexpected server status: llm server error"),
    ("noslots500", 500, "no slots available after 10 retries"),
    ("format500", 500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
    ("option500", 500, 'option "num_ctx" must be of type integer'),
]


def test_each_named_error_has_its_status_and_exact_text(sim):
    for name, status, text in NAMED:
        sim.fault("status=" + name)
        answer = sim.chat()
        assert (answer.status, json.loads(answer.text)) == (status, {"error": text}), name
        assert answer.getheader("Retry-After") is None


def test_errors_of_old_and_new_runners_differ_in_words():
    for version, runner in (("0.24.0", "llama runner"), ("0.32.15", "llama-server")):
        with Sim("--version-profile", version) as sim:
            for name, start in (("terminated500", runner + " process has terminated: exit status"),
                                ("killed500", runner + " process has terminated: signal: killed"),
                                ("timeout500", "timed out waiting for " + runner + " to start - "),
                                ("oom500", "llama-server reported out-of-memory during startup"
                                 if runner == "llama-server" else "model requires more system"),
                                ("stopped500", "model runner has unexpectedly stopped, this may be"),
                                ("reading500", "error reading ll")):
                sim.fault("status=" + name)
                answer = sim.chat(stream=False)
                assert answer.status == 500
                assert json.loads(answer.text)["error"].startswith(start), answer.text


def test_bodies_that_are_no_json(sim):
    for name, status, kind, start in (("empty500", 500, None, ""), ("forbidden403", 403, None, ""),
                                      ("html502", 502, "text/html", "<html>"),
                                      ("page404", 404, "text/plain", "404 page not found"),
                                      ("method405", 405, "text/plain", "405 method not allowed")):
        sim.fault("status=" + name)
        answer = sim.chat()
        assert (answer.status, answer.getheader("Content-Type")) == (status, kind)
        assert answer.text.startswith(start) and (start or answer.text == "")


@pytest.mark.parametrize("path,body,status,text", [
    ("/api/chat", "", 400, "missing request body"),
    ("/api/chat", "x", 400, "invalid character 'x' looking for beginning of value"),
    ("/api/chat", '{"model":', 400, "unexpected EOF"),
    ("/api/chat", {"model": 3}, 400,
     "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"),
    ("/api/chat", {"model": ""}, 400, "model is required"),
    ("/api/chat", {"model": "nope", "messages": []}, 404, "model 'nope' not found"),
    ("/api/generate", {"model": "no such"}, 400, "invalid model name"),
    ("/api/embed", {"model": "nope", "input": "a"}, 404,
     'model "nope" not found, try pulling it first'),
    ("/api/embed", {"model": EMBED, "input": 3}, 400, "invalid input type"),
    ("/api/embed", {"model": EMBED, "input": "word " * 3000, "truncate": False}, 400,
     "the input length exceeds the context length"),
    ("/api/chat", {"model": EMBED, "messages": [{"role": "user", "content": "a"}]}, 400,
     '"nomic-embed-text" does not support chat'),
    ("/api/generate", {"model": CHAT, "prompt": "a", "think": True}, 400,
     '"gemma3:1b" does not support thinking'),
    ("/api/generate", {"model": CHAT, "keep_alive": "300"}, 400,
     'time: missing unit in duration "300"'),
    ("/api/generate", {"model": CHAT, "keep_alive": True}, 400, "Unsupported type: 'bool'"),
    ("/api/generate", {"model": CHAT, "prompt": "a", "options": {"num_ctx": "4096"}}, 500,
     'option "num_ctx" must be of type integer'),
    ("/api/generate", {"model": CHAT, "prompt": "a", "format": "xml"}, 500,
     'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
    ("/api/generate", {"model": CHAT, "prompt": "a", "top_logprobs": 21}, 400,
     "top_logprobs must be between 0 and 20"),
    ("/api/generate", {"model": CHAT, "prompt": "a", "raw": True, "system": "b"}, 400,
     "raw mode does not support template, system, or context"),
])
def test_a_bad_request_gets_ollamas_own_words(sim, path, body, status, text):
    answer = sim.post(path, body)
    assert (answer.status, json.loads(answer.text)) == (status, {"error": text})
    assert answer.getheader("Content-Type") == "application/json; charset=utf-8"


def test_a_prompt_longer_than_the_context_is_refused_from_0_30_and_cut_before():
    body = {"model": CHAT, "prompt": "word " * 100, "options": {"num_ctx": 50}}
    with Sim() as sim:
        answer = sim.post("/api/generate", body)
        assert answer.status == 400
        assert json.loads(answer.text)["error"].startswith(
            "the prompt is longer than the context length currently available to the model; ")
        sim.config(version_profile="0.24.0")
        lines = sim.post("/api/generate", body).text.splitlines()
        assert json.loads(lines[-1])["prompt_eval_count"] == 50


def test_unknown_paths_hosts_and_origins(sim):
    answer = sim.get("/api/nothing")
    assert (answer.status, answer.text) == (404, "404 page not found")
    assert sim.get("/api/ps", headers={"Host": "evil.example.com"}).status == 403
    assert sim.get("/api/ps", headers={"Host": "pi4.local:11434"}).status == 200
    assert sim.get("/api/ps", headers={"Origin": "http://evil.example.com"}).status == 403


# --- C1.6: the scheduler --------------------------------------------------------------------------

TWO = [MODEL, "llama3.2:3b,load=200ms,prompt_tps=2000,gen_tps=100,tokens=10"]
OTHER = "llama3.2:3b"
LONG = "echo " + "word " * 3000


def test_one_slot_lets_everybody_else_wait_without_limit(sim):
    sim.load()
    socks = [sim.open_chat("echo a b c d e") for _ in range(40)]
    sim.until(lambda: sim.model()["waiting"] > 30)
    for sock in socks:
        read_until(sock, b'"done":true')
    model = sim.model()
    assert model["max_running"] == 1 and model["max_in_flight"] == 40 and model["requests"] == 40


def test_slots_run_at_the_same_time():
    with Sim("--slots", "3") as sim:
        socks = [sim.open_chat(LONG) for _ in range(4)]
        sim.until(lambda: sim.model()["running"] == 3 and sim.model()["waiting"] == 1)
        for sock in socks:
            sock.close()
        sim.until(lambda: sim.model()["running"] == 0)


def test_a_load_blocks_all_that_need_scheduling_but_not_loaded_models():
    models = TWO + ["big:7b,load=60s"]
    with Sim(models=models) as sim:
        sim.load()
        loading = sim.open_chat(model="big:7b")
        sim.until(lambda: sim.model("big")["state"] == "loading")
        blocked = sim.open_chat(model=OTHER)
        assert sim.lines()[-1]["done"]
        sim.until(lambda: sim.state()["pending"] == 2)
        assert sim.model(OTHER)["state"] == "unloaded"
        loading.close()
        read_until(blocked, b'"done":true')
        assert sim.state()["load_aborts"] == 1
        sim.config(version_profile="0.11.4")
        loading = sim.open_chat(model="big:7b")
        sim.until(lambda: sim.model("big")["state"] == "loading")
        old = sim.open_chat()
        sim.until(lambda: sim.state()["pending"] == 2)
        old.close()
        loading.close()


def test_a_full_pending_queue_answers_503():
    with Sim("--max-queue", "2", models=[MODEL, "big:7b,load=60s"]) as sim:
        first = sim.open_chat(model="big:7b")
        sim.until(lambda: sim.model("big")["state"] == "loading")
        waiting = [sim.open_chat(model="big:7b") for _ in range(2)]
        sim.until(lambda: sim.state()["pending"] == 3)
        answer = sim.chat()
        assert answer.status == 503
        assert answer.text == ('{"error":"server busy, please try again.  maximum pending requests '
                               'exceeded"}')
        for sock in waiting + [first]:
            sock.close()


def test_another_num_ctx_reloads_and_sampling_options_do_not(sim):
    sim.lines()
    sim.lines(options={"temperature": 0, "seed": 3, "num_predict": 2})
    sim.lines(options={"num_ctx": 4096})
    assert sim.model()["loads"] == 1
    sim.lines(options={"num_ctx": 8192})
    assert sim.model()["loads"] == 2 and sim.ps()[0]["context_length"] == 8192
    sim.lines()
    assert sim.model()["loads"] == 3
    sim.load(options={"num_ctx": 0})
    assert sim.model()["num_ctx"] == 4


def test_the_shortest_keep_alive_is_evicted_first():
    models = [name + ",load=1ms,gen_tps=1000,tokens=1" for name in ("a", "b", "c")]
    with Sim("--max-loaded", "2", models=models) as sim:
        sim.load("a", keep_alive="10m")
        sim.load("b", keep_alive="20m")
        sim.load("a")
        sim.load("c", keep_alive="1m")
        assert {m["name"] for m in sim.ps()} == {"b:latest", "c:latest"}
        sim.load("a", keep_alive=-1)
        assert {m["name"] for m in sim.ps()} == {"a:latest", "b:latest"}


def test_a_keep_alive_of_a_later_request_starves_the_pending_load():
    with Sim("--max-loaded", "1", models=TWO) as sim:
        busy = sim.open_chat("echo " + "word " * 40)
        sim.until(lambda: sim.model()["running"] == 1)
        pending = sim.open_chat(model=OTHER)
        sim.until(lambda: sim.state()["pending"] == 1)
        keeping = sim.open_chat("echo a", keep_alive="1h")
        read_until(busy, b'"done":true')
        read_until(keeping, b'"done":true')
        sim.until(lambda: sim.model()["in_flight"] == 0)
        assert sim.model()["state"] == "loaded" and sim.state()["pending"] == 1
        assert sim.load(keep_alive=0)["done_reason"] == "unload"
        read_until(pending, b'"done":true')


def test_a_busy_victim_without_keep_alive_goes_when_its_request_ends():
    with Sim("--max-loaded", "1", models=TWO) as sim:
        busy = sim.open_chat("echo " + "word " * 20)
        sim.until(lambda: sim.model()["running"] == 1)
        assert sim.lines(model=OTHER)[-1]["done"]
        assert b'"done":true' in read_until(busy, b"0\r\n\r\n")
        assert [m["name"] for m in sim.ps()] == [OTHER]


def test_a_disconnect_aborts_the_load(sim):
    sim.config(models={CHAT: {"load": "60s"}})
    sock = sim.open("/api/generate", {"model": CHAT})
    sim.until(lambda: sim.model()["state"] == "loading")
    sock.close()
    sim.until(lambda: sim.model()["state"] == "unloaded")
    assert sim.state()["load_aborts"] == 1 and sim.state()["loads"] == 0


def test_fault_load_hang_never_loads(sim):
    sim.fault("load-hang,count=1")
    sock = sim.open_chat()
    sim.until(lambda: sim.model()["state"] == "loading")
    sock.settimeout(0.5)
    with pytest.raises(socket.timeout):
        sock.recv(1)
    sock.close()
    assert sim.lines()[-1]["done"]


@pytest.mark.parametrize("version,busy", [("0.24.0", True), ("0.32.15", False)])
def test_a_disconnect_during_prefill_frees_the_slot_late_up_to_0_24(version, busy):
    model = MODEL.replace("prompt_tps=2000", "prompt_tps=100000")
    with Sim("--version-profile", version, "--speed", "20", models=[model]) as sim:
        sim.load()
        sim.fault("slow-prefill=2s,count=1")
        start = time.monotonic()
        sock = sim.open_chat()
        sim.until(lambda: sim.model()["running"] == 1)
        sock.close()
        sim.until(lambda: sim.model()["in_flight"] == 0)
        assert sim.model()["running"] == 1
        assert sim.lines()[-1]["done"]
        assert (time.monotonic() - start >= 2) == busy


def test_a_disconnect_while_generating_or_waiting_frees_the_slot_at_once(sim):
    first, second = sim.open_chat(LONG), sim.open_chat(LONG)
    sim.until(lambda: sim.model()["running"] == 1 and sim.model()["waiting"] == 1)
    second.close()
    sim.until(lambda: sim.model()["waiting"] == 0)
    read_until(first, b"word")
    first.close()
    sim.until(lambda: sim.model()["running"] == 0)
    assert sim.state()["aborted"] == 2


def test_a_client_that_stops_reading_and_leaves_wedges_its_slot():
    with Sim("--speed", "10000") as sim:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", sim.port))
        # At this speed the usual five minutes are 30 ms, and an unloaded model wedges no more.
        body = json.dumps({"model": CHAT, "prompt": "echo " + "word " * 100000, "keep_alive": -1,
                           "options": {"num_ctx": 131072}}).encode()
        sock.sendall(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                     % len(body) + body)
        made = [-1]

        def stopped():
            before, made[0] = made[0], sim.model()["generated"]
            time.sleep(0.05)
            return 0 < before == made[0]
        sim.until(stopped)
        sock.close()
        sim.until(lambda: sim.state()["wedged"] == 1)
        assert sim.model()["running"] == 1


def test_preload_and_unload_idioms(sim):
    answer = sim.post("/api/generate", {"model": CHAT})
    assert answer.getheader("Content-Type").startswith("application/json")
    loaded = json.loads(answer.text)
    assert loaded.pop("created_at") and loaded == {
        "model": CHAT, "response": "", "done": True, "done_reason": "load"}
    unloaded = json.loads(sim.post("/api/chat", {"model": CHAT, "messages": [],
                                                 "keep_alive": 0}).text)
    assert unloaded["message"] == {"role": "assistant", "content": ""}
    assert unloaded["done_reason"] == "unload" and sim.ps() == []
    assert sim.load(keep_alive=0)["done_reason"] == "unload"
    assert json.loads(sim.post("/api/embed", {"model": EMBED, "input": []}).text)["embeddings"] == []


def test_keep_alive_ends_and_sticks(sim):
    sim.load(keep_alive="100ms")
    sim.until(lambda: sim.ps() == [])
    sim.load(keep_alive="1h")
    sim.lines()
    assert parse_time(sim.ps()[0]["expires_at"]) > time.time() + 3000


# --- C1.7 and C1.8: prefix cache and metrics ------------------------------------------------------

def turn(sim, *texts):
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts)]
    lines = sim.post("/api/chat", {"model": CHAT, "messages": messages}).text.splitlines()
    return json.loads(lines[-1])


def test_only_uncached_tokens_cost_time_and_all_are_counted(sim):
    history = "one two three " * 100
    first = turn(sim, history)
    answer = " ".join("tok%d" % i for i in range(10))
    second = turn(sim, history, answer, "and now?")
    assert second["prompt_eval_count"] > first["prompt_eval_count"] + 10
    assert second["prompt_eval_duration"] * 10 < first["prompt_eval_duration"]
    per_token = first["prompt_eval_duration"] / first["prompt_eval_count"]
    assert abs(per_token - 1e9 / 2000) < 1000
    changed = turn(sim, "X " + history, answer, "and now?")
    assert changed["prompt_eval_duration"] > first["prompt_eval_duration"]


def test_the_prefix_cache_is_per_slot_and_can_be_off():
    with Sim("--slots", "2") as sim:
        a, b = "a " * 100, "b " * 100
        for text in (a, b):
            turn(sim, text)
        assert "prompt_eval_duration" not in turn(sim, a)
        assert "prompt_eval_duration" not in turn(sim, b)
    with Sim("--prefix-cache", "off") as sim:
        assert turn(sim, "a")["prompt_eval_duration"] == turn(sim, "a")["prompt_eval_duration"]


def test_durations_are_nanoseconds_and_left_out_when_zero(sim):
    first = sim.lines("a b c")[-1]
    assert 200e6 <= first["load_duration"] < 2e9
    assert first["eval_count"] == 10 and first["eval_duration"] == 100000000
    parts = first["load_duration"] + first["prompt_eval_duration"] + first["eval_duration"]
    assert parts <= first["total_duration"] < parts + 2e9
    second = sim.lines("a b c")[-1]
    assert "prompt_eval_duration" not in second
    assert second["prompt_eval_count"] == first["prompt_eval_count"]
    assert not any(key.endswith("duration") for key in sim.load())


def test_waiting_for_a_slot_is_in_the_total_only(sim):
    sim.load()
    first = sim.open_chat("echo " + "word " * 30)
    sim.until(lambda: sim.model()["running"] == 1)
    last = sim.lines("echo a")[-1]
    assert last["total_duration"] > 100e6 > 10 * last["load_duration"]
    first.close()


def test_speed_makes_the_machine_faster():
    with Sim("--speed", "10") as sim:
        last = sim.lines()[-1]
        assert last["eval_duration"] == 10000000 and last["load_duration"] < 200e6


# --- answers --------------------------------------------------------------------------------------

def test_generate_and_its_context(sim):
    first = sim.lines("hi", path="/api/generate")
    assert [line["response"] for line in first[:2]] == ["tok0", " tok1"]
    assert list(first[-1])[:6] == ["model", "created_at", "response", "done", "done_reason", "context"]
    assert len(first[-1]["context"]) == first[-1]["prompt_eval_count"] + first[-1]["eval_count"]
    raw = sim.lines("hi", path="/api/generate", raw=True)
    assert "context" not in raw[-1]
    more = sim.lines("again", path="/api/generate", context=first[-1]["context"])[-1]
    assert more["prompt_eval_count"] > len(first[-1]["context"])


def test_the_model_name_is_echoed_byte_for_byte(sim):
    for name in ("gemma3:1b", "GEMMA3:1b", "library/gemma3:1b", "registry.ollama.ai/library/gemma3:1b"):
        assert sim.lines(model=name)[0]["model"] == name
    assert {m["name"] for m in sim.ps()} == {CHAT}
    body = {"model": EMBED, "input": "a"}
    assert json.loads(sim.post("/api/embed", body).text)["model"] == EMBED
    assert {m["name"] for m in sim.ps()} == {CHAT, EMBED + ":latest"}


def test_stream_false_sends_one_object_at_the_end(sim):
    answer = sim.chat("echo a b", stream=False)
    assert answer.getheader("Content-Type") == "application/json; charset=utf-8"
    assert int(answer.getheader("Content-Length")) == len(answer.text)
    whole = json.loads(answer.text)
    assert whole["message"]["content"] == "a b" and whole["done"] and whole["eval_count"] == 2
    long = sim.chat("echo " + "word " * 400, stream=False)
    assert long.getheader("Transfer-Encoding") == "chunked"
    assert json.loads(long.text)["message"]["content"] == "word " * 400


def test_embeddings_are_deterministic_and_of_length_one(sim):
    body = {"model": EMBED, "input": ["a", "b", "a"]}
    answer = json.loads(sim.post("/api/embed", body).text)
    a, b, again = answer["embeddings"]
    assert a == again != b and len(a) == 768
    assert abs(sum(x * x for x in a) - 1) < 1e-5
    assert list(answer) == ["model", "embeddings", "total_duration", "load_duration",
                            "prompt_eval_count"]
    cut = json.loads(sim.post("/api/embed", {**body, "dimensions": 5}).text)["embeddings"][0]
    assert len(cut) == 5 and abs(sum(x * x for x in cut) - 1) < 1e-5
    old = json.loads(sim.post("/api/embeddings", {"model": EMBED, "prompt": "a"}).text)
    assert list(old) == ["embedding"] and len(old["embedding"]) == 768


def test_logprobs_format_and_tool_results(sim):
    lines = sim.lines("echo hé x", logprobs=True, top_logprobs=2)
    entry = lines[0]["logprobs"][0]
    assert entry["token"] == "hé" and entry["logprob"] <= 0 and len(entry["top_logprobs"]) == 2
    assert bytes(entry["bytes"]).decode() == "hé"
    assert json.loads(content(sim.lines("echo \"a\" <b>", format="json"))) == {"answer": '"a" <b>'}
    messages = [{"role": "user", "content": "x"}, {"role": "tool", "content": "42"}]
    answer = sim.post("/api/chat", {"model": CHAT, "messages": messages, "tools": TOOLS})
    assert "tool_calls" not in answer.text


def test_tags_and_show(sim):
    assert [m["name"] for m in sim.json("/api/tags")["models"]] == [CHAT, EMBED + ":latest"]
    shown = json.loads(sim.post("/api/show", {"model": CHAT}).text)
    assert shown["capabilities"] == ["completion", "tools"]
    assert sim.post("/api/show", {"model": "nope"}).status == 404
    assert sim.request("HEAD", "/api/tags").text == "" and sim.get("/").text == "Ollama is running"


# --- the program ----------------------------------------------------------------------------------

def test_bodies_are_kept_as_received_and_counted(sim):
    raw = '{ "model":"gemma3:1b" , "x":12345678901234567890, "messages":[] }'
    sim.post("/api/chat", raw)
    assert sim.json("/sim/requests") == [raw]
    for i in range(40):
        sim.post("/api/show", '{"model":"%d"}' % i)
    assert sim.json("/sim/requests")[0] == '{"model":"8"}' and len(sim.json("/sim/requests")) == 32
    assert sim.state()["requests"]["/api/show"] == 40
    sim.post("/sim/reset", {})
    assert sim.json("/sim/requests") == [] and sim.state()["requests"]["/api/show"] == 0


def test_connections_are_kept_counted_and_pipelined(sim):
    sock = socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    data = b""
    while data.count(b"Ollama is running") < 3:
        data += sock.recv(1000)
    assert sim.state()["connections_open"] == 2
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"Ollama is running" in read_all(sock)


def test_request_bodies_may_be_chunked_or_wait_for_a_continue(sim):
    sock = socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    sock.sendall(b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"9\r\n{\"model\":\r\n")
    sock.sendall(b"c\r\n\"gemma3:1b\"}\r\n0\r\n\r\n")
    assert b"200 OK" in read_until(sock, b"modelfile")
    sock = socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    sock.sendall(b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 21\r\n"
                 b"Expect: 100-continue\r\n\r\n")
    assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b'{"model":"gemma3:1b"}')
    assert b"200 OK" in read_until(sock, b"modelfile")


@pytest.mark.parametrize("data,status", [
    (b"nonsense\r\n\r\n", b" 400 "), (b"GET / HTTP/3\r\n\r\n", b" 505 "),
    (b"POST /api/chat HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b" 413 "),
    (b"POST /api/chat HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b" 400 "),
    (b"POST /api/chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
    (b"GET /" + b"x" * 65532, b" 431 "), (b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\n\r\n", b" 414 ")], ids=range(7))
def test_bad_http_is_refused_and_closed(sim, data, status):
    sock = socket.create_connection(("127.0.0.1", sim.port), DEADLINE)
    sock.sendall(data)
    assert status in read_all(sock)


@pytest.fixture
def many_descriptors():
    """More open files than Debian's usual 1024, for this process; the simulator sees to itself."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    if usual[1] < 2048:
        pytest.skip(f"no more than {usual[1]} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(usual[0], 2048), usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def test_connections_have_a_limit(sim, many_descriptors):
    socks = [socket.create_connection(("127.0.0.1", sim.port), DEADLINE) for _ in range(1030)]
    assert socks[-1].recv(1) == b""
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    sim.until(lambda: sim.state()["connections_open"] == 1)


def test_many_clients_that_come_and_go_leave_nothing_behind(sim):
    def client(seed):
        for i in range(15):
            sock = sim.open_chat("echo a b c d", options={"num_ctx": 4096 + (seed + i) % 2})
            sock.settimeout(0.01 * (seed % 5 + 1))
            try:
                read_until(sock, b'"done":true')
            except OSError:
                pass
            sock.close()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sim.until(lambda: sim.state()["in_flight"] == 0 and sim.state()["pending"] == 0)
    assert sim.lines()[-1]["done"] and sim.model()["running"] == 0


def test_the_command_line_is_checked_and_explained(tmp_path):
    program = os.path.join(BIN, "ollama-sim")
    helped = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=DEADLINE)
    assert helped.returncode == 0 and "reset-after" in helped.stdout and "busy503" in helped.stdout
    for bad in (["--listen", "x"], ["--version-profile", "9.9"], ["--model", "a,gen_tps=-1"],
                ["--fault", "nope"], ["--speed", "0"], ["extra"]):
        run = subprocess.run([program] + bad, capture_output=True, text=True, timeout=DEADLINE)
        assert run.returncode == 2 and bad[-1] in run.stderr
    path = tmp_path / "port"
    with Sim("--port-file", str(path), "--fault", "status=busy503", models=()) as sim:
        assert int(path.read_text()) == sim.port
        assert sim.chat().status == 503
        assert [m["name"] for m in sim.json("/api/tags")["models"]] == [CHAT, EMBED + ":latest"]
