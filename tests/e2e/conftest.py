"""The `cluster` fixture, and every process's log in the report of a test that failed."""

import pytest

from cluster import Cluster


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    clusters = getattr(item, "clusters", [])
    shared = [item.funcargs["fleet"]] if "fleet" in getattr(item, "funcargs", {}) else []
    if call.when == "call":
        item.passed = report.passed
    if report.failed:
        for cluster in clusters + shared:
            report.sections += [(f"log of {name}", text) for name, text in cluster.logs()]
    if call.when == "teardown":
        for cluster in clusters:
            cluster.close()


@pytest.fixture
def new_cluster(request):
    """Makes clusters; each is checked (orderly stop, no sanitizer output) and ended afterwards."""
    clusters = request.node.clusters = []

    def make(*options, start=True, **named):
        clusters.append(Cluster(*options, **named))
        if start:
            clusters[-1].redis.start()
        return clusters[-1]

    yield make
    if getattr(request.node, "passed", False):
        for cluster in clusters:
            cluster.check_and_stop()


@pytest.fixture
def cluster(new_cluster):
    """One cluster whose redis-server is up."""
    return new_cluster()


@pytest.fixture(scope="module")
def fleet():
    """Two nodes and a router for all tests of a file that do no harm; nothing may be left over."""
    cluster = Cluster()
    try:
        cluster.redis.start()
        cluster.fleet(2)
        yield cluster
        cluster.assert_no_leftovers()
        cluster.check_and_stop()
    except AssertionError as error:
        logs = "\n".join(f"--- {name}\n{text}" for name, text in cluster.logs())
        raise AssertionError(f"{error}\n{logs}") from error
    finally:
        cluster.close()
