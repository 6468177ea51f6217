#!/usr/bin/python3
"""Fails unless promtool accepts config/prometheus/alerts.yml, each of its alerts has a test that sees
it fire and one that sees it silent (tests/prometheus/alerts_test.yml), the tests pass, the dashboard
config/grafana/orion.json has the shape that Grafana wants, and promtool can read its queries. Says so and passes where promtool is not installed.

Usage: prometheus.py SOURCE_DIR
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Grafana's own variables, as it would fill them in.
VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h", "$node": "pi-1",
             "$model": "gemma3:1b"}


def without_annotations(text):
    out, skipping = [], False
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if skipping and (not line.strip() or depth <= 8):
            skipping = False
        if line.strip() == "annotations:":
            skipping = True
        if not skipping:
            out.append(line)
    return "\n".join(out) + "\n"


def promtool(faults, *argv, where):
    ran = subprocess.run(["promtool", *argv], cwd=where, capture_output=True, text=True,
                         check=False)
    if ran.returncode != 0:
        faults.append(f"promtool {' '.join(argv)}: {ran.stdout}{ran.stderr}")


PANELS = {"row", "stat", "timeseries", "table", "heatmap", "state-timeline"}


def check_board(board, faults):
    """What Grafana's dashboard schema (version 39) asks for, as far as it can be asked offline."""
    def wrong(what):
        faults.append(f"orion.json: {what}")

    for key, kind in {"uid": str, "title": str, "schemaVersion": int, "panels": list, "time": dict,
                      "templating": dict, "annotations": dict}.items():
        if not isinstance(board.get(key), kind):
            wrong(f"{key} is missing or no {kind.__name__}")
    taken, ids = set(), set()
    variables = {v["name"] for v in board["templating"]["list"]}
    for panel in board["panels"]:
        title, place = panel["title"], panel["gridPos"]
        if panel["type"] not in PANELS or panel["id"] in ids:
            wrong(f"{title}: type {panel['type']}, id {panel['id']}")
        ids.add(panel["id"])
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        if place["x"] + place["w"] > 24 or cells & taken or not cells:
            wrong(f"{title}: lies on another panel or outside of 24 columns")
        taken |= cells
        if panel["type"] == "row":
            continue
        refs = [t["refId"] for t in panel["targets"]]
        sources = [panel["datasource"]] + [t["datasource"] for t in panel["targets"]]
        if not refs or len(set(refs)) != len(refs):
            wrong(f"{title}: no targets, or two of one refId")
        if any(d != {"type": "prometheus", "uid": "${datasource}"} for d in sources):
            wrong(f"{title}: another data source than the variable's")
        if "unit" not in panel["fieldConfig"]["defaults"]:
            wrong(f"{title}: no unit")
        for used in re.findall(r"\$(\w+)", " ".join(t["expr"] for t in panel["targets"])):
            if not used.startswith("__") and used not in variables:
                wrong(f"{title}: no variable {used}")


def dashboard_rules(root):
    """The dashboard's queries as recording rules: promtool parses those."""
    board = json.loads((root / "config/grafana/orion.json").read_text(encoding="utf-8"))
    lines, n = ["groups:", "  - name: dashboard", "    rules:"], 0
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            n += 1
            lines += [f"      - record: dashboard:query{n}", f"        expr: {json.dumps(query)}"]
    assert n > 10, "the dashboard asks for nothing"
    return "\n".join(lines) + "\n"


def main():
    root, faults = pathlib.Path(sys.argv[1]).resolve(), []
    rules = (root / "config/prometheus/alerts.yml").read_text(encoding="utf-8")
    tests = (root / "tests/prometheus/alerts_test.yml").read_text(encoding="utf-8")
    silent = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts: \[\{", tests))
    for alert in re.findall(r"- alert: (\w+)", rules):
        if alert not in silent or alert not in fired:
            faults.append(f"alerts_test.yml: {alert} is not seen both firing and silent")
    check_board(json.loads((root / "config/grafana/orion.json").read_text(encoding="utf-8")), faults)
    if not shutil.which("promtool"):
        print("skipped: promtool is not installed (package prometheus or promtool)")
    else:
        with tempfile.TemporaryDirectory() as top:
            there = pathlib.Path(top)
            promtool(faults, "check", "rules", str(root / "config/prometheus/alerts.yml"),
                     where=top)
            (there / "alerts.yml").write_text(without_annotations(rules), encoding="utf-8")
            (there / "test.yml").write_text(tests, encoding="utf-8")
            promtool(faults, "test", "rules", "test.yml", where=top)
            (there / "board.yml").write_text(dashboard_rules(root), encoding="utf-8")
            promtool(faults, "check", "rules", "board.yml", where=top)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
