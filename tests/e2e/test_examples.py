"""The examples of the README (docs/examples) do what the README says, against a real cluster."""

import os
import shutil
import subprocess

import pytest

from process import SLOW

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "examples")
ANSWER = "the short waves are scattered most"


def run(cluster, *argv, path=None):
    """Output of an example; REDIS_URL leads it to the cluster's socket."""
    env = {**os.environ, "REDIS_URL": f"unix://{cluster.redis.socket}"}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60 * SLOW,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(name):
    return os.path.join(EXAMPLES, name)


def test_the_redis_cli_example_prints_the_whole_answer(fleet, tmp_path):
    # The example says plain redis-cli, as for a server on this machine; here it finds the socket.
    wrapper = tmp_path / "redis-cli"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("redis-cli")} -s {fleet.redis.socket} "$@"\n')
    wrapper.chmod(0o755)
    out = run(fleet, "sh", example("submit.sh"), "gemma3:1b", f"echo {ANSWER}", path=tmp_path)
    assert ANSWER in out and '"done":true' in out and "run_ms" in out


def test_the_python_example_prints_the_answer_and_the_node(fleet):
    out = run(fleet, "/usr/bin/python3", example("submit.py"), "gemma3:1b", f"echo {ANSWER}")
    answer, last = out.splitlines()
    assert answer == ANSWER and last.startswith("pi-") and last.endswith(" ms")


def test_the_python_example_prints_the_error_of_a_request_that_fails(fleet):
    out = run(fleet, "/usr/bin/python3", example("submit.py"), "no-such-model")
    assert "no-such-model" in out


def test_the_node_example_prints_the_answer_and_the_node(fleet):
    # NODE_PATH names the directory where ioredis is, if node does not find it by itself.
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if subprocess.run(["node", "-e", 'require("ioredis")'], capture_output=True, check=False,
                      cwd=EXAMPLES).returncode != 0:
        pytest.skip("ioredis is not installed (npm install ioredis, and NODE_PATH)")
    out = run(fleet, "node", example("submit.js"), "gemma3:1b", f"echo {ANSWER}")
    answer, last = out.splitlines()
    assert answer == ANSWER and last.startswith("pi-") and last.endswith(" ms")
