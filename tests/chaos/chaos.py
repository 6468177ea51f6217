#!/usr/bin/python3
"""Breaks everything, and proves that nothing is lost: see README.md beside, or --help."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

import redis

import control
from account import Account, read_clients
from client import GRACE_S, KINDS, NORMAL_TIMEOUT_MS
from faults import SCENARIOS, Torment
from report import print_daemons, print_history, print_runs, total
from stage import NODE_LOST_S, Stage

WARM_UP_S = 4.0
RESEND_S = 20.0  # for what was lost and is sent again
STRIKES_BLUNT = 5  # so often without any effect: something is wrong with the harness


class Events(threading.Thread):
    """Keeps every entry of P:events: Redis keeps the last 10,000 only."""

    def __init__(self, stage):
        super().__init__(daemon=True)
        self.stage, self.ending = stage, threading.Event()

    def run(self):
        last, key = "0-0", self.stage.keys.events
        with open(self.stage.path("events.jsonl"), "w", encoding="utf-8") as file:
            while not self.ending.is_set():
                try:
                    found = self.stage.db().xread({key: last}, count=1000, block=200)
                except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError):
                    self.ending.wait(0.2)
                    continue
                for last, entry in found[0][1] if found else []:
                    file.write(json.dumps({"id": last, **entry}) + "\n")
                file.flush()


class Run:
    """One scenario with one seed."""

    def __init__(self, options, scenario, seed, bin_dir):
        self.options, self.scenario, self.seed, self.bin_dir = options, scenario, seed, bin_dir
        self.directory = tempfile.mkdtemp(prefix="orion-chaos-")
        self.dice = random.Random(f"{seed}-{scenario}")
        self.stage = Stage(self.directory, bin_dir, options.redis, self.dice)
        self.rows, self.records, self.errors = [], [], {}

    def set_up(self):
        stage = self.stage
        stage.start_redis()
        stage.start_sims()
        stage.start_proxy()
        stage.start_daemons()
        self.events = Events(stage)
        self.events.start()

    def storm(self):
        """Warm-up, then faults until the time is over."""
        _, weights, (shortest, longest) = SCENARIOS[self.scenario]
        start = time.monotonic() + WARM_UP_S
        until = start + self.options.seconds
        calm_at = until + NODE_LOST_S + GRACE_S
        self.give_up_at = until + NORMAL_TIMEOUT_MS / 1000 + GRACE_S + RESEND_S
        kinds = [] if self.scenario == "calm" else list(KINDS)
        self.stage.start_clients(self.seed, until, calm_at, self.give_up_at,
                                 self.options.open, kinds)
        self.torment = Torment(self.stage, self.dice, until)
        names, shares = list(weights), list(weights.values())
        strike_at = start
        while time.monotonic() < until:
            self.stage.supervise()
            if time.monotonic() < start:
                self.stage.note_warm()
            self.torment.run_due()
            if time.monotonic() >= strike_at:
                self.torment.strike(self.dice.choices(names, shares)[0])
                strike_at = time.monotonic() + self.dice.uniform(shortest, longest)
            time.sleep(0.01)

    def settle(self):
        """Everything is healed; the clients wait for their answers, zombies have their chance."""
        self.torment.settle()
        self.torment.count_effects()
        healed = time.monotonic()
        while any(c.alive for c in self.stage.clients):
            self.stage.supervise()
            if time.monotonic() > self.give_up_at + 10:
                self.stage.faults.append("a client has not ended")
                break
            time.sleep(0.02)
        while time.monotonic() < healed + NODE_LOST_S + 2:
            self.stage.supervise()
            time.sleep(0.02)
        self.settled_s = time.monotonic() - healed

    def judge(self):
        account = self.account = Account(self.stage, self.torment, self.scenario == "calm")
        self.records, self.errors = read_clients(self.stage)
        account.judge_leftovers(10)
        account.judge_all(self.records)
        self.rows = account.judge_growth()
        self.events.ending.set()
        self.stage.stop_daemons()
        for sentence in self.stage.faults:
            account.violation("process", "", sentence)

    def go(self):
        try:
            self.set_up()
            self.storm()
            self.settle()
            self.judge()
        finally:
            self.stage.close()
        return not self.account.violations

    def result(self):
        return {"scenario": self.scenario, "seed": self.seed, "redis": self.options.redis,
                **self.account.count, "struck": self.torment.struck,
                "effects": self.torment.effects,
                "strikes": sum(self.torment.struck.values()),
                "faults": len(self.stage.faults), "settled": self.settled_s,
                "violations": len(self.account.violations), "codes": self.account.codes}


def one_run(options, scenario, seed, bin_dir):
    run = Run(options, scenario, seed, bin_dir)
    try:
        good = run.go()
    except BaseException:
        print(f"chaos: logs are kept in {run.directory}", file=sys.stderr)
        raise
    if options.verbose or options.runs * len(options.scenarios) == 1 or not good:
        print_daemons(run)
    if not good and not options.control:
        print_history(run)
    if (good and not options.keep) or options.control:
        shutil.rmtree(run.directory, ignore_errors=True)
    else:
        print(f"chaos: logs are kept in {run.directory}")
    return run.result()


def without_effect(results):
    """Faults that can be ordered in vain (on a link without a connection, in a quiet moment), were
    ordered often, and never had any effect."""
    struck, effects = total(results, "struck"), total(results, "effects")
    return [name for name, n in effects.items() if n == 0 and struck.get(name, 0) >= STRIKES_BLUNT]


def parse():
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults strike (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="this many seeds, from --seed on")
    parser.add_argument("--redis", choices=["always", "everysec"], default="always")
    parser.add_argument("--scenario", default="mixed",
                        help="a name, several with commas, or 'each'")
    parser.add_argument("--open", type=int, default=10, help="open requests of each of 4 clients")
    parser.add_argument("--control", action="store_true",
                        help="without the scripts' gates: must report duplicates")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--keep", action="store_true", help="keep the logs of good runs too")
    parser.add_argument("--verbose", action="store_true",
                        help="the daemons' figures of every run")
    options = parser.parse_args()
    options.scenarios = options.scenario.split(",")
    if options.scenario == "each":
        options.scenarios = list(SCENARIOS)
    for name in options.scenarios:
        if name not in SCENARIOS:
            parser.error(f"no scenario {name!r}; see --list")
    return options


def main():
    options = parse()
    if options.list:
        for name, (text, _, _) in SCENARIOS.items():
            print(f"{name:18} {text}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # clean up on the way
    bin_dir = os.path.abspath(os.environ["ORION_BIN"])
    scratch = tempfile.mkdtemp(prefix="orion-chaos-bin-")
    results = []
    try:
        if options.control:
            bin_dir = control.make_programs(bin_dir, os.path.join(scratch, "bin"))
        for scenario in options.scenarios:
            for seed in range(options.seed, options.seed + options.runs):
                print(f"chaos: {scenario}, seed {seed}, {options.seconds:g} s, {options.redis}"
                      + (", gates taken out" if options.control else ""), flush=True)
                results.append(one_run(options, scenario, seed, bin_dir))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print_runs(results)
    blunt = without_effect(results)
    for name in blunt:
        print(f"chaos: {name} was ordered again and again, and nothing came of it: the harness is blunt")
    if options.control:
        caught = sum(r["duplicated"] for r in results)
        print(f"chaos: the control has {caught} duplicated terminal entries: "
              + ("the harness can fail" if caught else "THE HARNESS SAW NOTHING"))
        return 0 if caught else 1
    return 1 if blunt or any(r["violations"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
