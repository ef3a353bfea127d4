"""Workloads that measure themselves in one process: Google Benchmark programs in C++, and those in other languages, which
print one line of JSON a result (README.md, "Add a contender")."""

import json
import os
import re
import subprocess

from . import contenders

BENCH = contenders.ROOT / "bench"
# Sizes that --quick leaves out: they make the scaling charts.
QUICK_SIZES = ("tasks:1000", "tasks:1000000", "waiters:100")
SIZED = re.compile(r"\b(?:tasks|waiters):\d+")
# Each in a fresh process: the first measures memory; two threads that only wake each other take 10 or 50 us, by whether the
# kernel has placed them on one CPU, and keep what the rows before have left them.
MEASURES_MEMORY = "sleepers"
ALONE = (MEASURES_MEMORY, "blocking/round_trip")


class Failed(Exception):
    """A program that did not do its work; the text names it and says why."""


class Program:
    """The program of a workload; one or more contenders take part with it."""

    def __init__(self, workload, stem, command):
        self.workload, self.stem, self.command = workload, stem, command

    def run(self, *arguments, timeout=300):
        try:
            ran = subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self}: not done after {timeout} s") from None
        if ran.returncode != 0:
            said = ran.stderr.strip().splitlines()[-1:]
            raise Failed(f"{self}: exit {ran.returncode}: {''.join(said)}")
        return ran.stdout

    def __str__(self):
        return f"{self.workload}/{self.stem}"


class GoogleProgram(Program):
    """`workload/variant/workers:N/process_time/real_time`."""

    def benchmarks(self):
        """[(benchmark, workers, contender, what to ask for)]"""
        found = []
        for name in self.run("--benchmark_list_tests").split():
            benchmark, workers = re.match(r"(.*)/workers:(\d+)", name).groups()
            found.append((benchmark, int(workers), self.stem, name))
        return found

    def measure(self, names, min_time):
        arguments = ["--benchmark_format=json", f"--benchmark_min_time={min_time}",
                     "--benchmark_filter=^(" + "|".join(map(re.escape, names)) + ")$"]
        if all("iterations:" not in name for name in names):
            arguments.append(f"--benchmark_min_warmup_time={min_time / 3}")
        for entry in json.loads(self.run(*arguments))["benchmarks"]:
            if entry.get("error_occurred"):
                raise Failed(f"{self}: {entry['name']}: {entry['error_message']}")
            benchmark, workers = re.match(r"(.*)/workers:(\d+)", entry["name"]).groups()
            values = {name: entry[name] for name in COUNTERS if name in entry}
            if "items_per_second" in entry:
                values["ns"] = 1e9 / entry["items_per_second"]
                values["cpu_ns"] = values["ns"] * entry["cpu_time"] / entry["real_time"]
                to_ns = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[entry["time_unit"]]
                values["items"] = round(entry["items_per_second"] * entry["real_time"] * to_ns / 1e9)
            yield benchmark, int(workers), self.stem, values


class LineProgram(Program):
    """`--list` gives `workload/variant/workers:N contender` a line."""

    def benchmarks(self):
        found = []
        for line in self.run("--list").splitlines():
            name, contender = line.split()
            benchmark, workers = re.match(r"(.*)/workers:(\d+)", name).groups()
            found.append((benchmark, int(workers), contender, line))
        return found

    def measure(self, names, min_time):
        for line in self.run("--run", ",".join(names), "--min-time", str(min_time)).splitlines():
            entry = json.loads(line)
            benchmark, workers = re.match(r"(.*)/workers:(\d+)", entry["benchmark"]).groups()
            values = {name: entry[name] for name in COUNTERS if name in entry}
            if "items" in entry:
                items = entry["items"] * entry["iterations"]
                values |= {"items": entry["items"], "ns": entry["seconds"] * 1e9 / items,
                           "cpu_ns": entry["cpu_seconds"] * 1e9 / items}
            yield benchmark, int(workers), entry["contender"], values


# Units of what is counted otherwise than by the wall clock.
COUNTERS = {"cpu_ns_per_item": "CPU ns", "bytes_per_item": "bytes"}


def find(build):
    """The programs of a build directory, and the Python ones, by workload."""
    found = []
    for source in sorted(BENCH.glob("*/*")):
        workload, stem = source.parent.name, source.stem
        built = build / "bench" / f"bench_{workload}_{stem}"
        if not built.exists():
            built = build / f"bench_{workload}_{stem}"  # bench/ configured alone
        if source.suffix in (".cpp", ".c") and os.access(built, os.X_OK):
            found.append(GoogleProgram(workload, stem, [str(built)]))
        elif source.suffix in (".rs", ".go") and os.access(built, os.X_OK):
            found.append(LineProgram(workload, stem, [str(built)]))
        elif source.name == "python.py" and "bench.main" in source.read_text(encoding="utf-8"):
            if os.access(contenders.PYTHON, os.X_OK):
                found.append(LineProgram(workload, stem, [contenders.PYTHON, str(source)]))
    return found


class Job:
    """Benchmarks of one program that run in one go, for one round."""

    def __init__(self, program, names, min_time):
        self.program, self.names, self.min_time = program, names, min_time
        self.group, self.who = program.workload, program.stem
        self.label = f"{self.group} {self.who}"

    def run(self, items_seen):
        """Yields (workload, contender, threads, unit, value, more). Everyone has to do the same number of items."""
        for benchmark, workers, contender, values in self.program.measure(self.names, self.min_time):
            items = values.pop("items", None)
            if items is not None and items_seen.setdefault(benchmark, items) != items:
                raise Failed(f"{self.program}: {benchmark}: {items} items an iteration; others have "
                             f"{items_seen[benchmark]}")
            if "ns" in values:
                yield benchmark, contender, workers, "ns", values["ns"], {"CPU ns": values["cpu_ns"]}
            for counter, unit in COUNTERS.items():
                if counter in values:
                    yield benchmark, contender, workers, unit, values[counter], {}


def jobs(build, options, problems):
    """The jobs of one round. A program that cannot even list its benchmarks is a problem."""
    planned = []
    for program in find(build):
        together, alone = [], []
        try:
            listed = program.benchmarks()
        except Failed as problem:
            problems.append(str(problem))
            continue
        for benchmark, workers, contender, name in listed:
            if not options.wants(benchmark, contender, workers):
                continue
            sized = SIZED.search(benchmark)
            if options.quick and (MEASURES_MEMORY in benchmark or (sized and sized[0] not in QUICK_SIZES)):
                continue
            (alone if any(each in benchmark for each in ALONE) else together).append(name)
        if together:
            planned.append(Job(program, together, options.min_time))
        planned += [Job(program, [name], options.min_time) for name in alone]
    return planned
