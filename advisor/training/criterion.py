"""What a study compares arms by: the score that they reach, or how soon they reach one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from advisor.training.metrics import Metric

Curve = Sequence[Mapping[str, Any]]
SOONER = 0.1
"""A share of the epochs to a score that is worth a change."""


@dataclass(frozen=True)
class Criterion:
    """A learning curve as one number: the metric near the end, or with `reach` the epochs until the
    metric is as good as that.
    """

    metric: Metric
    reach: float | None = None

    @property
    def name(self) -> str:
        """`accuracy`, or `epochs to accuracy 0.95`."""
        return (
            self.metric.name
            if self.reach is None
            else f"epochs to {self.metric.name} {self.reach:g}"
        )

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`, as Optuna calls it."""
        return self.metric.direction if self.reach is None else "minimize"

    @property
    def sign(self) -> float:
        """What turns a score into *higher is better*."""
        return 1.0 if self.direction == "maximize" else -1.0

    def worth(self, score: float) -> float:
        """The smallest gain worth a change where the score is `score`."""
        return self.metric.worth(score) if self.reach is None else SOONER * score

    def score(self, curve: Curve, epoch: int) -> float:
        """The score of a training after `epoch`: the mean over the last third of its epochs, at
        most three.

        Never the best epoch, which is biased upwards; the mean halves the seeds that a comparison
        needs. With `reach`, the epochs to it.
        """
        known = [row["score"] for row in curve if row["epoch"] <= epoch]
        if self.reach is not None:
            return self._epochs(
                [self.metric.sign * score for score in known], self.metric.sign * self.reach
            )
        last = known[-max(1, min(3, len(known) // 3)) :]
        return float(sum(last) / len(last))

    @staticmethod
    def _epochs(scores: Sequence[float], reach: float) -> float:
        """Epochs to `reach`, straight between two; where it is not reached, all to twice as many,
        by what is missing.
        """
        for i, score in enumerate(scores):
            if score >= reach:
                before = scores[i - 1] if i else None
                return float(i + 1) if before is None else i + (reach - before) / (score - before)
        missing = reach - max(scores)
        return len(scores) * (1 + missing / (missing + abs(reach) + 1e-9))
