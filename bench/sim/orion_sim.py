"""Calls orion-sim and keeps what it says; shared by bars and capacity."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BUILDS = ["release", "gcc", "dev"]


def default_program():
    """The first build that is there."""
    for build in BUILDS:
        path = os.path.join(HERE, "../../build", build, "bin/orion-sim")
        if os.access(path, os.X_OK):
            return os.path.normpath(path)
    return os.path.join(HERE, "../../build/release/bin/orion-sim")


def seeds_of(text):
    """"11-15" as (11, 15)."""
    first, _, last = text.partition("-")
    return int(first), int(last or first)


class Runs:
    """The runs of one command, by scenario and policy, one list entry per seed."""

    def __init__(self, program, seeds, options=()):
        self.program, self.seeds, self.options, self.runs = program, seeds, list(options), {}

    def add(self, scenario, policies, load=None):
        """Runs what is not there yet."""
        missing = [policy for policy in policies if (scenario, policy, load) not in self.runs]
        if not missing:
            return
        command = [self.program, "--scenario", scenario, "--policy", ",".join(missing),
                   "--seeds", f"{self.seeds[0]}-{self.seeds[1]}", "--json"]
        if load is not None:
            command += ["--load", f"{load:.2f}"]
        for option in self.options:
            command += ["--option", option]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for run in json.loads(out)[0]["runs"]:
            self.runs.setdefault((scenario, run["policy"], load), []).append(run)

    def mean(self, scenario, policy, figure, window=None, load=None):
        """The mean over all seeds, or over those of `window` = (first, count) places."""
        self.add(scenario, [policy], load)
        runs = self.runs[(scenario, policy, load)]
        if window:
            runs = runs[window[0]:window[0] + window[1]]
        return sum(run[figure] for run in runs) / len(runs)
