"""The HTML page: one file without references, charts as inline SVG."""

import html
import re

from . import charts, tables
from .results import groups

STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #777; --line: #ddd; --back: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --soft: #999; --line: #444; --back: #181a1d; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1180px; margin: 24px auto; padding: 0 16px; }
h2 { margin-top: 36px; border-bottom: 1px solid var(--line); }
h3 { margin: 14px 0 4px; font-size: 14px; }
.charts { display: flex; flex-wrap: wrap; gap: 8px 32px; }
svg { max-width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--ink); }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .range { stroke: var(--ink); stroke-width: 1.5; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 2px 10px 2px 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
.problem { color: #d1495b; }
"""
SIZE = re.compile(r"/(tasks|connections|waiters):(\d+)")


def page(machine, rows, problems):
    by_group = groups(rows)
    facts = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items())
    parts = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>weft beside its peers</title><style>{STYLE}</style>",
             "<h1>weft beside its peers</h1>", f"<p>{html.escape(facts)}</p>",
             "<p>Less is better everywhere. Bars are medians of the rounds, the thin line is the whole range; the ratio is to "
             "the best contender, from measurements of the same round. Ratios compare within one run only.</p>"]
    parts += [f"<p class='problem'>failed: {html.escape(problem)}</p>" for problem in problems]
    behind = tables.behind(rows)
    if behind:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in behind)
        parts.append(f"<h2>Where weft is not the first</h2><ul>{items}</ul>")
    parts += section("Scaling with the size", size_charts(by_group))
    parts += section("Scaling with the workers", worker_charts(by_group))
    folders = {}
    for group, members in by_group.items():
        folders.setdefault(group[0].split("/")[0], []).append((heading(group), charts.bars(members)))
    for folder, found in folders.items():
        parts += section(folder, found)
    parts.append(f"<h2>All figures</h2><div class='wide'>{html_table(rows)}</div></html>\n")
    return "\n".join(parts)


def heading(group):
    workload, threads, unit = group
    return f"{workload}, {tables.counted(threads, 'thread')}: {unit}"


def section(title, found):
    if not found:
        return []
    figures = "".join(f"<div><h3>{html.escape(name)}</h3>{chart}</div>" for name, chart in found)
    return [f"<h2>{html.escape(title)}</h2><div class='charts'>{figures}</div>"]


def line_charts(by_group, place):
    """A chart for each family that has more than one x; place(group) gives (family, x, name of x) or nothing."""
    families = {}
    for group, members in by_group.items():
        placed = place(group)
        if placed:
            family, x, x_name = placed
            for member in members:
                series = families.setdefault((family, x_name, group[2]), {})
                series.setdefault(member.contender, []).append((x, member.median))
    found = []
    for (family, x_name, unit), series in families.items():
        long_enough = {name: sorted(points) for name, points in series.items() if len(points) > 1}
        if long_enough:
            found.append((f"{family}: {unit}", charts.lines(long_enough, x_name, unit)))
    return found


def size_charts(by_group):
    def place(group):
        size = SIZE.search(group[0])
        return size and (f"{SIZE.sub('', group[0])}, {tables.counted(group[1], 'thread')}", int(size[2]), size[1])

    return line_charts(by_group, place)


def worker_charts(by_group):
    return line_charts(by_group, lambda group: (group[0], group[1], "threads"))


def html_table(rows):
    cells = [line.strip("|").split("|") for line in tables.results_table(rows).splitlines()]
    head = "".join(f"<th>{html.escape(cell.strip())}</th>" for cell in cells[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell.strip())}</td>" for cell in row) + "</tr>" for row in cells[2:])
    return f"<table><tr>{head}</tr>{body}</table>"
