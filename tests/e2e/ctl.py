"""orionctl as a process: with pipes, or with a terminal of its own.

    run = ctl(cluster, "status", "--json")       # ended; .code .out .err .json .lines
    with Terminal(cluster, "top") as terminal:   # a pty, 24x80
        terminal.wait_for("pi-1")
        terminal.send("q")
        assert terminal.wait() == 0
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from process import SANITIZER_MARKS, SLOW, _die_with_parent, binary

ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


def environment(**more):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("ORION_") and k not in ("REDIS_URL", "NO_COLOR")}
    return {**clean, "TERM": "xterm", **more}


def command(cluster, *arguments):
    where = ["--redis", f"unix://{cluster.redis.socket}"]
    if cluster.redis.users:
        where = ["--redis", f"redis://orion-operator@127.0.0.1:{cluster.redis.port}", "--password-file",
                 cluster.redis.users.password_file("orion-operator")]
    return [binary("orionctl"), *where, *arguments]


class Run:
    """An ended orionctl. Its output never holds a control character, whatever the cluster holds."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert not any(mark in self.err for mark in SANITIZER_MARKS), self.err
        assert self.code >= 0, (self.code, self.err)

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        """JSON, one object per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def ctl(cluster, *arguments, stdin="", **env):
    argv = command(cluster, *arguments)
    return Run(subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False,
                              timeout=60 * SLOW, env=environment(**env)))


def start(cluster, *arguments, **env):
    """A running one with pipes; end it with finish()."""
    return subprocess.Popen(command(cluster, *arguments), stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**env),
                            preexec_fn=_die_with_parent)


def finish(process, number=None):
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=30 * SLOW)
    return Run(subprocess.CompletedProcess(process.args, process.returncode, out, err))


class Terminal:
    """orionctl in a terminal of its own."""

    def __init__(self, cluster, *arguments, rows=24, cols=80, **env):
        self.master, self.slave = pty.openpty()
        self.resize(rows, cols, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.output = ""
        self.process = subprocess.Popen(command(cluster, *arguments), stdin=self.slave,
                                        stdout=self.slave, stderr=self.slave,
                                        env=environment(**env), preexec_fn=self._take)

    @staticmethod
    def _take():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        _die_with_parent()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, cols, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """What comes within that time, or until something has come."""
        if select.select([self.master], [], [], seconds)[0]:
            self.output += os.read(self.master, 65536).decode(errors="replace")

    @property
    def text(self):
        """What was shown, without colours and cursor movements."""
        return ESCAPE.sub("", self.output)

    @property
    def screen(self):
        """What the last complete drawing of `top` shows: a list of lines."""
        last = self.output.rpartition("\x1b[J")[0].rpartition("\x1b[H")[2]
        return [ESCAPE.sub("", line) for line in last.split("\r\n")]

    def wait_for(self, condition, timeout=15):
        """Until a text was shown, or condition() holds."""
        deadline = time.monotonic() + timeout * SLOW
        while not (condition in self.text if isinstance(condition, str) else condition()):
            assert time.monotonic() < deadline, f"not seen: {condition}\n{self.output}"
            self.read(0.1)

    def wait_screen(self, *texts, timeout=15):
        """Until one screen of `top` shows all of them. A text that begins with ! must not be
        there."""
        def shows():
            whole = "\n".join(self.screen)
            return whole and all((t[1:] not in whole) if t[0] == "!" else (t in whole)
                                 for t in texts)
        self.wait_for(shows, timeout)

    def wait(self, timeout=15):
        """The exit code, once it has ended; the rest of the output is read."""
        deadline = time.monotonic() + timeout * SLOW
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end\n{self.output}"
            self.read(0.05)
        while select.select([self.master], [], [], 0.1)[0]:
            self.read(0)
        assert not any(mark in self.output for mark in SANITIZER_MARKS), self.output
        return self.process.returncode

    def is_restored(self):
        """Are the terminal's modes as they were, the cursor and the first screen back?"""
        return (termios.tcgetattr(self.slave) == self.before
                and self.output.rfind("\x1b[?25h") > self.output.rfind("\x1b[?25l")
                and self.output.rfind("\x1b[?1049l") > self.output.rfind("\x1b[?1049h"))
