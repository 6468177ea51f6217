#!/usr/bin/python3
"""Fails unless a value of P:health, on standard input, has these fields: NAME=JSON for exactly that
value, NAME=number for any number, NAME=text for any text that is not empty.

Usage: health.py NAME=VALUE...
"""

import json
import sys

KINDS = {"number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
         "text": lambda v: isinstance(v, str) and v}


def main():
    health, faults = json.load(sys.stdin), []
    for wanted in sys.argv[1:]:
        name, _, value = wanted.partition("=")
        has = health.get(name)
        if not (KINDS[value](has) if value in KINDS else name in health and has == json.loads(value)):
            faults.append(f"{name} is {json.dumps(has)}, not {value}")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
