"""A made-up /sys and /proc of a Raspberry Pi, for a worker's `root` setting."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import make_root  # noqa: E402


class Root:
    """A healthy Pi 5 (board="none": no sensors at all); set(temp=81.5) changes single values."""

    def __init__(self, path, board="pi5", **values):
        self.path = path
        make_root.make(path, board, **values)

    def set(self, **values):
        """temp (C), ram_used_pct, throttled (bits), cpu_pct, pressure; None removes the file."""
        make_root.make(self.path, **values)

    def write(self, name, text):
        make_root.write(self.path, name, text)
