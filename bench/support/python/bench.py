"""What the Python programs share: the sizes of a workload, the timing loop, one line a result.

README.md ("Add a contender") describes the command line and the output, which the tokio and Go programs share. Every
program has two contenders: asyncio's own event loop, and uvloop's where it is installed.
"""

import argparse
import asyncio
import inspect
import json
import pathlib
import re
import resource
import sys
import time

try:
    import uvloop
except ImportError:
    uvloop = None


class Config:
    """The constants of the config.h beside the calling program; only literals."""

    def __init__(self):
        program = pathlib.Path(inspect.stack()[1].filename)
        self._text = program.with_name("config.h").read_text(encoding="utf-8")

    def number(self, name):
        return self.numbers(name)[0]

    def numbers(self, name):
        stated = re.search(rf"(?m)^[^/\n]* {name}(?:\[\])?\s*[={{][\s{{]*(\d[\d', ]*)", self._text)
        if stated is None:
            raise KeyError(f"config.h has no {name}")
        return [int(word) for word in re.findall(r"\d+", stated[1].replace("'", ""))]


def require(holds, what):
    """A benchmark whose result is wrong has measured something else: it stops the program."""
    if not holds:
        sys.exit(f"wrong result: {what}")


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


class State:
    """The timing loop of one benchmark: `while state.keep_running(): one iteration`."""

    def __init__(self, min_time):
        self._min_time = min_time
        self._entered = self._warm = False
        self.items = 0
        self.counters = {}

    def keep_running(self):
        """Warms up, then measures. An iteration longer than the minimum is not repeated."""
        if not self._entered:
            self._entered = True
            self._restart()
            return True
        self.iterations += 1
        passed = time.perf_counter() - self._started
        if passed < self._min_time:
            if not self._warm and passed >= self._min_time / 3:
                self._warm = True
                self._restart()
            return True
        self.seconds = passed
        self.cpu_seconds = time.process_time() - self._cpu_started
        return False

    def _restart(self):
        self.iterations = 0
        self._cpu_started = time.process_time()
        self._started = time.perf_counter()

    def result(self, benchmark, contender):
        found = {"benchmark": benchmark, "contender": contender, **self.counters}
        if self.items:
            found |= {"items": self.items, "iterations": self.iterations, "seconds": self.seconds,
                      "cpu_seconds": self.cpu_seconds}
        return found


def loop_factories():
    found = {"asyncio": asyncio.new_event_loop}
    if uvloop:
        found["uvloop"] = uvloop.new_event_loop
    return found


def main(benchmarks):
    """Does what the command line asks for; `benchmarks` is {name: coroutine function of a State}."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    parser.add_argument("--run", metavar="'NAME CONTENDER,...'", help="only these")
    parser.add_argument("--min-time", type=float, default=0.3, metavar="S", help="seconds a benchmark")
    arguments = parser.parse_args()
    wanted = arguments.run and arguments.run.split(",")
    for name, workload in benchmarks.items():
        for contender, new_loop in loop_factories().items():
            line = f"{name}/workers:1 {contender}"
            if arguments.list:
                print(line)
            elif not wanted or line in wanted:
                state = State(arguments.min_time)
                with asyncio.Runner(loop_factory=new_loop) as runner:
                    runner.run(workload(state))
                print(json.dumps(state.result(f"{name}/workers:1", contender)), flush=True)
