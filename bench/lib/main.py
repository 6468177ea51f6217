"""bench/run: drives the benchmarks, prints a table, writes JSON."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
import traceback

import benches
import plot
from report import MARK_BEGIN, MARK_END, markdown, table


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks to run; without any: all")
    parser.add_argument("--rounds", type=int, default=5,
                        help="rounds of each, daemon and floor by turns (default 5)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--table", metavar="FILE", help="measure nothing: print a file of --json as "
                        "docs/performance.md shows it, and stop")
    parser.add_argument("--into", metavar="FILE.md", help="with --table: write it there, between the "
                        "marks that docs/performance.md has")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw what `growth` has measured")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    return parser.parse_args()


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model, "cores": os.cpu_count(),
            "arch": platform.machine(), "kernel": platform.release(), "versions": versions(),
            "commit": said_by("git", "rev-parse", "--short=12", "HEAD")}


def said_by(*argv):
    """The first line that a program prints; "unknown" if it cannot be asked."""
    try:
        lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return lines[0].strip() if lines else "unknown"


def versions():
    """What the figures depend on beside us."""
    redis = re.search(r"v=(\S+)", said_by("redis-server", "--version"))
    found = {"Redis": redis.group(1) if redis else "unknown"}
    for name in ("hiredis", "libevent", "libcurl"):
        found[name] = said_by("pkg-config", "--modversion", name)
    found["gcc"] = said_by("gcc", "-dumpfullversion")
    return found


def measure(options):
    """The rows of each benchmark, and the names of those that broke off: the others still count."""
    rows, failed = [], []
    for name in options.names or benches.ALL:
        begin = time.monotonic()
        print(f"bench: {name}", file=sys.stderr, flush=True)
        try:
            rows += [row.with_name(name) for row in benches.ALL[name](options.rounds)]
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            failed.append(name)
        print(f"bench: {name} took {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return rows, failed


def put_between_marks(path, text):
    """Replaces what stands between the marks of report.py in a document."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(MARK_BEGIN)
    after = rest.split(MARK_END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{MARK_BEGIN}\n{text}\n{MARK_END}{after}")


def main():
    options = parse()
    if options.table:
        with open(options.table, encoding="utf-8") as file:
            text = markdown(json.load(file))
        if options.into:
            put_between_marks(options.into, text)
        else:
            print(text)
        return 0
    if options.list:
        for name, bench in benches.ALL.items():
            print(f"{name:<12} {bench.__doc__.splitlines()[0]}")
        return 0
    unknown = [name for name in options.names if name not in benches.ALL]
    if unknown or options.rounds < 1:
        print(f"bench: unknown: {', '.join(unknown)}; bench/run --list names them" if unknown
              else "bench: --rounds must be 1 or more", file=sys.stderr)
        return 2
    rows, failed = measure(options)
    print(table(rows))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "rounds": options.rounds, "failed": failed,
                       "rows": [row.as_dict() for row in rows]}, file, indent=1)
            file.write("\n")
    if options.plot and any(row.name == "growth" for row in rows):
        with open(options.plot, "w", encoding="utf-8") as file:
            file.write(plot.picture(benches.growth_charts(rows)))
    return 0 if not failed and all(row.ok is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
