"""The log as people and programs read it: one line per event, no contents, fields in the journal."""

import json
import os
import re
import shutil
import subprocess

import pytest

from cluster import wait_until
from process import Process

JOURNALD = "/lib/systemd/systemd-journald"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (error|warning|info|debug) "
                  r'event=[a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^" ]+))*')
CANARY = "Kanarienvogel"
# What systemd does for a service, and systemd-cat 252 does not.
SERVICE = ["systemd-cat", "-t", "none", "sh", "-c",
           'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$@"', "sh"]


def ask_everything(cluster):
    """Requests of every kind, good and bad, with the canary in whatever a client writes."""
    text = f"echo {CANARY} says \"x\" event=forged\nnode=evil"
    cluster.ask(prompt=text)
    cluster.ask(messages=[{"role": "user", "content": text}], stream=True, progress=True)
    cluster.ask(model="nomic-embed-text", input=[text])
    cluster.ask(prompt=text, params={"options": {"temperature": CANARY}})
    for bad in ({"messages": f'[{{"role": "{CANARY}"'}, {"messages": f'"{CANARY}"'},
                {"prompt": CANARY, "params": f'{{"x": {CANARY}}}'},
                {"model": "nomic-embed-text", "prompt": text}, {"input": [[CANARY]]},
                {"prompt": text, "model": "none-such"}):
        cluster.ask(**bad)


def test_every_line_is_one_event_with_keys_and_values(cluster):
    cluster.fleet(1)
    cluster.ask()
    cluster.submit(prompt="x", request_id='r1" node="evil\nevent=forged')
    cluster.db.hset(cluster.keys.health, "pi 9\n", "no json")
    cluster.control(op="drain", node='a" b\n')
    for event in ("unanswerable", "health_refused", "bad_control"):
        wait_until(lambda e=event: f"event={e} " in cluster.daemon("router-1").log, event)
    for daemon in cluster.daemons:
        lines = daemon.log.splitlines()
        assert len(lines) > 5
        for line in lines:
            assert LINE.fullmatch(line), line
            assert not re.search(r"[ ](node=evil|event=forged)", line.split('"')[0]), line


def test_prompts_and_answers_are_not_logged(cluster):
    cluster.fleet(1)  # log_level is debug
    ask_everything(cluster)
    for daemon in cluster.daemons:
        assert CANARY not in daemon.log, [x for x in daemon.log.splitlines() if CANARY in x]


def test_prompts_and_answers_are_logged_on_demand(cluster):
    sim = cluster.sim()
    cluster.router()
    worker = cluster.worker("pi-1", sim, log_content="yes")
    request = cluster.submit(prompt=f"echo {CANARY} \"1\"\n2")
    cluster.read_reply(request)
    wait_until(lambda: worker.log.count("event=content") == 2, "both are logged")
    asked, answered = [x for x in worker.log.splitlines() if "event=content" in x]
    assert f"request_id={request} " in asked and " what=request " in asked and CANARY in asked
    assert f"request_id={request} " in answered and " what=answer " in answered
    assert CANARY in answered and LINE.fullmatch(answered)
    assert CANARY not in cluster.daemon("router-1").log


@pytest.fixture
def journald(cluster):
    """A journald of our own in a mount namespace of our own; argv to be run in it."""
    if os.geteuid() != 0 or not os.path.exists(JOURNALD) or not shutil.which("systemd-cat"):
        pytest.skip("needs root, systemd-journald and systemd-cat")
    script = ("mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journald.conf.d && "
              "printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\n"
              f"RateLimitBurst=0\\n' >/run/systemd/journald.conf.d/test.conf && exec {JOURNALD}")
    process = Process("journald", ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                      cluster.path("journald.log"))
    cluster.others.append(process)
    process.start()
    enter = ["nsenter", "-t", str(process.pid), "-m"]

    def answers():
        if not process.alive:
            pytest.skip(f"no mount namespace or no journald here: {process.log}")
        return subprocess.run([*enter, "test", "-S", "/run/systemd/journal/stdout"],
                              check=False).returncode == 0

    wait_until(answers, "journald listens")
    yield enter
    process.end()


def entries(enter, *matches):
    """Journal entries as dicts, oldest first."""
    subprocess.run([*enter, "journalctl", "--sync"], check=False, capture_output=True)
    ran = subprocess.run([*enter, "journalctl", "-D", "/run/log/journal", "-o", "json", "-q",
                          "--no-pager", *matches], capture_output=True, text=True, check=False)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_journal_has_one_requests_path_by_its_id(cluster, journald):
    sim = cluster.sim()
    router, worker = cluster.new_router(), cluster.new_worker("pi-1", sim)
    for daemon in (router, worker):
        daemon.argv = [*journald, *SERVICE, *daemon.argv]
        daemon.start()
    cluster.wait_available("pi-1")
    request = cluster.submit()
    cluster.read_reply(request)

    def path():
        return [e["ORION_EVENT"] for e in entries(journald, f"ORION_REQUEST_ID={request}")]

    wait_until(lambda: "job_done" in path(), "the last line has come")
    told = path()
    assert sorted(told) == ["decided", "job_done", "job_end", "job_started", "moved"]
    # Two programs: each tells its own in order, and the journal has them as they came.
    assert [e for e in told if e in ("decided", "moved")] == ["decided", "moved"]
    assert [e for e in told if e.startswith("job_")] == ["job_started", "job_end", "job_done"]
    done = entries(journald, f"ORION_REQUEST_ID={request}", "ORION_EVENT=job_done")[0]
    assert done["SYSLOG_IDENTIFIER"] == "orion-worker" and done["PRIORITY"] == "6"
    assert done["ORION_NODE"] == "pi-1" and done["ORION_MODEL"] == "gemma3:1b"
    assert done["_TRANSPORT"] == "journal"
    assert all(e["ORION_NODE"] == "pi-1" for e in entries(journald, "SYSLOG_IDENTIFIER=orion-worker"))
    worker.root.set(temp=80)
    wait_until(lambda: entries(journald, "ORION_EVENT=node_hot", "ORION_NODE=pi-1"), "hot")
    hot = entries(journald, "ORION_EVENT=node_hot")[0]
    assert hot["ORION_TEMP_C"] == "80.0"
    assert entries(journald, f"MESSAGE_ID={hot['MESSAGE_ID']}")
    assert not router.log and not worker.log  # nothing besides
