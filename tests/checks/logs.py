#!/usr/bin/python3
"""Fails unless docs/logs.md has each log event of the sources, with its level, and no other; unless
each call of the log is one that log_line.h can take apart; and unless systemd/catalog explains each
MESSAGE_ID of log_catalog.c and no other.

Usage: logs.py SOURCE_DIR [--list]      --list prints "level event program" for each event
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CALL = re.compile(r'\blog_(err|warn|info|debug)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
TROUBLE = re.compile(r'router_trouble\([^,]+,\s*"([a-z_]+)"')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
DYNAMIC = re.compile(r"/\* events: ([a-z_ ]+) \*/")
CONVERSION = re.compile(r"%(?:%|(?:\.(?:\d+|\*))?s|(?:l|ll|z)?[du]|\.\d+f)")
GRAMMAR = re.compile(r'event=[a-z_]+(?: [a-z_]+=(?:"[^"]*"|[^" ]+))*$')
LEVELS = {"err": "error", "warn": "warning", "info": "info", "debug": "debug"}
ROW = re.compile(r"^\| `([a-z_]+)`( \*)? \| ([a-z, ]+) \| ([a-z, ]+) \| .+ \|$")


def program_of(path):
    for name in ("router", "worker"):
        if name in path.parts:
            return name
    return "both"


def calls(path):
    """(level, format, line number, text around) of each call of the log."""
    text = path.read_text(encoding="utf-8")
    for match in CALL.finditer(text):
        fmt = "".join(STRING.findall(match.group(2))).replace('\\"', '"')
        around = text[max(0, match.start() - 80):match.end() + 200]
        yield [LEVELS[match.group(1)]], fmt, text.count("\n", 0, match.start()) + 1, around


def events_of(root, faults):
    """event -> (levels, programs)"""
    found = {}

    def add(event, levels, path):
        known = found.setdefault(event, (set(), set()))
        known[0].update(levels)
        known[1].add(program_of(path))

    for path in sorted((root / "src").rglob("*.c")):
        if "ctl" in path.relative_to(root).parts:
            continue  # orionctl talks to people, not to a log
        for levels, fmt, number, around in calls(path):
            where = f"{path.relative_to(root)}:{number}"
            plain = CONVERSION.sub("x", fmt)
            if not GRAMMAR.fullmatch(plain):
                faults.append(f"{where}: not event=... key=value ... as log_line.h takes it: {fmt}")
                continue
            event = fmt.split(" ")[0].partition("=")[2]
            if "%" not in event:
                add(event, levels, path)
            elif DYNAMIC.search(around):
                for name in DYNAMIC.search(around).group(1).split():
                    add(name, levels, path)
            elif path.name != "base.c":
                faults.append(f"{where}: list what it may be: /* events: a b c */")
        for event in TROUBLE.findall(path.read_text(encoding="utf-8")):
            add(event, ["warning"], path)
    return found


def documented(path, faults):
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = ROW.match(line)
        if match:
            if match.group(1) in rows:
                faults.append(f"{path.name}: `{match.group(1)}` stands there twice")
            rows[match.group(1)] = ({x.strip() for x in match.group(3).split(",")},
                                    {x.strip() for x in match.group(4).split(",")},
                                    bool(match.group(2)))
    return rows


def check_documents(root, found, faults):
    rows = documented(root / "docs" / "logs.md", faults)
    for event, (levels, programs) in sorted(found.items()):
        programs = {"both"} if len(programs) > 1 else programs
        if event not in rows:
            faults.append(f"docs/logs.md: `{event}` is missing")
        elif rows[event][:2] != (levels, programs):
            faults.append(f"docs/logs.md: `{event}` is {', '.join(sorted(levels))} of "
                          f"{', '.join(sorted(programs))}")
    for event in sorted(rows.keys() - found.keys()):
        faults.append(f"docs/logs.md: `{event}` is in no source")


def check_catalog(root, found, faults):
    text = (root / "src/common/io/log_catalog.c").read_text(encoding="utf-8")
    table = re.findall(r'\{"([a-z_]+)", "([0-9a-f]{32})"\}', text)
    catalog = root / "systemd/catalog/orion.catalog"
    explained = re.findall(r"^-- ([0-9a-f]{32})$", catalog.read_text(encoding="utf-8"), re.M)
    starred = {e for e, row in documented(root / "docs" / "logs.md", []).items() if row[2]}
    if starred != {event for event, _ in table}:
        faults.append("docs/logs.md: a * for those that log_catalog.c has and no others, not for "
                      + ", ".join(sorted(starred ^ {event for event, _ in table})))
    for event, number in table:
        if event not in found:
            faults.append(f"log_catalog.c: no event is called {event}")
        if number not in explained:
            faults.append(f"orion.catalog: {number} ({event}) is missing")
    for number in explained:
        if number not in {n for _, n in table} or explained.count(number) > 1:
            faults.append(f"orion.catalog: {number} is not in log_catalog.c, or twice here")
    used = set(re.findall(r"@ORION_([A-Z_]+)@", catalog.read_text(encoding="utf-8")))
    if not shutil.which("journalctl"):
        print("skipped: journalctl is not installed, so it has not read orion.catalog")
        return used
    with tempfile.TemporaryDirectory() as top:
        there = pathlib.Path(top) / "usr/lib/systemd/catalog"
        there.mkdir(parents=True)
        (pathlib.Path(top) / "var/lib/systemd/catalog").mkdir(parents=True)
        shutil.copy(catalog, there)
        for argv in (["--update-catalog"], ["--list-catalog"]):
            ran = subprocess.run(["journalctl", f"--root={top}", "--no-pager", *argv],
                                 capture_output=True, text=True, check=False)
            if ran.returncode != 0 or ran.stderr:
                faults.append(f"journalctl {argv[0]}: {ran.stderr.strip()}")
        for number in explained:
            if number not in ran.stdout:
                faults.append(f"journalctl --list-catalog does not know {number}")
    return used


def main():
    root, faults = pathlib.Path(sys.argv[1]), []
    found = events_of(root, faults)
    if "--list" in sys.argv:
        for event, (levels, programs) in sorted(found.items()):
            print(event, ",".join(sorted(levels)), ",".join(sorted(programs)))
        return 0
    check_documents(root, found, faults)
    check_catalog(root, found, faults)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
