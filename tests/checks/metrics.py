#!/usr/bin/python3
"""Fails unless docs/metrics.md has each metric of src/router/core/metrics_table.c with its type, and
no other; and unless every metric that config/prometheus/alerts.yml and config/grafana/orion.json ask
for is one of them.

Usage: metrics.py SOURCE_DIR
"""

import json
import pathlib
import re
import sys

ROW = re.compile(r'(COUNTER|GAUGE|HISTOGRAM)\(METRIC_[A-Z_]+,\s*"([a-z_]+)"')
DOCUMENTED = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\| (own|all) \| .+ \|$",
                        re.M)
NAME = re.compile(r"\b((?:orion|process)_[a-z_]+)\b")
SUFFIXES = ("_bucket", "_sum", "_count")


def queries(root):
    """(where, PromQL) of the alerts and the dashboard."""
    alerts = root / "config" / "prometheus" / "alerts.yml"
    if alerts.exists():
        for number, line in enumerate(alerts.read_text(encoding="utf-8").splitlines(), 1):
            if re.match(r"\s*(expr:|[^#a-z]*(orion|process)_)", line):
                yield f"alerts.yml:{number}", line
    board = root / "config" / "grafana" / "orion.json"
    if board.exists():
        for panel in json.loads(board.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield f"orion.json: {panel['title']}", target["expr"]


def main():
    root, faults = pathlib.Path(sys.argv[1]), []
    source = (root / "src/router/core/metrics_table.c").read_text(encoding="utf-8")
    table = {name: kind.lower() for kind, name in ROW.findall(source)}
    text = (root / "docs/metrics.md").read_text(encoding="utf-8")
    documented = {name: kind for name, kind, _, _ in DOCUMENTED.findall(text)}
    if len(table) < 40:
        faults.append("metrics_table.c: this check does not see the table")
    for name, kind in table.items():
        if documented.get(name) != kind:
            faults.append(f"docs/metrics.md: `{name}`, a {kind}, is missing or of another type")
    faults += [f"docs/metrics.md: `{n}` is not in the table" for n in documented.keys() - table]
    known = set(table) | {n + s for n, k in table.items() if k == "histogram" for s in SUFFIXES}
    for where, query in queries(root):
        faults += [f"{where}: there is no {n}" for n in NAME.findall(query) if n not in known]
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
