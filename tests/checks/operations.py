#!/usr/bin/python3
"""Fails unless tests/operations/commands.sh tries, or says why not, each command that stands in
docs/operations.md outside of the blocks which scripts/test-operations runs as they are; and unless
each that it names is there.

Usage: operations.py SOURCE_DIR
"""

import pathlib
import re
import sys

PROGRAMS = ("ansible-playbook", "apt-get", "curl", "df", "dmesg", "free", "journalctl", "ollama", "orion-router",
            "orion-worker", "orionctl", "redis-cli", "scripts/", "systemctl")
BARE = ("dmesg",)  # a command by its name alone; `orionctl` alone is the name of a program
NO_COMMANDS = ("ollama down",)  # what a node says of itself
SPAN = re.compile(r"`([^`]+)`")
NAMED = re.compile(r'^(?:tries|untried) "([^"]+)"', re.M)


def is_command(text):
    if text in NO_COMMANDS:
        return False
    if text.startswith("scripts/"):
        return True
    words = text.split()
    return words[0] in PROGRAMS and (len(words) > 1 or text in BARE)


def commands(text):
    """(line number, command, whether whatever stands there is a command)"""
    block = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            block = None if block is not None else line[3:]
        elif block is None:
            columns = line.split("|")
            for match in SPAN.finditer(line):
                in_run = len(columns) == 5 and f"`{match.group(1)}`" in columns[2]
                yield number, match.group(1), in_run
        elif block != "sh" and line.split() and line.split()[0] in PROGRAMS:
            yield number, line, True


def main():
    root, faults = pathlib.Path(sys.argv[1]), []
    text = (root / "docs/operations.md").read_text(encoding="utf-8")
    tried = set(NAMED.findall((root / "tests/operations/commands.sh").read_text(encoding="utf-8")))
    # The table of symptoms is the one with "run"; another one has three columns, too.
    symptoms = text[:text.index("| symptom | run |")].count("\n") + 1
    found = {}
    for number, command, is_surely in commands(text):
        if is_command(command):
            found.setdefault(command, number)
        elif is_surely and number > symptoms:
            faults.append(f"docs/operations.md:{number}: `{command}` is no command that this check knows")
    faults += [f"docs/operations.md:{n}: tests/operations/commands.sh does not try `{c}`"
               for c, n in found.items() if c not in tried]
    faults += [f"tests/operations/commands.sh: `{c}` is not in docs/operations.md"
               for c in sorted(tried - found.keys())]
    if len(found) < 20:
        faults.append("docs/operations.md: this check does not see its commands")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
