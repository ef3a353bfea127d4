"""Charts as inline SVG: bars for one group, lines for how a workload scales."""

import html
import math

from . import contenders
from .results import known
from .tables import number

# One colour a contender, the same in every chart; those that are compared most are furthest apart.
COLOURS = {
    "weft": "#d1495b", "weft_echo": "#e59aa4", "weft_httpd": "#e59aa4", "tokio": "#2e6f9e", "tokio_mt": "#6fa8d6",
    "go": "#2a9d8f", "go_http": "#82c9c0", "asio": "#e09f3e", "asio_strand": "#f0c987", "libuv": "#7b6ba8",
    "tbb": "#5c8a3a", "rayon": "#a05a2c", "asyncio": "#8d99ae", "uvloop": "#4a5568", "nginx": "#3d7d3d",
    "epoll": "#999999", "plain": "#bbbbbb",
}


def colour(contender):
    return COLOURS.get(contender, "#666666")


def text(x, y, content, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(str(content))}</text>'


def bars(members):
    """Medians as bars, the whole range as a line. Bars that would dwarf the rest are cut and marked."""
    label, width, row = 92, 560, 22
    medians = sorted(member.median for member in members)
    top = min(medians[-1], 12 * medians[len(medians) // 2]) or 1
    plot = width - label - 150
    parts = []
    for i, member in enumerate(members):
        y = i * row + 4
        scaled = [min(value / top, 1.0) * plot for value in known(member.rounds)]
        length = min(member.median / top, 1.0) * plot
        limit = member.contender in contenders.LIMITS
        bold = ' font-weight="700"' if member.contender == contenders.OURS else ""
        parts.append(text(label - 8, y + 12, member.contender, "end", bold))
        parts.append(f'<rect x="{label}" y="{y}" width="{max(length, 1):.1f}" height="14" rx="2" '
                     f'fill="{colour(member.contender)}" opacity="{0.6 if limit else 1}"/>')
        parts.append(f'<line x1="{label + min(scaled):.1f}" x2="{label + max(scaled):.1f}" y1="{y + 7}" y2="{y + 7}" '
                     'class="range"/>')
        cut = " …" if member.median > top else ""
        ratio = "limit" if limit else f"{member.ratio:.2f} x" if member.ratio else ""
        parts.append(text(label + max(length, max(scaled)) + 6, y + 12, f"{cut}{number(member.median)} {member.unit}  {ratio}"))
    height = len(members) * row + 6
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'


class LogAxis:
    """Maps values to pixels by their logarithm; ticks at powers of ten, or at the values themselves if they are few."""

    def __init__(self, values, low, high, own_ticks=False):
        self._from, to = math.log(min(values)), math.log(max(values))
        if to - self._from < 1e-9:
            self._from, to = self._from - 1, to + 1
        self._low, self._scale = low, (high - low) / (to - self._from)
        powers = [10.0 ** k for k in range(-3, 12) if min(values) <= 10.0 ** k <= max(values)]
        self.ticks = sorted(set(values)) if own_ticks or len(powers) < 2 else powers
        if not own_ticks and len(self.ticks) > 5:
            self.ticks = [min(values), max(values)]

    def at(self, value):
        return self._low + (math.log(value) - self._from) * self._scale


def lines(series, x_name, unit):
    """`series` is {contender: [(x, y)]}; both axes are logarithmic. Lines are named at their right end."""
    width, height, left, right, top, bottom = 460, 250, 56, 96, 10, 36
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_axis, y_axis = LogAxis(xs, left, width - right, own_ticks=True), LogAxis(ys, height - bottom, top)
    parts = []
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - bottom}"/>')
        parts.append(text(x, height - bottom + 15, short(tick), "middle", ' class="tick"'))
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(left - 5, y + 4, number(tick), "end", ' class="tick"'))
    parts.append(text((left + width - right) / 2, height - 4, x_name, "middle", ' class="tick"'))
    parts.append(text(4, top + 6, unit, "start", ' class="tick"'))
    for contender, points in series.items():
        path = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for x, y in points)
        thick = 3 if contender == contenders.OURS else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour(contender)}" stroke-width="{thick}"/>')
        parts += [f'<circle cx="{x_axis.at(x):.1f}" cy="{y_axis.at(y):.1f}" r="2.5" fill="{colour(contender)}"/>' for x, y in points]
    for contender, y in spread_out({name: y_axis.at(points[-1][1]) for name, points in series.items()}, height - bottom):
        parts.append(text(width - right + 8, y + 4, contender, "start", f' style="fill:{colour(contender)}"'))
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'


def spread_out(wanted, lowest):
    """[(name, y)] near the wanted heights, without overlap."""
    placed, step = [], 12
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        placed.append([name, max(y, placed[-1][1] + step) if placed else y])
    overflow = placed[-1][1] - lowest if placed else 0
    if overflow > 0:
        for entry in reversed(placed):
            entry[1] = min(entry[1], lowest)
            lowest = entry[1] - step
    return [(name, y) for name, y in placed]


def short(value):
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{suffix}"
    return f"{value:g}"
