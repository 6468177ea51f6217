"""A line chart as SVG: both axes logarithmic, one line a series. No library."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 420, 300, 64, 36, 28, 46
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


def decades(values):
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def chart(title, x_name, y_name, series):
    """series: name -> [(x, y)]."""
    x0, x1 = decades([x for line in series.values() for x, _ in line])
    y0, y1 = decades([y for line in series.values() for _, y in line])

    def px(x):
        return LEFT + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(y):
        return HEIGHT - BOTTOM - (math.log10(y) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    out = [f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">'
           f'{escape(title)}</text>']
    for e in range(x0, x1 + 1):
        out.append(f'<line x1="{px(10**e):.1f}" x2="{px(10**e):.1f}" y1="{TOP}" '
                   f'y2="{HEIGHT - BOTTOM}" stroke="#ddd"/><text x="{px(10**e):.1f}" '
                   f'y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**e:,}</text>')
    for e in range(y0, y1 + 1):
        label = f"{10**e:,}" if e >= 0 else f"{10**e:g}"
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(10**e):.1f}" '
                   f'y2="{py(10**e):.1f}" stroke="#ddd"/><text x="{LEFT - 6}" '
                   f'y="{py(10**e) + 4:.1f}" text-anchor="end">{label}</text>')
    for (name, line), colour in zip(series.items(), COLOURS):
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in line]
    for i, (name, colour) in enumerate(zip(series, COLOURS)):
        out.append(f'<text x="{LEFT + 8}" y="{TOP + 14 + 14 * i}" fill="{colour}">'
                   f'{escape(name)}</text>')
    out.append(f'<text x="{LEFT + (WIDTH - LEFT - RIGHT) / 2}" y="{HEIGHT - 10}" '
               f'text-anchor="middle">{escape(x_name)}</text>')
    out.append(f'<text x="{12}" y="{HEIGHT / 2}" text-anchor="middle" '
               f'transform="rotate(-90 {12} {HEIGHT / 2})">{escape(y_name)}</text>')
    return out


def picture(charts, columns=3):
    """charts: arguments of chart(); so many stand side by side."""
    body = []
    for i, arguments in enumerate(charts):
        body += [f'<g transform="translate({i % columns * WIDTH},{i // columns * HEIGHT})">',
                 *chart(*arguments), "</g>"]
    width = WIDTH * min(columns, len(charts))
    height = HEIGHT * -(-len(charts) // columns)
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                      'font-family="sans-serif" font-size="11">',
                      '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>\n"])
