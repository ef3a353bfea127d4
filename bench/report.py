"""Tables and files for compare.py and net_compare.py."""

import json
import os
import platform
import statistics
import sys
import time


def progress(text):
    """Shows what is being measured in one line of a terminal; an empty text clears it."""
    if sys.stderr.isatty():
        print(f"\r{text:78}" + ("" if text else "\r"), end="", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def number(value):
    """Three significant digits, without exponents."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """The whole range around the median: '12.1..13.4'."""
    return f"{number(min(values))}..{number(max(values))}"


def ratio_to(values, reference):
    """The median ratio of measurements taken in the same round, which cancels the drift of the machine between rounds."""
    pairs = [(a, b) for a, b in zip(values, reference) if a is not None and b]
    return median([a / b for a, b in pairs]) if pairs else None


def markdown_table(heads, rows):
    """Aligned, so that it reads well in a terminal too."""
    cells = [heads] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]

    def line(row):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(cells[0]), rule] + [line(row) for row in cells[1:]])


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def write(path, text):
    if path:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text + "\n")


def write_json(path, data):
    if path:
        write(path, json.dumps(data, indent=1))
