"""The control: the daemons with the gates of their scripts taken out: the harness must find that.

The product has no switch for it. A daemon carries its scripts as plain text, so a copy of the
program is made in which each gate is replaced by as many bytes that let everything pass.
"""

import os
import shutil

# The gates that are taken out: of finish, start and chunk (is this process still the node, is the
# entry pending at it, has the job ended), of move (seen before), of takeback (has the job ended).
# Each is (script, as it stands there, what stands there instead).
OF_WORKER = ("finish", "start", "chunk")
FENCED = "if redis.call('GET', KEYS[2]) ~= ARGV[3] then\n  return {'fenced'}"
PENDING = "if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0 then"
ENDED = "if job[1] == 'done' or (job[2] and job[2] ~= ARGV[4]) then"
SEEN = "if job[1] and not (ARGV[11] == '1' and job[1] == 'queued' and job[2] == ARGV[3]) then"
GATES = (
    *((script, FENCED, "if false then\n  return {'fenced'}") for script in OF_WORKER),
    *((script, PENDING, "if false then") for script in OF_WORKER),
    *((script, ENDED, "if false then") for script in OF_WORKER),
    ("move", SEEN, "if false then"),
    ("takeback", ENDED.replace("ARGV[4]", "ARGV[3]"), "if false then"),
)
PROGRAMS = ("orion-router", "orion-worker")


def scripts_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.join(here, "..", "..", "src", "common", "lua")


def ungated(text, gates):
    """The script without these gates, exactly as long."""
    for _, gate, instead in gates:
        if text.count(gate) != 1:
            raise SystemExit(f"control: {text.count(gate)} times instead of once: {gate}")
        text = text.replace(gate, instead + " " * (len(gate) - len(instead)))
    return text


def make_programs(bin_dir, to_dir):
    """Copies the programs to to_dir, the daemons without their gates. Returns to_dir."""
    shutil.copytree(bin_dir, to_dir)
    for program in PROGRAMS:
        path = os.path.join(to_dir, program)
        with open(path, "rb") as file:
            image = file.read()
        for name in sorted({gate[0] for gate in GATES}):
            with open(os.path.join(scripts_dir(), name + ".lua"), encoding="utf-8") as file:
                text = file.read()
            found = image.count(text.encode())
            if found != 1:
                raise SystemExit(f"control: {program} holds {name}.lua {found} times: "
                                 "build it anew")
            altered = ungated(text, [g for g in GATES if g[0] == name])
            image = image.replace(text.encode(), altered.encode())
        with open(path, "wb") as file:
            file.write(image)
    return to_dir
