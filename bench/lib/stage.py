"""What a benchmark stands on: a redis-server, daemons with their shipped settings, tools."""

import contextlib
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tests", "e2e"))

from cluster import Cluster  # noqa: E402
from process import Process, binary, wait_until  # noqa: E402

# The test cluster has short times; a benchmark measures what is shipped.
SHIPPED_ROUTER = {"node_late": None, "node_lost": None, "model_wait": None, "log_level": None}
SHIPPED_WORKER = {"health_interval": None, "drain_timeout": None, "log_level": None}


class Stage(Cluster):
    """A cluster without persistence: nothing but CPU can be the limit."""

    def shipped_router(self, name="router-1", **settings):
        return self.router(name, **{**SHIPPED_ROUTER, **settings})

    def shipped_worker(self, node, sim, **settings):
        return self.worker(node, sim, **{**SHIPPED_WORKER, **settings})

    def tool(self, program, **options):
        """Runs a program of bench/ to its end and returns the JSON that it prints."""
        argv = self.argv(program, options)
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, timeout=600)
        if not done.stdout.strip():
            raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}, nothing printed")
        return json.loads(done.stdout.splitlines()[-1])

    def background(self, program, **options):
        """Starts a program of bench/ and waits until it says that it is ready."""
        process = Process(program, self.argv(program, options), self.path(program + ".log"))
        self.others.append(process)
        before = len(process.log) if os.path.exists(process.log_path) else 0
        process.start()
        wait_until(lambda: "ready" in process.log[before:], f"{program} is ready", 120)
        return process

    def argv(self, program, options):
        argv = [binary(program)]
        for name, value in {"redis": self.redis.socket, **options}.items():
            if value is not None:
                argv += ["--" + name.replace("_", "-"), str(value)]
        return argv

    def fill(self, n, bytes_each=1024, model="gemma3:1b", models=None, start=0):
        """n requests on P:requests, each an entry of about so many bytes."""
        names = models or [model]
        content = "x" * max(1, bytes_each - 140)
        message = json.dumps([{"role": "user", "content": content}])
        pipe = self.db.pipeline(transaction=False)
        for i in range(start, start + n):
            pipe.execute_command("XADD", self.keys.requests, "*", "request_id", f"b{i}", "model",
                                 names[i % len(names)], "messages", message)
            if i % 1000 == 999:
                pipe.execute()
        pipe.execute()

    def empty(self):
        """Forgets everything, with the connections left as they are."""
        self.db.flushall()


@contextlib.contextmanager
def stage():
    made = Stage()
    try:
        made.redis.start()
        yield made
    finally:
        made.close()


def cpu_seconds(pid):
    """User and system time of a process."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def pss_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024


def wakeups(pid):
    """How often the process slept and was woken."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))
