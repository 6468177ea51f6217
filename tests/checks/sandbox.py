#!/usr/bin/python3
"""Fails unless each directive of the sandbox of systemd/*.service counts: without it systemd-analyze
finds the service more exposed. What has no weight there is listed below with its reason. Says so and
passes where systemd-analyze is not installed.

Usage: sandbox.py SOURCE_DIR
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

NO_WEIGHT = {
    "AmbientCapabilities": "empty by default; said to be sure",
    "DevicePolicy": "PrivateDevices brings it along; said for whoever takes that one away",
    "KeyringMode": "private by default for a service of the system; said to be sure",
    "SystemCallErrorNumber": "how a forbidden call fails: by an error, not by a signal",
}


def rating(text, name, where):
    """Check -> exposure, as systemd-analyze prints it."""
    unit = where / name
    unit.write_text(text, encoding="utf-8")
    ran = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--json=short", "--no-pager",
                          str(unit)], capture_output=True, text=True, check=False)
    # The exit code says whether the whole is good; without JSON there was no rating.
    return {row["json_field"] if "json_field" in row else row["name"]: float(row["exposure"] or 0)
            for row in json.loads(ran.stdout)}


def directives(text):
    """(line number, name) of what stands between "# Sandbox" and "[Install]"."""
    inside = False
    for number, line in enumerate(text.splitlines()):
        inside = (inside or line.startswith("# Sandbox")) and not line.startswith("[Install]")
        match = re.match(r"([A-Z]\w+)=", line)
        if inside and match:
            yield number, match.group(1)


def check(unit, where, faults):
    text = unit.read_text(encoding="utf-8")
    whole, lines, n = rating(text, unit.name, where), text.splitlines(), 0
    for number, name in directives(text):
        n += 1
        less = rating("\n".join(lines[:number] + lines[number + 1:]) + "\n", unit.name, where)
        worse = [check for check in less if less[check] > whole.get(check, 0)]
        if bool(worse) == (name in NO_WEIGHT):
            faults.append(f"{unit.name}: {lines[number]}: systemd-analyze "
                          + (f"weighs it: {worse}" if worse else "sees no difference without it"))
    if n < 25:
        faults.append(f"{unit.name}: this check does not see the sandbox")
    return n


def main():
    root, faults = pathlib.Path(sys.argv[1]), []
    if not shutil.which("systemd-analyze"):
        print("skipped: systemd-analyze is not installed")
        return 0
    with tempfile.TemporaryDirectory() as top:
        for unit in sorted((root / "systemd").glob("*.service")):
            print(f"{unit.name}: {check(unit, pathlib.Path(top), faults)} directives")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
