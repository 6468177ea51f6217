"""The dashboard and the alerts against real metrics, in a real Prometheus if there is one."""

import json
import os
import re
import shutil
import socket
import urllib.parse

import pytest

from cluster import wait_until
from process import Process
from scrape import address, get, page

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SUFFIX = re.compile(r"_(bucket|sum|count)$")
# Filled in as Grafana does; the interval is that of a test.
VARIABLES = {"$__rate_interval": "20s", "$node": ".*", "$model": ".*"}
# What nothing happened for in this test.
MAY_BE_EMPTY = {"orion_takebacks_total", "orion_redis_errors_total", "orion_moves_refused_total"}


def queries():
    """(title, PromQL) of every panel."""
    with open(os.path.join(TOP, "config/grafana/orion.json"), encoding="utf-8") as file:
        for panel in json.load(file)["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"]
                for name, value in VARIABLES.items():
                    query = query.replace(name, value)
                yield panel["title"], query


def names(query):
    return {SUFFIX.sub("", n) if SUFFIX.search(n) and "seconds_" in n else n
            for n in re.findall(r"\b(?:orion|process)_[a-z_]+", query)}


@pytest.fixture
def busy(cluster):
    """A router and two nodes that have done something."""
    sims = [cluster.sim() for _ in range(2)]
    router = cluster.router(http_listen="127.0.0.1:0")
    for i, sim in enumerate(sims, 1):
        cluster.worker(f"pi-{i}", sim)
    for _ in range(6):
        cluster.ask()
    wait_until(lambda: page(router).value("orion_requests_total", outcome="done") == 6, "counted")
    for name in ("orion_dead_letters", "orion_node_cpu_ratio", "orion_node_tokens_per_second"):
        wait_until(lambda n=name: page(router).value(n) is not None, f"{name} is known")
    return router


def test_every_metric_and_label_of_the_dashboard_is_on_the_page(busy):
    found = page(busy)
    have = {}
    for name, labels in found.samples:
        have.setdefault(SUFFIX.sub("", name) if "seconds_" in name else name, set()).update(
            k for k, _ in labels)
    scraped = {"instance", "job"}  # what Prometheus adds
    for title, query in queries():
        assert names(query), (title, query)
        for name in names(query):
            assert name in found.names, (title, name)
            for label in re.findall(rf"{name}(?:_bucket|_sum|_count)?{{(\w+)[=!]", query):
                assert label in have.get(name, set()) | scraped or name in MAY_BE_EMPTY, (title, label)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def prometheus(cluster, busy):
    """A Prometheus with our alerts that scrapes the router each second; its address."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    port, target = free_port(), urllib.parse.urlparse(address(busy)).netloc
    path = cluster.path("prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
                   f"rule_files: [{os.path.abspath(TOP)}/config/prometheus/alerts.yml]\n"
                   f"scrape_configs:\n  - job_name: orion-router\n"
                   f"    static_configs: [{{targets: ['{target}']}}]\n")
    process = Process("prometheus", ["prometheus", f"--config.file={path}",
                                     f"--storage.tsdb.path={cluster.path('tsdb')}",
                                     f"--web.listen-address=127.0.0.1:{port}"],
                      cluster.path("prometheus.log"))
    cluster.others.append(process)
    process.start()
    return f"http://127.0.0.1:{port}"


def ask(where, query):
    status, text, _ = get(f"{where}/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    assert status == 200, (query, text)
    return json.loads(text)["data"]["result"]


def test_prometheus_scrapes_it_answers_every_query_and_no_alert_fires(cluster, busy, prometheus):
    def scrapes():
        try:
            return ask(prometheus, "count_over_time(up[1m]) >= 3 and up == 1")
        except OSError:
            return None

    wait_until(scrapes, "Prometheus has scraped three times", 30)
    assert page(busy).value("orion_redis_up") == 1
    for _ in range(3):
        cluster.ask()
    wait_until(lambda: ask(prometheus, 'sum(orion_requests_total{outcome="done"}) == 9'), "scraped")
    for title, query in queries():
        assert ask(prometheus, query) or names(query) & MAY_BE_EMPTY, (title, query)
    status, text, _ = get(prometheus + "/api/v1/rules?type=alert")
    rules = [r for g in json.loads(text)["data"]["groups"] for r in g["rules"]]
    assert status == 200 and len(rules) >= 15
    for rule in rules:
        assert rule["health"] in ("ok", "unknown"), rule
        # This Redis keeps no append-only file, which an alert says after five minutes.
        assert rule["state"] == "inactive" or rule["name"] == "OrionRedisNotDurable", rule
