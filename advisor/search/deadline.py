"""How a study keeps to its time: what a training takes, and when its search gives way."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass

from advisor.work.job import Outcome

RECENT = 24
"""Trainings that say how long the next ones take."""
MOST_KEPT = 0.75
"""Share of a time limit that the confirmation gets at most."""
LAST_SECONDS = 3.0
"""What the recommendation takes when all is trained, on a processor that does nothing else: the
diagnosis and the simple models.
"""
SLOWEST = 8.0
"""How many times as long it may take where others use the processor."""


class Pace:
    """How long a full training takes, by those of late, with all that is around its epochs.

    Arguments:
        epochs: of a full training.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._each: deque[float] = deque(maxlen=RECENT)
        self._around: deque[float] = deque(maxlen=RECENT)
        self._slower: deque[float] = deque(maxlen=RECENT)

    def add(self, outcome: Outcome) -> None:
        """Note what a training took that came to the end of its epochs."""
        if outcome.ended is not None or not outcome.curve:
            return
        trained = sum(epoch.seconds for epoch in outcome.curve)
        self._each.append(trained / len(outcome.curve))
        self._around.append(max(0.0, outcome.seconds - trained))
        if outcome.computed > 0:
            self._slower.append(min(SLOWEST, max(1.0, outcome.seconds / outcome.computed)))

    @property
    def training(self) -> float:
        """Seconds of a full training in a worker; 0 where none is known."""
        if not self._each:
            return 0.0
        return statistics.fmean(self._around) + self._epochs * statistics.fmean(self._each)

    @property
    def last(self) -> float:
        """Seconds of what comes after the last training."""
        return LAST_SECONDS * (statistics.fmean(self._slower) if self._slower else 1.0)


@dataclass(frozen=True)
class Deadline:
    """The time of a study.

    Attributes:
        ends: when it is over, by `time.monotonic`; infinite without a limit.
        limit: seconds of the limit.
        share: of the limit that the confirmation has at least.
        least: trainings, one after the other, that each worker does in the shortest confirmation.
    """

    ends: float = math.inf
    limit: float = math.inf
    share: float = 0.0
    least: float = 0.0

    def left(self, pace: Pace) -> float:
        """Seconds for trainings from now on."""
        return max(0.0, self.ends - time.monotonic() - pace.last)

    def gives_way(self, pace: Pace) -> bool:
        """Whether the search ends now, so that there is time for the confirmation."""
        if self.ends == math.inf:
            return False
        # One training may be on its way.
        needed = (self.least + 1) * pace.training + pace.last
        kept = kept_of(self.limit, self.share, needed)
        return time.monotonic() + kept > self.ends


def kept_of(limit: float, share: float, needed: float) -> float:
    """Seconds of a limit that are kept for the confirmation: its share, or what it needs where that
    is more, up to three quarters.
    """
    return max(share * limit, min(needed, MOST_KEPT * limit))
