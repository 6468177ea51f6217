"""The main path against a real Ollama: ORION_TEST_OLLAMA=URL and ORION_TEST_MODEL=NAME."""

import os

import pytest

URL, MODEL = os.environ.get("ORION_TEST_OLLAMA"), os.environ.get("ORION_TEST_MODEL")
pytestmark = pytest.mark.skipif(not (URL and MODEL), reason="set ORION_TEST_OLLAMA=URL and "
                                "ORION_TEST_MODEL=NAME to run against a real Ollama")
SHORT = {"options": {"num_predict": 24, "temperature": 0, "seed": 1}}


@pytest.fixture
def real(cluster):
    cluster.router()
    cluster.worker("pi-1", URL)
    return cluster


@pytest.mark.parametrize("stream", [None, True])
@pytest.mark.parametrize("fields", [
    {"messages": [{"role": "user", "content": "Say hello."}]}, {"prompt": "Say hello."}])
def test_a_real_model_answers(real, fields, stream):
    reply = real.ask(timeout=240, model=MODEL, stream=stream, progress=True, params=SHORT, **fields)
    assert reply.answer["eval_count"] > 0 and reply.attempt == 1
    assert bool(reply.chunks) == bool(stream)


def test_health_tells_what_a_real_ollama_has(real):
    health = real.health("pi-1")
    assert health["ollama_version"] and health["installed"]


def test_a_real_generation_is_cancelled(real):
    request_id = real.submit(model=MODEL, prompt="Count to ten thousand.", stream=True)
    real.wait_running(request_id, 240)
    real.cancel(request_id)
    assert real.read_reply(request_id, 10).code == "cancelled"


def test_a_real_refusal_is_invalid_request(real):
    reply = real.ask(timeout=240, model=MODEL, params={"top_logprobs": 99, "logprobs": True},
                     messages=[{"role": "user", "content": "hi"}])
    assert reply.end["type"] == "done" or reply.code == "invalid_request"
