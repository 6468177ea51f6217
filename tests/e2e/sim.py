"""The simulated Ollama (tests/ollama-sim) as a process, and its control paths."""

import http.client
import json
import re

from process import Process, binary, wait_until

INFERENCE = ("/api/chat", "/api/generate", "/api/embed")


class Sim(Process):
    def __init__(self, name, models, log_path, profile=None, **options):
        argv = [binary("ollama-sim"), "--listen", "127.0.0.1:0"]
        for model in models:
            argv += ["--model", model]
        for option, value in options.items():
            argv += ["--" + option.replace("_", "-"), str(value)]
        if profile:
            argv += ["--version-profile", profile]
        super().__init__(name, argv, log_path)
        self.port = None

    def start(self):
        if self.port:  # again at the same address: its worker still looks there
            self.argv[self.argv.index("--listen") + 1] = f"127.0.0.1:{self.port}"
        before = len(self.log) if self.popen else 0
        super().start()
        found = wait_until(lambda: re.search(r"127\.0\.0\.1:([1-9]\d*)", self.log[before:]),
                           "the simulator tells its port")
        self.port = int(found.group(1))
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read()
            assert response.status == 200, (method, path, response.status, text)
            return json.loads(text) if text else None
        finally:
            connection.close()

    def fault(self, spec):
        """Arms a fault: NAME[=ARG][,count=N][,after=K][,model=M][,path=P][,text=T]."""
        return self.call("POST", "/sim/faults", json.dumps({"add": [spec]}))

    def heal(self):
        """Disarms every fault."""
        return self.call("POST", "/sim/faults", json.dumps({"clear": True}))

    def state(self):
        return self.call("GET", "/sim/state")

    def asked(self, path=None):
        """How many requests came to `path`; without it, to all paths that run a model."""
        counts = self.state()["requests"]
        return counts[path] if path else sum(counts[p] for p in INFERENCE)

    def bodies(self):
        """Bodies of the last (up to 32) inference requests as texts, oldest first."""
        return self.call("GET", "/sim/requests")

    def running(self):
        """Requests that it works at, waiting and loading ones included."""
        return self.state()["in_flight"]

    def most_running(self):
        return self.state()["max_in_flight"]
