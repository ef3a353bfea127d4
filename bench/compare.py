#!/usr/bin/env python3
"""Runs the benchmark programs of a build directory side by side and prints one table.

The programs of a workload run one after the other, and the whole list is repeated, so that a drift of the machine
meets all contenders alike. The ratio compares measurements of the same round.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import report

FLOORS = {"plain"}  # shown, but no contender for "best"
COUNTERS = {"cpu_ns_per_item": "CPU ns", "bytes_per_item": "bytes"}
HEADS = ["benchmark", "workers", "contender", "unit", "median", "spread", "to best", "CPU ns"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build/release", help="build directory (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="W", help="benchmarks whose name contains W; may be repeated")
    parser.add_argument("--contender", action="append", metavar="C", help="only this contender; may be repeated")
    parser.add_argument("--workers", type=int, metavar="N", help="only this number of workers")
    parser.add_argument("--repetitions", type=int, metavar="N", help="rounds (default: 7; 3 with --quick)")
    parser.add_argument("--min-time", type=float, metavar="S", help="seconds a benchmark (default: 0.3; 0.05 with --quick)")
    parser.add_argument("--quick", action="store_true", help="short rounds, without the million sleepers")
    parser.add_argument("--pin", action="store_true", help="run one-worker benchmarks on CPU 0 alone")
    parser.add_argument("--json", metavar="FILE", help="write every measurement")
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    arguments = parser.parse_args()
    arguments.repetitions = arguments.repetitions or (3 if arguments.quick else 7)
    arguments.min_time = arguments.min_time or (0.05 if arguments.quick else 0.3)
    return arguments


def find_programs(build, contenders):
    """Programs by workload: [(workload, contender, path)], in that order."""
    found = []
    for path in sorted(pathlib.Path(build).rglob("bench_*")):
        for source in pathlib.Path(__file__).parent.glob("*/*.c*"):
            workload, contender = source.parent.name, source.stem
            if path.name == f"bench_{workload}_{contender}" and (not contenders or contender in contenders):
                found.append((workload, contender, path))
    return found


def list_benchmarks(path, arguments):
    """The names of a program's benchmarks that are wanted."""
    listed = subprocess.run([path, "--benchmark_list_tests"], capture_output=True, text=True, check=True).stdout
    names = listed.split()
    if arguments.only:
        names = [name for name in names if any(word in name for word in arguments.only)]
    if arguments.workers:
        names = [name for name in names if f"workers:{arguments.workers}/" in name]
    if arguments.quick:
        names = [name for name in names if "sleepers" not in name]
    return names


def run_benchmarks(path, names, arguments):
    """Yields (benchmark, workers, {unit: value}) for each."""
    command = [str(path), "--benchmark_format=json", f"--benchmark_min_time={arguments.min_time}",
               "--benchmark_filter=^(" + "|".join(map(re.escape, names)) + ")$"]
    if all("iterations:" not in name for name in names):
        command.append(f"--benchmark_min_warmup_time={arguments.min_time / 3}")
    if arguments.pin and all("workers:1/" in name for name in names):
        command = ["taskset", "-c", "0", *command]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(f"{path.name}: exit {ran.returncode}: {ran.stderr.strip().splitlines()[-1:]}")
    for entry in json.loads(ran.stdout)["benchmarks"]:
        if entry.get("error_occurred"):
            raise RuntimeError(f"{path.name}: {entry['name']}: {entry['error_message']}")
        benchmark, workers = re.match(r"(.*)/workers:(\d+)", entry["name"]).groups()
        values = {unit: entry[counter] for counter, unit in COUNTERS.items() if counter in entry}
        if "items_per_second" in entry:
            values["ns"] = 1e9 / entry["items_per_second"]
            values["cpu"] = values["ns"] * entry["cpu_time"] / entry["real_time"]
        yield benchmark, int(workers), values


def measure(programs, arguments):
    """{(benchmark, workers, unit): {contender: [one value a round]}}, and what went wrong."""
    measured, problems = {}, []
    wanted = []
    for _, contender, path in programs:
        names = list_benchmarks(path, arguments)
        # The long ones apart: they need no warm-up. One and two workers apart when only one is pinned.
        groups = {}
        for name in names:
            workers = re.search(r"workers:(\d+)", name).group(1)
            groups.setdefault(("iterations:" in name, workers if arguments.pin else ""), []).append(name)
        wanted += [(contender, path, group) for group in groups.values()]
    for round_number in range(arguments.repetitions):
        for contender, path, names in wanted:
            report.progress(f"round {round_number + 1}/{arguments.repetitions} {path.name}")
            try:
                for benchmark, workers, values in run_benchmarks(path, names, arguments):
                    for unit, value in values.items():
                        by_contender = measured.setdefault((benchmark, workers, unit), {})
                        rounds = by_contender.setdefault(contender, [None] * arguments.repetitions)
                        rounds[round_number] = value
            except (RuntimeError, subprocess.SubprocessError) as problem:
                problems.append(str(problem))
                report.progress("")
                print(problem, file=sys.stderr)
    report.progress("")
    return measured, problems


def known(values):
    return [value for value in values if value is not None]


def table_rows(measured):
    rows = []
    for (benchmark, workers, unit), by_contender in measured.items():
        if unit == "cpu":
            continue
        medians = {contender: report.median(known(values)) for contender, values in by_contender.items()}
        ranked = sorted(medians, key=medians.get)
        best = next((contender for contender in ranked if contender not in FLOORS), ranked[0])
        for contender in ranked:
            values = by_contender[contender]
            ratio = report.ratio_to(values, by_contender[best])
            cpu = known(measured.get((benchmark, workers, "cpu"), {}).get(contender, []))
            rows.append([benchmark, workers, contender, unit, report.number(medians[contender]),
                         report.spread(known(values)),
                         "floor" if contender in FLOORS else f"{ratio:.2f}" if ratio else "-",
                         report.number(report.median(cpu)) if cpu else ""])
    return rows


def main():
    arguments = parse_arguments()
    programs = find_programs(arguments.build, arguments.contender)
    if not programs:
        sys.exit(f"{arguments.build}: no bench_* programs; build the target weft_benchmarks first")
    machine = report.machine()
    measured, problems = measure(programs, arguments)
    table = report.markdown_table(HEADS, table_rows(measured))
    print(table)
    report.write(arguments.markdown, table)
    report.write_json(arguments.json, {
        "machine": machine,
        "measurements": [{"benchmark": benchmark, "workers": workers, "unit": unit, "rounds": by_contender}
                         for (benchmark, workers, unit), by_contender in measured.items()],
        "problems": problems,
    })
    for problem in sorted(set(problems)):
        print(f"failed: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
