#!/usr/bin/env python3
"""Makes, or changes, a made-up /proc and /sys tree for orion-worker's `root` setting.

    make_root.py DIR                       a healthy Raspberry Pi 5 at 48 C with 40 % of 8 GiB in use
    make_root.py DIR --board none          a machine without any sensor
    make_root.py DIR --temp 81.5           changes that one value of an existing tree

A new tree gets every file of its board; in an existing one only what is named on the command line is
written. Each file is replaced whole (written beside and renamed), so that a worker which reads at the
same moment sees the old value or the new one. `--X none` removes the file behind X.

As a module: make_root.make(dir, board="pi5", temp=48.0, ...) with the options' names.
"""

import argparse
import math
import os
import tempfile
import uuid

BOARDS = {
    "pi5": {"model": "Raspberry Pi 5 Model B Rev 1.0", "ram_total_mb": 8064, "khz": 2400000,
            "soc": "soc@107c000000"},
    "pi4": {"model": "Raspberry Pi 4 Model B Rev 1.5", "ram_total_mb": 3792, "khz": 1800000,
            "soc": "soc"},
    "none": None,
}
HEALTHY = {"temp": 48.0, "ram_used_pct": 40.0, "throttled": 0, "cpu_pct": "host", "pressure": 0.0,
           "swap_in": 0, "uptime": 3600.0, "voltage_alarm": 0}
ZONE = "sys/class/thermal/thermal_zone0"
STATE = ".make_root"  # board, and what later calls must know again


def write(root, path, text):
    """Replaces the file below root in one step; removes it if text is None."""
    whole = os.path.join(root, path)
    if text is None:
        if os.path.exists(whole):
            os.unlink(whole)
        return
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    fd, beside = tempfile.mkstemp(dir=os.path.dirname(whole), prefix=".new-")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(beside, 0o644)
    os.rename(beside, whole)


def read(root, path, otherwise=""):
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return otherwise


def millidegrees(celsius):
    return f"{round(celsius * 1000)}\n"


def write_temp(root, board, celsius):
    text = None if celsius is None else millidegrees(celsius)
    write(root, f"{ZONE}/type", "cpu-thermal\n")
    write(root, f"{ZONE}/temp", text)
    if board:
        write(root, "sys/class/hwmon/hwmon1/temp1_input", text)


def write_memory(root, board, used_pct):
    if used_pct is None:
        write(root, "proc/meminfo", None)
        return
    total_kib = (board["ram_total_mb"] if board else 1024) * 1024
    # Rounded up, so that 90 % is not read as 89.9.
    available_kib = total_kib - math.ceil(total_kib * used_pct / 100)
    write(root, "proc/meminfo",
          f"MemTotal:       {total_kib:8} kB\nMemFree:        {available_kib // 2:8} kB\n"
          f"MemAvailable:   {available_kib:8} kB\nBuffers:            1000 kB\n"
          "Cached:             2000 kB\nSwapTotal:             0 kB\n")


def link(root, path, target):
    whole = os.path.join(root, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    beside = f"{whole}.new-{os.getpid()}"
    os.symlink(target, beside)
    os.rename(beside, whole)


def write_cpu(root, _board, busy_pct):
    """Moves the counters on by 100 s of which busy_pct was busy: the next reading will say so, those
    after it see counters that stand still and have no value. "host" = this machine's live ones."""
    if busy_pct is None:
        write(root, "proc/stat", None)
        return
    if busy_pct == "host":
        link(root, "proc/stat", "/proc/stat")
        return
    old = read(root, "proc/stat", "cpu  1000 0 0 100000 0 0 0 0 0 0").split("\n")[0].split()[1:]
    user, idle = int(old[0]), int(old[3])
    busy = round(busy_pct * 100)
    write(root, "proc/stat", f"cpu  {user + busy} 0 0 {idle + 10000 - busy} 0 0 0 0 0 0\n"
                             "ctxt 1\nprocs_running 1\n")


def write_throttled(root, board, bits):
    soc = board["soc"] if board else "soc"
    write(root, f"sys/devices/platform/{soc}/soc:firmware/get_throttled",
          None if bits is None else f"{bits:x}\n")


def write_voltage_alarm(root, _board, alarm):
    write(root, "sys/class/hwmon/hwmon2/in0_lcrit_alarm", None if alarm is None else f"{alarm}\n")
    write(root, "sys/class/hwmon/hwmon2/name", None if alarm is None else "rpi_volt\n")


def write_pressure(root, _board, avg10):
    write(root, "proc/pressure/memory", None if avg10 is None else
          f"some avg10={avg10:.2f} avg60=0.00 avg300=0.00 total=0\n"
          "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")


def write_swap_in(root, _board, pages):
    write(root, "proc/vmstat", None if pages is None else
          f"nr_free_pages 100\npgpgin 1\npgpgout 1\npswpin {pages}\npswpout 0\n")


def write_uptime(root, _board, seconds):
    write(root, "proc/uptime", None if seconds is None else f"{seconds:.2f} {seconds * 3:.2f}\n")


WRITERS = {"temp": write_temp, "ram_used_pct": write_memory, "throttled": write_throttled,
           "cpu_pct": write_cpu, "pressure": write_pressure, "swap_in": write_swap_in,
           "uptime": write_uptime, "voltage_alarm": write_voltage_alarm}


def build(root, name):
    """What a board has and no option changes."""
    board = BOARDS[name]
    os.makedirs(root, exist_ok=True)
    write(root, STATE, name + "\n")
    if board is None:
        return
    write(root, "proc/device-tree/model", board["model"] + "\0")
    write(root, "proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
    write(root, "sys/class/hwmon/hwmon1/name", "cpu_thermal\n")
    # A hotter neighbour, which is not the SoC: whoever takes the maximum is found out.
    write(root, "sys/class/hwmon/hwmon0/name", "nvme\n")
    write(root, "sys/class/hwmon/hwmon0/temp1_input", millidegrees(95))
    write(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", f"{board['khz']}\n")


def make(root, board=None, **values):
    """Makes or changes the tree. A value of None removes what it stands for."""
    known = read(root, STATE).strip()
    if board is not None or not known:
        known = board or "pi5"
        build(root, known)
        if BOARDS[known] is not None:
            values = {**HEALTHY, **values}
    for name, value in values.items():
        WRITERS[name](root, BOARDS[known], value)


def host_or_float(text):
    return text if text == "host" else float(text)


def number_or_none(kind):
    def parse(text):
        return None if text == "none" else kind(text)
    parse.__name__ = "number"
    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", metavar="DIR")
    parser.add_argument("--board", choices=sorted(BOARDS), help="makes the tree anew for this board")
    for option, kind, text in [
            ("--temp", float, "SoC temperature, C"),
            ("--ram-used-pct", float, "memory in use, %%"),
            ("--throttled", lambda text: int(text, 16), "get_throttled bits, hex: 0x0, 0x50005"),
            ("--cpu-pct", host_or_float, "busy share that the next reading will show, %%; or host"),
            ("--pressure", float, "PSI memory `some avg10`, %%"),
            ("--swap-in", int, "pages swapped in since boot"),
            ("--uptime", float, "s"),
            ("--voltage-alarm", int, "rpi_volt's in0_lcrit_alarm, 0 or 1")]:
        parser.add_argument(option, type=number_or_none(kind), default=argparse.SUPPRESS, help=text)
    options = vars(parser.parse_args())
    make(options.pop("dir"), options.pop("board"), **options)


if __name__ == "__main__":
    main()
