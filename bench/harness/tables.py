"""Numbers and tables as people read them."""

from . import contenders
from .results import groups, known

HEADS = ("workload", "threads", "contender", "unit", "median", "spread", "to best", "to limit", "beside")


def number(value):
    """Three significant digits, without exponents."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value):
    return "" if value is None else f"{value:.2f}"


def spread(values):
    """The whole range: '12.1..13.4'."""
    return f"{number(min(values))}..{number(max(values))}"


def counted(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def beside(row):
    return ", ".join(f"{name} {number(value)}" for name, value in row.more.items())


def markdown(heads, rows):
    """Aligned, so that it reads well in a terminal too."""
    cells = [list(heads)] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]

    def line(row):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(cells[0]), rule] + [line(row) for row in cells[1:]])


def results_table(rows):
    cells = []
    for members in groups(rows).values():
        for row in members:
            to_best = "limit" if row.contender in contenders.LIMITS else ratio(row.ratio)
            cells.append([row.workload, row.threads, row.contender, row.unit, number(row.median),
                          spread(known(row.rounds)), to_best, ratio(row.to_limit), beside(row)])
    return markdown(HEADS, cells)


def page(machine, rows):
    """The Markdown file."""
    facts = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items())
    parts = [facts, results_table(rows)]
    lines = behind(rows)
    if lines:
        parts += ["## Where weft is not the first", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def behind(rows):
    """One line for each group where the library is there but not the best contender."""
    lines = []
    for (workload, threads, unit), members in groups(rows).items():
        best = next((row for row in members if row.contender not in contenders.LIMITS), None)
        ours = next((row for row in members if row.contender == contenders.OURS), None)
        if ours and not contenders.is_ours(best.contender):
            lines.append(f"{workload}, {counted(threads, 'thread')}: {number(ours.median)} {unit}, "
                         f"{ratio(ours.ratio)} times {best.contender} ({number(best.median)})")
    return lines
