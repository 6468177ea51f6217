"""The programs as an operator meets them: options, settings, passwords, signals, exit codes."""

import os
import re
import subprocess

import pytest

from cluster import wait_until
from process import SLOW, binary

PROGRAMS = ["orion-router", "orion-worker"]
SECRET = "s3cret-pass:w@rd/%41 x"
# One bad line each, and what the complaint must say besides the key.
BAD_BOTH = {"redis = nonsense": "redis://", "prefix = ": "prefix", "colour = red": "colour",
            "log_level = loud": "info", "no equals sign": "=", "temp_max = 75": "C",
            "ram_max = 90": "%", "temp_max = 500C": "120", "ram_max = 0%": "1", "= 5": "="}
BAD = {"orion-router": {"node_late = 10": "s", "window = many": "window", "window = 0": "1",
                        "request_max = 8": "MiB", "node_lost = 5 minutes": "node_lost",
                        "max_attempts = 1000000": "max_attempts", "router_id = a b": "router_id",
                        "node_late = 1h\nnode_lost = 1m": "node_late",
                        "window = 5\nwindow = 6": "window"},
       "orion-worker": {"slots = -1": "slots", "health_interval = 1ms": "100ms",
                        "ollama = ftp://x": "http", "node_id = a/b": "node_id",
                        "allow_runner_options = perhaps": "yes", "num_ctx = 1.5": "num_ctx",
                        "stall_timeout = forever": "stall_timeout",
                        "temp_max = 60C\ntemp_resume = 65C": "temp_resume"}}
DEFAULTS = {"orion-router": {"window": "4096", "max_queue": "100000", "default_timeout": "30m",
                             "request_max": "8MiB", "max_attempts": "3", "response_ttl": "1h",
                             "node_late": "10s", "node_lost": "15s", "node_forget": "24h",
                             "model_wait": "30s", "prefetch": "0", "temp_max": "75C",
                             "ram_max": "90%", "prefix": "orion:inference"},
            "orion-worker": {"slots": "1", "health_interval": "5s", "temp_max": "75C",
                             "temp_resume": "70C", "ram_max": "90%", "drain_timeout": "30s",
                             "stall_timeout": "120s", "first_byte_timeout": "10m",
                             "reply_max": "16MiB", "allow_runner_options": "no"}}
SAME = {"120s": "2m", "24h": "1d"}


def run(program, *argv, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ORION_")}
    return subprocess.run([binary(program), *argv], env={**clean, **(env or {})}, timeout=10 * SLOW,
                          capture_output=True, text=True, check=False)


def write(tmp_path, text, name="orion.conf"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_gnutls_is_not_prepared_for_a_server_that_speaks_plain_http():
    told = run("orion-router", "--version", env={"LD_DEBUG": "bindings"})
    bound = re.findall(r"binding file \S+ \[0\] to (\S+) \[0\]: normal symbol `_?gnutls_global_init(?:_skip)?'",
                       told.stderr)
    if "libgnutls" not in told.stderr:
        pytest.skip("libmicrohttpd is built without TLS")
    assert len(bound) >= 2 and set(bound) == {binary("orion-router")}


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_and_help_are_told_on_stdout(program):
    version = run(program, "--version")
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout)
    assert program in version.stdout and not version.stderr
    help_ = run(program, "--help")
    assert help_.returncode == 0 and not help_.stderr
    for option in ("--config", "--set", "--check-config", "--version", "--help"):
        assert option in help_.stdout
    for key, value in DEFAULTS[program].items():
        line = next((x for x in help_.stdout.splitlines() if re.search(rf"\b{key}\b", x)), None)
        assert line, f"--help does not list {key}"
        at = help_.stdout.index(line)
        assert value in help_.stdout[at:at + 400] or SAME.get(value, "?") in \
            help_.stdout[at:at + 400], (key, line)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("argv", [["--frobnicate"], ["surplus"], ["--config"], ["--set"],
                                  ["--set", "nokey"], ["--set", "colour=red"],
                                  ["--config", "/nonexistent/orion.conf"],
                                  ["--config", "/"], ["--set", "temp_max=75"]])
def test_a_bad_command_line_is_exit_code_2_with_a_reason(program, argv):
    result = run(program, *argv)
    assert result.returncode == 2 and result.stderr.strip(), result
    assert argv[-1].partition("=")[0].strip("-") in result.stderr or "KEY=VALUE" in result.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_good_configuration_passes_the_check(program, tmp_path):
    text = ("# a comment\n\n  temp_max = 72.5C   # why\nredis=redis://user@10.0.0.1:6380/2\n"
            "prefix = p\n")
    result = run(program, "--config", write(tmp_path, text), "--check-config")
    assert result.returncode == 0, result.stderr
    assert run(program, "--check-config").returncode == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_fault_of_a_file_is_told_with_its_line(program, tmp_path):
    bad = {**BAD_BOTH, **BAD[program]}
    one_line = [text for text in bad if "\n" not in text]
    seen = {}
    for text in one_line:  # a key may be given only once
        seen.setdefault(text.partition("=")[0].strip(), text)
    lines = ["# first", *seen.values(), "prefix2 = x"]
    path = write(tmp_path, "\n".join(lines))
    result = run(program, "--config", path, "--check-config")
    assert result.returncode == 2
    told = {int(n) for n in re.findall(re.escape(path) + r":(\d+): ", result.stderr)}
    assert told == set(range(2, len(lines) + 1)), result.stderr
    assert run(program, "--config", path).returncode == 2  # and it does not start with it


@pytest.mark.parametrize("program,text,says", [
    (p, text, says) for p in PROGRAMS for text, says in {**BAD_BOTH, **BAD[p]}.items()])
def test_a_fault_says_what_would_be_right(program, text, says, tmp_path):
    result = run(program, "--config", write(tmp_path, text), "--check-config")
    assert result.returncode == 2
    key = text.partition("=")[0].strip() if "=" in text else ""
    assert says in result.stderr and (key in result.stderr or not key), result.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_that_are_no_configuration_are_refused(program, tmp_path):
    for text in ("\x00\x01\x02", "x" * 200000, "a = b\n" * 5000):
        result = run(program, "--config", write(tmp_path, text), "--check-config")
        assert result.returncode == 2 and result.stderr


def test_defaults_file_environment_and_set_win_in_this_order(cluster, tmp_path):
    """Seen in what the worker publishes and the router does."""
    sim = cluster.sim()
    redis_url = f"unix://{cluster.redis.socket}"
    path = write(tmp_path, "node_id = from-file\nslots = 2\nredis = unix:///nonexistent\n"
                           "ollama = http://127.0.0.1:9\nhealth_interval = 150ms\n")
    unset = {"redis": None, "node_id": None, "ollama": None, "health_interval": None}
    env = {"REDIS_URL": redis_url, "OLLAMA_HOST": f"127.0.0.1:{sim.port}"}
    cluster.new_worker("from-file", sim, config=path, env=env, **unset).start()
    cluster.wait_available("from-file")
    assert cluster.health("from-file")["slots"] == 2
    env = {**env, "ORION_NODE_ID": "from-env", "ORION_SLOTS": "3"}
    cluster.new_worker("from-env", sim, config=path, env=env, **unset).start()
    cluster.wait_available("from-env")
    assert cluster.health("from-env")["slots"] == 3
    cluster.new_worker("from-set", sim, config=path, env=env,
                       **{**unset, "node_id": "from-set", "slots": 4}).start()
    cluster.wait_available("from-set")
    assert cluster.health("from-set")["slots"] == 4


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bad_environment_is_a_bad_configuration(program):
    result = run(program, "--check-config", env={"ORION_TEMP_MAX": "hot"})
    assert result.returncode == 2 and "ORION_TEMP_MAX" in result.stderr.upper()
    assert run(program, "--check-config", env={"REDIS_URL": "http://x"}).returncode == 2


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_password_in_the_url_is_refused_and_not_repeated(program, tmp_path):
    url = "redis://user:hunter2@localhost:6379"
    for argv, env in ((["--set", f"redis={url}"], {}), ([], {"REDIS_URL": url}),
                      (["--config", write(tmp_path, f"redis = {url}\n")], {})):
        result = run(program, "--check-config", *argv, env=env)
        assert result.returncode == 2, (argv, env)
        assert "redis_password_file" in result.stderr
        assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize("how", ["file", "credential"])
def test_a_password_comes_from_a_file_and_is_shown_nowhere(new_cluster, how, tmp_path):
    cluster = new_cluster(password=SECRET)
    (tmp_path / "redis-password").write_text(SECRET + "\n", encoding="utf-8")
    if how == "file":
        more = {"redis_password_file": str(tmp_path / "redis-password")}
    else:
        more = {"env": {"CREDENTIALS_DIRECTORY": str(tmp_path)}}
    sim = cluster.sim()
    cluster.router(**more)
    worker = cluster.worker("pi-1", sim, **more)
    assert cluster.ask(prompt="hi").text
    for daemon in cluster.daemons:
        assert SECRET.encode() not in daemon.cmdline()
        assert "s3cret" not in daemon.log
    if how == "file":
        checked = run("orion-worker", "--check-config", "--set",
                      f"redis_password_file={tmp_path}/redis-password")
        assert "s3cret" not in checked.stdout + checked.stderr
    cluster.db.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert cluster.ask(prompt="hi").text and worker.alive


def test_a_wrong_password_is_told_without_showing_it(new_cluster, tmp_path):
    cluster = new_cluster(password=SECRET)
    (tmp_path / "wrong").write_text("hunter2-wrong", encoding="utf-8")
    router = cluster.new_router(redis_password_file=str(tmp_path / "wrong")).start()
    wait_until(lambda: re.search("WRONGPASS|NOAUTH|password|AUTH", router.log), "it is told")
    assert "hunter2" not in router.log and router.alive
    assert len(router.log.splitlines()) < 20


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_password_file_that_cannot_be_read_is_an_error_at_the_start(program):
    result = run(program, "--set", "redis_password_file=/nonexistent/secret",
                 "--set", "redis=unix:///nonexistent.sock")
    assert result.returncode in (1, 2) and "/nonexistent/secret" in result.stderr


def started_with(cluster, tmp_path, program, text):
    path = write(tmp_path, text)
    sim = cluster.sim()
    if program == "orion-router":
        daemon = cluster.new_router(config=path, log_level=None).start()
        wait_until(lambda: cluster.db.hexists(cluster.keys.routers, "router-1"), "it is there")
    else:
        daemon = cluster.new_worker("pi-1", sim, config=path, log_level=None).start()
        cluster.wait_available("pi-1")
    return daemon, path


@pytest.mark.parametrize("program", PROGRAMS)
def test_sighup_takes_a_good_file_and_names_keys_that_need_a_restart(cluster, tmp_path, program):
    daemon, _ = started_with(cluster, tmp_path, program, "temp_max = 75C\n")
    log = len(daemon.log)
    write(tmp_path, "temp_max = 44C\nlog_level = info\nprefix = elsewhere\n")
    daemon.signal(1)
    wait_until(lambda: "temp_max" in daemon.log[log:], "the change is told")
    wait_until(lambda: any("prefix" in line and "restart" in line
                           for line in daemon.log[log:].splitlines()), "the restart is told")
    if program == "orion-worker":
        cluster.wait_available("pi-1", False)
        assert cluster.health("pi-1")["reason"] == "hot"  # 48 C are over 44 C
    assert daemon.alive and not cluster.db.keys("elsewhere*")


def test_max_queue_is_what_it_was_at_the_start(cluster, tmp_path):
    """What is parked got its room then. With a larger limit the rest would stay unread, and so would its
    deadlines."""
    path = write(tmp_path, "max_queue = 5\nwindow = 1\nmodel_wait = 1m\n")
    router = cluster.new_router(config=path, model_wait=None).start()
    wait_until(lambda: cluster.db.hexists(cluster.keys.routers, "router-1"), "it is there")
    write(tmp_path, "max_queue = 1000\nwindow = 1\nmodel_wait = 1m\n")
    router.signal(1)
    wait_until(lambda: "event=reloaded" in router.log, "it has read the file again")
    assert 'event=setting_needs_restart key=max_queue value="1000"' in router.log \
        or "event=setting_needs_restart key=max_queue value=1000" in router.log
    waiting = [cluster.submit(prompt="hi") for _ in range(6)]
    late = cluster.submit(prompt="hi", timeout_ms=500)
    assert cluster.read_reply(late, 5).code == "queue_full"
    assert cluster.entries(waiting[0]).end is None
    for request_id in waiting:
        cluster.cancel(request_id)
        cluster.read_reply(request_id)


@pytest.mark.parametrize("program", PROGRAMS)
def test_sighup_with_a_bad_file_changes_nothing_and_says_so(cluster, tmp_path, program):
    daemon, path = started_with(cluster, tmp_path, program, "temp_max = 75C\n")
    log = len(daemon.log)
    write(tmp_path, "temp_max = 20C\ntemp_resume = 10\ncolour = red\n")
    daemon.signal(1)
    wait_until(lambda: f"{path}:3" in daemon.log[log:], "the bad line is named")
    log = len(daemon.log)
    os.unlink(path)
    daemon.signal(1)
    wait_until(lambda: path in daemon.log[log:], "a missing file is named")
    if program == "orion-worker":
        first = cluster.health("pi-1")["last_seen_ms"]
        wait_until(lambda: cluster.health("pi-1")["last_seen_ms"] > first + 500, "beats")
        assert cluster.is_available("pi-1")  # 20 C did not take effect
    assert daemon.alive


@pytest.mark.parametrize("program", PROGRAMS)
def test_sigint_stops_in_order_too(cluster, tmp_path, program):
    daemon, _ = started_with(cluster, tmp_path, program, "")
    daemon.signal(2)
    assert daemon.wait(5) == 0


def test_a_worker_without_node_id_takes_the_host_name(cluster):
    sim = cluster.sim()
    cluster.router()
    cluster.new_worker("by-host", sim, node_id=None).start()
    wait_until(lambda: cluster.db.hlen(cluster.keys.health) == 1, "it publishes itself")
    (node,) = cluster.db.hkeys(cluster.keys.health)
    assert node.startswith(re.sub(r"[^A-Za-z0-9._-].*", "", os.uname().nodename)[:8])
