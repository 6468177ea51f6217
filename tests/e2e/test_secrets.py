"""The Redis password is nowhere but in its file and in the daemon's memory."""

import os
import resource
import signal
import subprocess

import pytest

from cluster import wait_until
from process import SANITIZE, binary

SECRET = "s3cret-Passw0rd-of-the-test"


@pytest.fixture
def locked(new_cluster):
    """A cluster whose Redis wants a password, and the file that holds it."""
    cluster = new_cluster(password=SECRET)
    cluster.password_file = cluster.path("the-password")
    with open(cluster.password_file, "w", encoding="ascii") as file:
        file.write(SECRET + "\n")
    os.chmod(cluster.password_file, 0o600)
    return cluster


def all_daemons(cluster):
    settings = {"redis_password_file": cluster.password_file}
    cluster.router(**settings)
    cluster.worker("pi-1", cluster.sim(), **settings)
    return cluster.daemons


def test_it_is_in_no_log_no_argv_no_environment_and_no_key(locked):
    daemons = all_daemons(locked)
    assert locked.ask(prompt="hi").text
    for daemon in daemons:
        daemon.signal(signal.SIGHUP)  # tells what has changed
    locked.redis.kill()  # and what is said without a server, and with a wrong password
    locked.redis.argv = [a.replace(SECRET, "another") for a in locked.redis.argv]
    locked.redis.password = "another"
    locked._client = None
    locked.redis.start()
    for daemon in daemons:
        daemon.kill()
        daemon.start()
    wait_until(lambda: all("WRONGPASS" in d.log for d in daemons), "the daemons are refused", 15)
    for daemon in daemons:
        assert SECRET not in daemon.log
        assert SECRET.encode() not in daemon.cmdline()
        with open(f"/proc/{daemon.pid}/environ", "rb") as file:
            assert SECRET.encode() not in file.read()
        daemon.kill()
    keys = " ".join(locked.db.keys("*"))
    assert SECRET not in keys


@pytest.mark.parametrize("program", ["orion-router", "orion-worker"])
def test_check_config_does_not_tell_it(locked, program):
    argv = [binary(program), "--set", "redis=redis://user@localhost",
            "--set", f"redis_password_file={locked.password_file}"]
    for option in ("--check-config", "--print-config"):
        done = subprocess.run([*argv, option], capture_output=True, text=True, check=False)
        assert SECRET not in done.stdout + done.stderr
    in_url = subprocess.run([binary(program), "--check-config", "--set",
                             f"redis=redis://user:{SECRET}@localhost"],
                            capture_output=True, text=True, check=False)
    assert in_url.returncode == 2 and SECRET not in in_url.stdout + in_url.stderr


def dump_core(argv, directory):
    """Starts argv, waits for its log's first lines, aborts it. Returns the core's bytes, or None."""
    def before():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    log = os.path.join(directory, "core.log")
    with open(log, "wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=directory, preexec_fn=before)
    with open(log, encoding="utf-8") as file:
        wait_until(lambda: "event=redis_up" in file.read() or process.poll() is not None, "it runs")
    os.kill(process.pid, signal.SIGABRT)
    process.wait(20)
    cores = [name for name in os.listdir(directory) if name.startswith("core") and name != "core.log"]
    if not cores:
        return None
    with open(os.path.join(directory, cores[0]), "rb") as file:
        return file.read()


@pytest.mark.skipif(SANITIZE, reason="LeakSanitizer must look into the process")
def test_it_is_in_no_core_dump(locked, new_cluster, tmp_path):
    open_cluster = new_cluster()
    names = {}
    for kind in ("open", "locked"):
        names[kind] = tmp_path / kind
        names[kind].mkdir()
    control = dump_core([binary("orion-router"), "--set", f"redis=unix://{open_cluster.redis.socket}",
                         "--set", "router_id=needle-in-the-core"], str(names["open"]))
    if control is None:
        pytest.skip("this machine writes no core dumps into the current directory")
    assert b"needle-in-the-core" in control  # so a core would show what memory holds
    for program, name in (("orion-router", "router_id=r"), ("orion-worker", "node_id=n")):
        core = dump_core([binary(program), "--set", f"redis=unix://{locked.redis.socket}", "--set", name,
                          "--set", f"redis_password_file={locked.password_file}"], str(names["locked"]))
        assert core is None or SECRET.encode() not in core
