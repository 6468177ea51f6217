#!/usr/bin/python3
"""Fails if docs/reliability.md or SECURITY.md names a test, a chaos scenario or an overload that is not
there: `test_x::test_y` and `test_y` of tests/e2e, `chaos:NAME`, `overload:NAME`, `unit.NAME`, `integration.NAME`,
`model.NAME`.

Usage: reliability.py SOURCE_DIR
"""

import pathlib
import re
import subprocess
import sys


def main(root):
    e2e = {path.stem: set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M))
           for path in (root / "tests" / "e2e").glob("test_*.py")}
    chaos = subprocess.run(["/usr/bin/python3", str(root / "tests" / "chaos" / "chaos.py"), "--list"],
                           capture_output=True, text=True, check=True, cwd=root,
                           env={"PYTHONDONTWRITEBYTECODE": "1", "ORION_BIN": ".", "PATH": "/usr/bin:/bin"}).stdout
    scenarios = {line.split()[0] for line in chaos.splitlines() if line.strip()}
    overload = (root / "tests" / "load" / "overload.py").read_text(encoding="utf-8")
    cmake = (root / "tests" / "CMakeLists.txt").read_text(encoding="utf-8")
    bad, seen = [], 0
    for document in ("docs/reliability.md", "SECURITY.md"):
        for name in re.findall(r"`([^`\s]+)`", (root / document).read_text(encoding="utf-8")):
            file, _, test = name.partition("::")
            if test:
                good = test in e2e.get(file, ())
            elif re.fullmatch(r"test_\w+", name):
                good = any(name in tests for tests in e2e.values())
            elif name.startswith("chaos:"):
                good = name[6:] in scenarios
            elif name.startswith("overload:"):
                good = f"    def {name[9:]}(self)" in overload
            elif name.startswith("unit."):
                good = (root / "tests" / "unit" / f"test_{name[5:]}.c").exists()
            elif name.startswith("integration."):
                good = (root / "tests" / "integration" / f"test_{name[12:]}.c").exists()
            elif name.startswith("model."):
                good = name.split(".")[1] in cmake and all(part in cmake for part in name.split(".")[2:])
            else:
                continue
            seen += 1
            if not good:
                bad.append(f"{document} names `{name}`, which is not there")
    if seen < 40:
        bad.append(f"only {seen} names found: has the form of the tables changed?")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
