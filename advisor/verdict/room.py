"""What a confirmation has time for, counted in slots: trainings of a worker, one after the other.

others = others_in_time(slots, workers)
pairs = pairs_in_time(slots, workers)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from advisor.search.deadline import Deadline, Pace
from advisor.verdict.choosing import CHOOSING_SEEDS
from advisor.verdict.racing import LEAST_SEEDS, NUMBERS_OF_PAIRS

BASELINE_RATES = 2
"""Pairs of rates at which the baseline is expected to be trained on the seeds that choose: its best
and its first, or its best and those of the best arm. They may turn out to be one or three.
"""
FEW_PAIRS = NUMBERS_OF_PAIRS[0][1]
"""Pairs that measure where a gain is large."""
MOST_OTHERS = 1000
"""More arms than any confirmation chooses among."""
MEASURES = 1.2
"""How much longer a training on a measuring seed takes, which scores more rows."""


@dataclass(frozen=True)
class Room:
    """The time that a confirmation has.

    Attributes:
        deadline: says what is left.
        pace: says what a training takes.
        workers: trainings that run at once.
    """

    deadline: Deadline
    pace: Pace
    workers: int

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit of time."""
        return self.deadline.ends < math.inf

    def others(self, pairs: int) -> int:
        """Arms beside the baseline that there is time to choose among, beside so many pairs."""
        return others_in_time(self._slots(0.0), self.workers, pairs)

    def pairs(self, seconds: float) -> int:
        """Pairs that there is time for, whose trainings take so many seconds each, or more."""
        return pairs_in_time(self._slots(seconds), self.workers)

    def _slots(self, seconds: float) -> float:
        """Slots that are left, for trainings of so many seconds at least."""
        return self.deadline.left(self.pace) / max(self.pace.training, seconds, 1e-3)


def slots_to_choose(others: int, workers: int) -> int:
    """Slots of the seeds that choose among so many arms beside the baseline."""
    arms = others + BASELINE_RATES
    # The first seeds are trained together, each further one waits for those before, and the rates
    # of the best arm are tried alone.
    further = (CHOOSING_SEEDS - LEAST_SEEDS) * math.ceil(arms / workers)
    return math.ceil(LEAST_SEEDS * arms / workers) + further + math.ceil(CHOOSING_SEEDS / workers)


def slots_to_measure(pairs: int, workers: int) -> float:
    """Slots of the seeds that measure so many pairs."""
    return MEASURES * math.ceil(2 * pairs / workers)


def least_slots(workers: int) -> float:
    """Slots of a confirmation that compares one arm on the fewest pairs of seeds."""
    return slots_to_choose(1, workers) + slots_to_measure(FEW_PAIRS, workers)


def others_in_time(slots: float, workers: int, pairs: int = FEW_PAIRS) -> int:
    """How many arms beside the baseline so many slots have room for; at least one."""
    left = slots - slots_to_measure(pairs, workers)
    if left >= slots_to_choose(MOST_OTHERS, workers):
        return MOST_OTHERS
    others = 1
    while slots_to_choose(others + 1, workers) <= left:
        others += 1
    return others


def pairs_in_time(slots: float, workers: int) -> int:
    """How many pairs so many slots have room for; never fewer than the fewest."""
    most = NUMBERS_OF_PAIRS[-1][1]
    if slots >= slots_to_measure(most, workers):
        return most
    return max(FEW_PAIRS, int(slots / MEASURES) * workers // 2)
