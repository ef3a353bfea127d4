"""A run: everything planned, contenders in turns, round after round."""

import dataclasses
import sys
import time

from . import programs, servers
from .results import Collector


@dataclasses.dataclass
class Options:
    only: list  # words, one of which the workload's name has to contain; empty: all
    contenders: list  # empty: all
    threads: int | None
    quick: bool
    rounds: int
    min_time: float  # seconds of one benchmark in a program
    seconds: float  # of one load on a server
    unpinned: bool

    def wants(self, workload, contender, threads):
        return ((not self.only or any(word in workload for word in self.only))
                and (not self.contenders or contender in self.contenders)
                and (self.threads is None or threads == self.threads))

    def server_threads(self, measure):
        """With how many threads servers are measured. A stuck task needs a second one; memory needs one."""
        return {"cpu": (1, 2), "latency": (2,), "memory": (1,)}[measure]


class ProgressBar:
    """One line of a terminal: how far, how long still, what now. Silent elsewhere."""

    WIDTH = 24

    def __init__(self, total, out=sys.stderr):
        self._total, self._out, self._shown = total, out, out.isatty()
        self._done, self._started = 0, time.monotonic()

    def show(self, text):
        if not self._shown:
            return
        filled = self.WIDTH * self._done // max(self._total, 1)
        bar = "#" * filled + "-" * (self.WIDTH - filled)
        line = f"[{bar}] {self._done}/{self._total} {self._left()} {text}"
        print(f"\r{line[:100]:100}", end="", file=self._out, flush=True)

    def advance(self):
        self._done += 1

    def clear(self):
        if self._shown:
            print(f"\r{'':100}\r", end="", file=self._out, flush=True)

    def _left(self):
        if self._done == 0:
            return "--:--"
        passed = time.monotonic() - self._started
        seconds = int(passed / self._done * (self._total - self._done))
        return f"{seconds // 60}:{seconds % 60:02} left"


def plan(build, options):
    """The jobs of one round, and what went wrong already."""
    problems = []
    return programs.jobs(build, options, problems) + servers.jobs(build, options), problems


def in_turns(jobs, round_number):
    """Workload by workload, contenders in turns; every other round backwards, so that none is always the first."""
    order = sorted(jobs, key=lambda job: job.group)
    return order if round_number % 2 == 0 else order[::-1]


def measure(jobs, options, after_round):
    """The rows, and what went wrong. after_round(rows, problems) keeps what there is so far."""
    collected, problems, items_seen = Collector(options.rounds), [], {}
    bar = ProgressBar(len(jobs) * options.rounds)
    for round_number in range(options.rounds):
        for job in in_turns(jobs, round_number):
            bar.show(f"round {round_number + 1}: {job.label}")
            try:
                for workload, contender, threads, unit, value, more in job.run(items_seen):
                    collected.add(round_number, workload, contender, threads, unit, value, more)
            except programs.Failed as problem:
                problems.append(str(problem))
                bar.clear()
                print(f"failed: {problem}", file=sys.stderr)
            bar.advance()
        bar.clear()
        after_round(collected.series(), sorted(set(problems)))
    return collected.series(), sorted(set(problems))
