"""Figures of benchmarks: rows, medians, the table."""

import dataclasses
import statistics


@dataclasses.dataclass
class Row:
    """One measured thing. `values` and `floors` are one figure a round, of the same unit."""

    what: str
    unit: str
    values: list
    floors: list = None  # None: the bar is absolute
    bar: float = None  # of the ratio if there is a floor, else of the value; None: for the record
    better: str = "lower"  # or "higher"
    name: str = ""

    @classmethod
    def from_dict(cls, kept):
        """The inverse of as_dict()."""
        return cls(kept["what"], kept["unit"], kept["values"], kept["floors"], kept["bar"],
                   kept["better"], kept["bench"])

    def with_name(self, name):
        self.name = name
        return self

    @property
    def figures(self):
        """What is held against the bar, one a round."""
        if self.floors is None:
            return self.values
        return [v / f if f else float("inf") for v, f in zip(self.values, self.floors)]

    @property
    def ok(self):
        if self.bar is None:
            return None
        figure = statistics.median(self.figures)
        return figure <= self.bar if self.better == "lower" else figure >= self.bar

    def as_dict(self):
        return {"bench": self.name, "what": self.what, "unit": self.unit, "values": self.values,
                "floors": self.floors, "median": statistics.median(self.figures),
                "min": min(self.figures), "max": max(self.figures), "bar": self.bar,
                "better": self.better, "ok": self.ok}


def number(x):
    if abs(x) >= 1000:
        return f"{x:,.0f}"
    return f"{x:.3g}"


# Between these docs/performance.md has the table of the recorded run.
MARK_BEGIN, MARK_END = "<!-- bench/baseline.json begins -->", "<!-- bench/baseline.json ends -->"

PICTURE = "\n![What grows with nodes and models](growth.svg)"  # drawn by --plot docs/growth.svg

HEAD = ("benchmark", "what", "daemon", "floor", "ratio or value", "min to max", "bar", "")


def cells(row):
    figures = row.figures
    sign = "" if row.bar is None else ("<= " if row.better == "lower" else ">= ")
    return (row.name, row.what, f"{number(statistics.median(row.values))} {row.unit}".rstrip(),
            f"{number(statistics.median(row.floors))} {row.unit}" if row.floors else "-",
            number(statistics.median(figures)), f"{number(min(figures))} to {number(max(figures))}",
            "-" if row.bar is None else f"{sign}{number(row.bar)}",
            {None: "", True: "met", False: "MISSED"}[row.ok])


def table(rows):
    """For a terminal."""
    lines = [HEAD] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip()
                     for line in lines)


def markdown(kept):
    """What a file of --json holds, for docs/performance.md: every row but those of the growth,
    which its picture shows."""
    rows = [Row.from_dict(row) for row in kept["rows"] if row["bench"] != "growth"]
    about = kept["machine"]
    lines = [HEAD, ("---",) * len(HEAD)] + [cells(row) for row in rows]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return "\n".join([f"{about['date']}, {about['cpu']}, {about['cores']} cores, Linux "
                      f"{about['kernel']}, {about['arch']}; {versions}; commit {about['commit']}; "
                      f"{kept['rounds']} rounds.", ""] +
                     ["| " + " | ".join(line) + " |" for line in lines] +
                     ([PICTURE] if len(rows) < len(kept["rows"]) else []))
