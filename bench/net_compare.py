#!/usr/bin/env python3
"""Runs the network servers of a build directory against load_client and prints one table.

Contenders take turns within a round. What counts is the server's CPU time per message, which is far steadier than
messages per second: client and server share few CPUs. The ratio to the bare epoll loop compares the same round.

One worker: server on CPU 0, client on CPU 1, unless --unpinned. More workers: nothing is pinned.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys

import report

REFERENCE = "epoll"
# workload: (server programs, load_client --mode, connections by default)
WORKLOADS = {
    "echo": ("echo_server", "echo", [1, 64, 1000]),
    "http": ("http_server", "http", [64]),
    "churn": ("echo_server", "churn", [16]),
}
HEADS = ["workload", "connections", "workers", "contender", "CPU ns/message", "spread", f"to {REFERENCE}", "messages/s",
         "p50 us", "p99 us", "p999 us"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build/release", help="build directory (default: %(default)s)")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="may be repeated (default: echo and http)")
    parser.add_argument("--contender", action="append", metavar="C", help="only this contender; may be repeated")
    parser.add_argument("--connections", type=int, action="append", metavar="N", help="may be repeated")
    parser.add_argument("--workers", type=int, action="append", metavar="N", help="may be repeated (default: 1 and 2)")
    parser.add_argument("--size", type=int, default=64, help="bytes of an echo message (default: %(default)s)")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 7; 3 with --quick")
    parser.add_argument("--seconds", type=float, metavar="S", help="a measurement (default: 3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--unpinned", action="store_true", help="let the kernel place server and client")
    parser.add_argument("--json", metavar="FILE", help="write every measurement")
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    arguments = parser.parse_args()
    arguments.workload = arguments.workload or ["echo", "http"]
    arguments.workers = arguments.workers or [1, 2]
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 7)
    arguments.seconds = arguments.seconds or (1 if arguments.quick else 3)
    return arguments


def find_servers(build, prefix, contenders):
    """{contender: path}, the reference first."""
    servers = {}
    for path in sorted(pathlib.Path(build).rglob(f"{prefix}_*")):
        contender = path.name[len(prefix) + 1:]
        if path.is_file() and os.access(path, os.X_OK) and (not contenders or contender in contenders):
            servers[contender] = path
    return dict(sorted(servers.items(), key=lambda item: item[0] != REFERENCE))


def on_cpu(cpu):
    """For Popen's preexec_fn; None leaves the process where it is."""
    return None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})


def fields(line):
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


class Server:
    """A running server program; stop() returns what it counted."""

    def __init__(self, path, workers, cpu):
        self.name = path.name
        self.process = subprocess.Popen([path, "--workers", str(workers)], stdout=subprocess.PIPE, text=True,
                                        preexec_fn=on_cpu(cpu))
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.kill()
            raise RuntimeError(f"{self.name}: did not start: {line!r}")
        self.address = line.split()[-1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            output, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError(f"{self.name}: still runs 20 s after SIGTERM") from None
        totals = fields(output)
        if self.process.returncode != 0 or not totals.get("messages"):
            raise RuntimeError(f"{self.name}: exit {self.process.returncode}, said {output!r}")
        return totals


def measure_once(server_path, client, mode, connections, workers, arguments):
    pinned = workers == 1 and not arguments.unpinned and os.cpu_count() > 1
    server = Server(server_path, workers, 0 if pinned else None)
    try:
        ran = subprocess.run(
            [client, "--connect", server.address, "--mode", mode, "--connections", str(connections), "--size",
             str(arguments.size), "--warmup", "0.3", "--seconds", str(arguments.seconds)],
            capture_output=True, text=True, preexec_fn=on_cpu(1 if pinned else None), timeout=arguments.seconds + 60)
    finally:
        totals = server.stop()
    if ran.returncode != 0:
        raise RuntimeError(f"{server.name}: {ran.stderr.strip()}")
    load = fields(ran.stdout)
    return {
        "cpu_ns": totals["cpu_ns"] / totals["messages"],
        "per_second": load["messages"] / load["seconds"],
        "client_cpu_ns": load["cpu_ns"] / max(load["messages"], 1),
        "p50_us": load["p50_ns"] / 1e3,
        "p99_us": load["p99_ns"] / 1e3,
        "p999_us": load["p999_ns"] / 1e3,
    }


def plan(arguments):
    """Yields (workload, connections, workers, mode, {contender: path})."""
    for workload in arguments.workload:
        prefix, mode, usual_connections = WORKLOADS[workload]
        servers = find_servers(arguments.build, prefix, arguments.contender)
        if not servers:
            sys.exit(f"{arguments.build}: no {prefix}_* programs; build the target weft_benchmarks first")
        for workers in arguments.workers:
            for connections in arguments.connections or usual_connections:
                yield workload, connections, workers, mode, servers


def measure(client, arguments):
    """{(workload, connections, workers): {contender: [one dictionary a round, or None]}}, and what went wrong."""
    measured, problems = {}, []
    for round_number in range(arguments.rounds):
        for workload, connections, workers, mode, servers in plan(arguments):
            by_contender = measured.setdefault((workload, connections, workers), {})
            for contender, path in servers.items():
                report.progress(f"round {round_number + 1}/{arguments.rounds} {workload}, {connections} connections, "
                                f"{workers} workers: {contender}")
                rounds = by_contender.setdefault(contender, [None] * arguments.rounds)
                try:
                    rounds[round_number] = measure_once(path, client, mode, connections, workers, arguments)
                except (RuntimeError, subprocess.SubprocessError) as problem:
                    problems.append(str(problem))
                    report.progress("")
                    print(problem, file=sys.stderr)
    report.progress("")
    return measured, problems


def column(rounds, name):
    return [one and one[name] for one in rounds]


def table_rows(measured):
    rows = []
    for (workload, connections, workers), by_contender in measured.items():
        reference = column(by_contender[REFERENCE], "cpu_ns") if REFERENCE in by_contender else []
        for contender, rounds in by_contender.items():
            good = [one for one in rounds if one]
            if not good:
                continue
            cpu = [one["cpu_ns"] for one in good]
            ratio = report.ratio_to(column(rounds, "cpu_ns"), reference)
            rest = [report.median([one[name] for one in good]) for name in ("per_second", "p50_us", "p99_us", "p999_us")]
            rows.append([workload, connections, workers, contender, report.number(report.median(cpu)),
                         report.spread(cpu), f"{ratio:.3f}" if ratio else "-", *map(report.number, rest)])
    return rows


def main():
    arguments = parse_arguments()
    client = next((path for path in pathlib.Path(arguments.build).rglob("load_client") if path.is_file()), None)
    if client is None:
        sys.exit(f"{arguments.build}: no load_client; build the target weft_benchmarks first")
    machine = report.machine()
    measured, problems = measure(client, arguments)
    table = report.markdown_table(HEADS, table_rows(measured))
    print(table)
    report.write(arguments.markdown, table)
    report.write_json(arguments.json, {
        "machine": machine,
        "measurements": [{"workload": workload, "connections": connections, "workers": workers, "rounds": by_contender}
                         for (workload, connections, workers), by_contender in measured.items()],
        "problems": problems,
    })
    for problem in sorted(set(problems)):
        print(f"failed: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
