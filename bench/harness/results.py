"""What was measured, one Series a row, and the JSON file that keeps it."""

import dataclasses
import json
import os
import platform
import re
import statistics
import subprocess
import time

from . import contenders


def known(values):
    return [value for value in values if value is not None]


def median_ratio(values, others):
    """The median of the ratios within a round, which cancels the drift of the machine between rounds."""
    pairs = [(a, b) for a, b in zip(values, others) if a is not None and b]
    return statistics.median(a / b for a, b in pairs) if pairs else None


@dataclasses.dataclass
class Series:
    """The rounds of one contender in one workload with one number of threads. Less is better in every unit."""

    workload: str
    contender: str
    threads: int
    unit: str
    rounds: list  # one value a round; None where the round failed
    more: dict = dataclasses.field(default_factory=dict)  # other things measured beside: {name: median}
    ratio: float | None = None  # to the best contender
    to_limit: float | None = None  # to the bare loop or the plain function, where there is one

    @property
    def group(self):
        """What is compared with one another."""
        return self.workload, self.threads, self.unit

    @property
    def median(self):
        return statistics.median(known(self.rounds))

    def to_json(self):
        good = known(self.rounds)
        return {"workload": self.workload, "contender": self.contender, "threads": self.threads, "median": self.median,
                "min": min(good), "max": max(good), "unit": self.unit, "ratio": self.ratio, "to_limit": self.to_limit,
                "rounds": self.rounds, "more": self.more}

    @staticmethod
    def from_json(row):
        rounds = row.get("rounds") or [row["min"], row["median"], row["max"]]
        return Series(row["workload"], row["contender"], row["threads"], row["unit"], rounds, row.get("more", {}),
                      row.get("ratio"), row.get("to_limit"))


class Collector:
    """Takes in single measurements; gives rows."""

    def __init__(self, rounds):
        self._rounds = rounds
        self._values = {}
        self._more = {}

    def add(self, round_number, workload, contender, threads, unit, value, more=None):
        key = (workload, contender, threads, unit)
        self._values.setdefault(key, [None] * self._rounds)[round_number] = value
        for name, other in (more or {}).items():
            self._more.setdefault(key, {}).setdefault(name, []).append(other)

    def series(self):
        rows = []
        for key, values in self._values.items():
            more = {name: statistics.median(others) for name, others in self._more.get(key, {}).items()}
            rows.append(Series(*key, values, more))
        return ranked(rows)


def groups(rows):
    """{group: its rows, the fastest first}, in natural order."""
    found = {}
    for row in rows:
        if known(row.rounds):
            found.setdefault(row.group, []).append(row)
    return {group: sorted(found[group], key=lambda row: row.median) for group in sorted(found, key=natural_order)}


def natural_order(group):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", "/".join(map(str, group)))]


def ranked(rows):
    """The rows by group, with their ratios."""
    result = []
    for members in groups(rows).values():
        best = next((row for row in members if row.contender not in contenders.LIMITS), members[0])
        limit = next((row for row in members if row.contender in contenders.LIMITS), None)
        for row in members:
            row.ratio = median_ratio(row.rounds, best.rounds)
            row.to_limit = limit and median_ratio(row.rounds, limit.rounds)
            result.append(row)
    return result


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "load_before": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "compilers": compilers()}


def compilers():
    """What the contenders were built with, as far as it is here."""
    found = []
    for command in (["clang++-19", "--version"], ["/usr/bin/rustc", "--version"], ["/usr/bin/go", "version"],
                    [contenders.PYTHON, "--version"]):
        try:
            found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0])
        except (OSError, subprocess.CalledProcessError):
            continue
    return "; ".join(found)


def save(path, machine_facts, rows, problems):
    data = {"machine": machine_facts, "results": [row.to_json() for row in rows], "problems": problems}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def load(path):
    """The machine and the rows of a file. ValueError if it is not one of ours."""
    data = json.loads(path.read_text(encoding="utf-8"))
    try:
        return data["machine"], [Series.from_json(row) for row in data["results"]]
    except (KeyError, TypeError) as problem:
        raise ValueError(f"not a result of tools/bench: {problem!r}") from None
