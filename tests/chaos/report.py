"""What is printed: one table of runs, the daemons' figures, the history of an offending request."""

import json
import os
import re

COLUMNS = (  # key, heading
    ("scenario", "scenario"), ("seed", "seed"), ("redis", "redis"), ("strikes", "faults"),
    ("submitted", "submitted"), ("accepted", "accepted"), ("answered", "answered"),
    ("done", "done"), ("late", "late"), ("lost", "lost"), ("excused", "forgot"),
    ("duplicated", "dup"), ("order", "order"), ("after", "after"), ("short", "short"),
    ("runs_per", "runs/req"),
    ("runs_max", "max"), ("left_entries", "left"), ("left_keys", "keys"),
    ("mem_kib", "+KiB"), ("fds", "+fds"), ("growth", "grown"),
    ("faults", "procs"), ("settled", "settle s"), ("violations", "VIOLATIONS"))
LEGEND = """
faults: strikes; late: deadline_exceeded and attempts_exhausted of ordinary requests; forgot: lost
with what Redis forgot or we deleted, answered when sent again; dup: more than one terminal entry;
order, after: chunks out of order, entries after the end; short: the last chunks are missing, `done`
has the whole text; runs: requests that reached an Ollama per done, and the most for one; left,
keys: work and keys left over; +KiB, +fds: the most that one daemon has gained in memory of its own
and in descriptors; grown: daemons that gained too much; procs: processes that ended by themselves"""
HISTORIES = 3  # offending requests that are told in full
LOG_LINES = 60


def table(rows, out=print):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        out("  ".join(str(cell).rjust(w) if i else str(cell).ljust(w)
                      for i, (cell, w) in enumerate(zip(row, widths))).rstrip())


def total(results, key):
    """The sums of the dictionaries that are there in each result."""
    sums = {}
    for result in results:
        for name, n in result[key].items():
            sums[name] = sums.get(name, 0) + n
    return sums


def words(counts):
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def print_runs(results):
    rows = [[heading for _, heading in COLUMNS]]
    for result in results:
        result = dict(result, settled=f"{result['settled']:.1f}",
                      runs_per=f"{result['runs'] / max(result['done'], 1):.2f}")
        rows.append([result[key] for key, _ in COLUMNS])
    print()
    table(rows)
    print(LEGEND)
    struck = total(results, "struck")
    print("struck: " + words(struck))
    effects = {name: n for name, n in total(results, "effects").items() if name in struck}
    if effects:
        print("what came of those that can strike nothing (connections, bytes, pieces, refusals, looks "
              "at the clock ...): " + words(effects))


def print_daemons(run):
    rows = [["process", "deaths", "rss KiB", "", "anon KiB", "", "pss KiB", "", "fds", "", "cpu s"],
            ["", "", "before", "after"] + ["before", "after"] * 3 + [""]]
    for unit, before, after in run.rows:
        row = [unit.name, unit.deaths]
        for name in ("rss", "anon", "pss", "fds"):
            row += [before[name] if before else "-", after[name] if after else "-"]
        rows.append(row + [f"{after['cpu']:.1f}" if after else "-"])
    print()
    table(rows)
    print(f"codes: {run.account.codes}")
    print(f"strikes: {run.torment.struck}")
    print(f"the clients' errors: {run.errors}")


def print_history(run):
    violations = run.account.violations
    print(f"\n{len(violations)} violations:")
    for kind, request_id, sentence in violations[:40]:
        print(f"  {kind:10} {request_id:8} {sentence}")
    told = []
    for kind, request_id, _ in violations:
        if request_id and request_id not in told and len(told) < HISTORIES:
            told.append(request_id)
            print_request(run, request_id)
    path = run.stage.path("history.txt")
    with open(path, "w", encoding="utf-8") as file:
        for when, text in run.stage.history:
            file.write(f"{when:8.3f} {text}\n")
        for violation in violations:
            file.write(f"violation {violation}\n")
    print(f"\nwhat struck when: {path}")


def print_request(run, request_id):
    """Events, what the client saw, and every log line that names the request."""
    print(f"\n--- {request_id}")
    start = run.stage.start_s
    for record in run.records:
        if record["id"] == request_id:
            short = {k: v for k, v in record.items() if k != "fields" or len(v) < 50}
            for key in ("first_s", "ack_s", "answered_s"):
                if short[key]:
                    short[key] = round(short[key] - start, 3)
            print(f"client: {json.dumps(short)}")
    print(f"ran {run.account.marks.get(request_id, 0)} times")
    for line in lines_about(run.stage.path("events.jsonl"), request_id):
        print(f"event: {line}")
    for name in sorted(os.listdir(run.directory)):
        if name.endswith(".log"):
            for line in lines_about(os.path.join(run.directory, name), request_id)[:LOG_LINES]:
                print(f"{name}: {line[:300]}")


def lines_about(path, request_id):
    pattern = re.compile(rf"(?<![\w-]){re.escape(request_id)}(?![\w-])")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.rstrip() for line in file if pattern.search(line)]
