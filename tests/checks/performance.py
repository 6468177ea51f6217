"""Fails if docs/performance.md shows other figures than bench/baseline.json has, or says nothing of a bar
that was missed.

Usage: performance.py SOURCE_DIRECTORY
"""

import json
import os
import sys

root = sys.argv[1]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(root, "bench", "lib"))

from report import MARK_BEGIN, MARK_END, Row, markdown  # noqa: E402

with open(os.path.join(root, "docs", "performance.md"), encoding="utf-8") as file:
    page = file.read()
baseline = os.path.join(root, "bench", "baseline.json")
if not os.path.exists(baseline):
    if "No baseline is recorded yet" not in page:
        sys.exit("there is no bench/baseline.json, and docs/performance.md does not say so")
    sys.exit(0)
with open(baseline, encoding="utf-8") as file:
    kept = json.load(file)

wrong = []
if page.split(MARK_BEGIN)[1].split(MARK_END)[0].strip() != markdown(kept).strip():
    wrong.append("docs/performance.md has another table than bench/baseline.json: "
                 "bench/run --table bench/baseline.json --into docs/performance.md")
explained = page.partition("## Bars that are missed")[2].split("\n## ")[0]
for row in (Row.from_dict(row) for row in kept["rows"]):
    if row.ok is False and f"**{row.what}**" not in explained:
        wrong.append(f"docs/performance.md does not explain why {row.name}'s bar is missed: "
                     f"**{row.what}** in 'Bars that are missed'")
sys.exit("\n".join(wrong) or 0)
