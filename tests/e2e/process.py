"""Processes that a test starts: they die with it, log to files, and are ended by pid only."""

import ctypes
import os
import signal
import subprocess
import time

SANITIZE = bool(os.environ.get("ORION_SANITIZE"))
# How much more time everything gets: sanitizer builds, and what ORION_SLOW says (scripts/test-valgrind).
SLOW = int(os.environ.get("ORION_SLOW") or (4 if SANITIZE else 1))
PR_SET_PDEATHSIG = 1
SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "UndefinedBehaviorSanitizer",
                   "runtime error:", "Assertion ")
_libc = ctypes.CDLL(None)


def binary(name):
    """Path of a program under test."""
    path = os.path.join(os.environ.get("ORION_BIN", "build/dev/bin"), name)
    assert os.access(path, os.X_OK), f"{path} is not there: set ORION_BIN to its directory"
    return path


def wait_until(condition, what, timeout=10.0, pause=0.01):
    """Polls until condition() is true and returns its value; fails after `timeout` seconds.

    A failed assertion inside counts as not yet true, and is what the failure shows at the end.
    """
    deadline = time.monotonic() + timeout * SLOW
    while True:
        last = None
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * SLOW:g} s: {what}; {last or ''}") from last
        time.sleep(pause)


def stays_true(condition, what, seconds):
    """Polls for `seconds` that condition() holds: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not stay true: {what}"
        time.sleep(0.02)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child process. start() may be called again after it has ended: the log goes on."""

    def __init__(self, name, argv, log_path, env=None):
        self.name, self.argv, self.log_path = name, argv, log_path
        self.env = dict(os.environ if env is None else env)
        self.popen = None
        self.killed = False  # by the test: its exit code means nothing
        self.expected_exit = 0

    def start(self):
        assert not self.alive, f"{self.name} runs already"
        self.killed = False
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=self.env, preexec_fn=_die_with_parent)
        return self

    @property
    def pid(self):
        return self.popen.pid

    @property
    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    @property
    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """kill -9."""
        self.killed = True
        self.signal(signal.SIGKILL)
        self.popen.wait(10 * SLOW)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=10.0):
        """Exit code, once it has ended by itself."""
        try:
            return self.popen.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {timeout * SLOW:g} s") from None

    def stop(self, timeout=10.0):
        """SIGTERM, and its exit code."""
        if self.alive:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def end(self):
        """Whatever it takes, without a verdict."""
        if self.alive:
            self.killed = True
            self.popen.kill()
            self.popen.wait()

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cmdline(self):
        with open(f"/proc/{self.pid}/cmdline", "rb") as file:
            return file.read()

    def problems(self):
        """What a clean run does not show: sanitizer output, a failed assert."""
        return [line for line in self.log.splitlines()
                if any(mark in line for mark in SANITIZER_MARKS)]


def check_no_descriptor_leak(process, before):
    """The process holds no more descriptors than `before`, taken when warm."""
    wait_until(lambda: process.fds() <= before, f"{process.name} is back to {before} descriptors")
