"""Tells regressions from noise between two results.

Two hours of one machine differ by more than most changes do. So a change counts only if
  - it is larger than the threshold, after the drift of the other contenders in the same group, whose code did not
    change, has been taken out of it; and
  - the rounds of the two results differ as samples: the exact Mann-Whitney test, or, with too few rounds for a test to
    say anything, ranges that do not overlap.
"""

import dataclasses
import functools
import math
import statistics

from . import contenders, tables
from .results import known

SIGNIFICANT = 0.02
ROUNDS_FOR_A_TEST = 5  # even the rarest outcome of 4 against 4 has 0.029

HEADS = ("verdict", "workload", "threads", "contender", "unit", "before", "after", "change", "drift of peers")


@functools.lru_cache(maxsize=None)
def _arrangements(first, second, u):
    """In how many orders of first + second values the Mann-Whitney statistic is u."""
    if u < 0 or u > first * second:
        return 0
    if first == 0 or second == 0:
        return 1 if u == 0 else 0
    return _arrangements(first - 1, second, u - second) + _arrangements(first, second - 1, u)


def same_distribution(first, second):
    """The two-sided p-value of the exact Mann-Whitney test; ties count half."""
    u = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    extreme = math.ceil(min(u, len(first) * len(second) - u))
    total = math.comb(len(first) + len(second), len(first))
    tail = sum(_arrangements(len(first), len(second), k) for k in range(extreme + 1))
    return min(1.0, 2 * tail / total)


def differ(before, after):
    if min(len(before), len(after)) < ROUNDS_FOR_A_TEST:
        return max(before) < min(after) or max(after) < min(before)
    return same_distribution(tuple(before), tuple(after)) < SIGNIFICANT


@dataclasses.dataclass
class Change:
    before: object  # Series
    after: object
    drift: float  # of the peers in the group: 1.1 is 10 % slower
    threshold: float

    @property
    def factor(self):
        """How much slower, the drift taken out."""
        return self.after.median / self.before.median / self.drift

    @property
    def verdict(self):
        if abs(self.factor - 1) <= self.threshold:
            return "same"
        corrected = [value / self.drift for value in known(self.after.rounds)]
        if not differ(known(self.before.rounds), corrected):
            return "noise"
        return "REGRESSION" if self.factor > 1 else "faster"

    def cells(self):
        row = self.after
        return [self.verdict, row.workload, row.threads, row.contender, row.unit, tables.number(self.before.median),
                tables.number(row.median), f"{100 * (self.factor - 1):+.1f} %", f"{100 * (self.drift - 1):+.1f} %"]


def compare(before, after, threshold):
    """The changes of our own contenders, the worst first."""
    earlier = {(row.group, row.contender): row for row in before if known(row.rounds)}
    pairs = [(earlier[row.group, row.contender], row) for row in after
             if known(row.rounds) and (row.group, row.contender) in earlier]
    drifts = {}
    for old, new in pairs:
        if not contenders.is_ours(new.contender):
            drifts.setdefault(new.group, []).append(new.median / old.median)
    changes = [Change(old, new, statistics.median(drifts.get(new.group, [1.0])), threshold)
               for old, new in pairs if contenders.is_ours(new.contender)]
    return sorted(changes, key=lambda change: -change.factor)


def table(changes):
    return tables.markdown(HEADS, [change.cells() for change in changes])


def summary(changes):
    count = {verdict: sum(change.verdict == verdict for change in changes)
             for verdict in ("REGRESSION", "faster", "noise", "same")}
    return (f"{count['REGRESSION']} regressions, {count['faster']} faster, {count['noise']} within the noise, "
            f"{count['same']} the same")
