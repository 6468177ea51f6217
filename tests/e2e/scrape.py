"""What the router serves over HTTP, read as Prometheus reads it."""

import re
import shutil
import subprocess
import urllib.error
import urllib.request

from process import SLOW, wait_until

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def address(router):
    """Where the router listens, as it has logged; it was started with http_listen=127.0.0.1:0."""
    def found():
        return re.findall(r"event=http_listening address=(\S+) port=(\d+)", router.log)

    host, port = wait_until(found, "the router listens")[-1]
    return f"http://{host}:{port}"


def get(url):
    """(status, body, headers)"""
    try:
        with urllib.request.urlopen(url, timeout=5 * SLOW) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


class Page:
    """A metrics page."""

    def __init__(self, text):
        self.text = text
        self.samples = {}  # (name, frozenset of label pairs) -> value
        self.names = set()  # of families
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                self.names.add(line.split(" ")[2])
            elif not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                key = (name, frozenset(LABEL.findall(labels or "")))
                assert key not in self.samples, f"twice: {line}"
                self.samples[key] = float(value)

    def value(self, name, **labels):
        """Sum over the series that have these labels; None if there is none."""
        wanted = set(labels.items())
        found = [v for (n, have), v in self.samples.items() if n == name and wanted <= have]
        return sum(found) if found else None

    def labels(self, name, label):
        return {dict(have).get(label) for n, have in self.samples if n == name}


def page(router):
    status, text, headers = get(address(router) + "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return Page(text)


def promtool(*argv, **how):
    """Runs promtool; None where it is not installed."""
    if not shutil.which("promtool"):
        return None
    return subprocess.run(["promtool", *argv], capture_output=True, text=True, check=False, **how)
