"""What the demo prints: headings, wrapped lines with a request's name in front, a table."""

import os
import re
import sys
import textwrap

WIDTH = 80
NAME_WIDTH = 10
COLOURS = {"head": "1", "name": "36", "good": "32", "bad": "31", "warn": "33", "dim": "2"}


def _has_colour():
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def paint(text, colour):
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if colour and _has_colour() else text


def say(text="", colour=None):
    """A paragraph, or a line that is longer than the screen, wrapped."""
    lines = textwrap.wrap(text, WIDTH, break_on_hyphens=False) or [""]
    print("\n".join(paint(line, colour) for line in lines), flush=True)


def heading(text):
    print("\n" + paint(f"== {text}", "head"), flush=True)


def about(name, mark, text, colour=None):
    """One line about a request; what does not fit goes on below, under its beginning."""
    indent = NAME_WIDTH + 1 + (len(mark) + 1 if mark else 0)
    lines = textwrap.wrap(text, WIDTH - indent, break_on_hyphens=False) or [""]
    head = paint(f"{name:<{NAME_WIDTH}}", "name") + " " + (mark + " " if mark else "")
    for line in lines:
        print(head + paint(line, colour), flush=True)
        head = " " * indent


def _cells(value, width):
    return textwrap.wrap(value, width, break_on_hyphens=False) or [""]


def _shrink(widths, least):
    """Takes from the widest column that is above its least width until a row fits the screen."""
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        wide = [i for i, width in enumerate(widths) if width > least[i]]
        if not wide:
            break
        widths[max(wide, key=lambda i: widths[i])] -= 1


def _widths(rows, flexible):
    """Natural widths; the last `flexible` columns give way, by whole words if that is enough."""
    columns = list(zip(*rows))
    widths = [max(map(len, column)) for column in columns]
    fixed = len(columns) - flexible
    words = [max(len(word) for cell in column for word in cell.split()) for column in columns]
    _shrink(widths, widths[:fixed] + words[fixed:])
    _shrink(widths, widths[:fixed] + [8] * flexible)
    return widths


def table(rows, flexible, colours):
    """rows[0] is the head. Cells of the last `flexible` columns may go on in further lines."""
    widths = _widths(rows, flexible)
    for number, row in enumerate(rows):
        cells = [_cells(value, width) for value, width in zip(row, widths)]
        for i in range(max(len(c) for c in cells)):
            line = "  ".join((c[i] if i < len(c) else "").ljust(width)
                             for c, width in zip(cells, widths)).rstrip()
            print(paint(line, "dim" if number == 0 else colours[number - 1]), flush=True)


def _short(model):
    return model.removesuffix(":latest")


def _number(value, unit):
    return "?" if value is None else f"{value:.1f}{unit}" if unit == " C" else f"{value:.0f}{unit}"


def node_row(health, age_s, lost_s):
    """(cells, colour) of a node, from its health object and the age of its last sign of life."""
    board = re.sub(r"^Raspberry | Model .*| Rev .*", "", health.get("board") or "?")
    if age_s >= lost_s:
        state, colour = f"lost, silent for {age_s:.0f} s", "bad"
    elif health.get("available"):
        state, colour = "up", None
    else:
        state, colour = health.get("reason") or "unavailable", "warn"
    cells = [health.get("node_id", "?"), board, _number(health.get("temp_c"), " C"),
             _number(health.get("ram_percent"), "%"), str(health.get("slots", "?")),
             str(health.get("in_flight", "?")), state,
             ", ".join(map(_short, health.get("models") or [])) or "-",
             ", ".join(map(_short, health.get("installed") or [])) or "-"]
    return cells, colour


def fleet(nodes, lost_s):
    """nodes: [(health object, age in seconds)] in the order to show."""
    rows = [["node", "board", "temp", "RAM", "slots", "busy", "state", "in memory", "installed"]]
    colours = []
    for health, age_s in nodes:
        cells, colour = node_row(health, age_s, lost_s)
        rows.append(cells)
        colours.append(colour)
    table(rows, 3, colours)
