"""What a study compares arms by: the score that they reach, or how soon they reach one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.training.epoch import Epoch
from advisor.training.metrics import Metric

SOONER = 0.1
"""With `reach`, an arm is worth a change when it needs this share fewer epochs."""

LAST_EPOCHS = 3
"""A score is the mean over at most this many epochs at the end of a training."""


@dataclass(frozen=True)
class Criterion:
    """A learning curve as one number.

    Without `reach` this is the metric near the end of the training, with `reach` the number of
    epochs after which the metric was as good as `reach`.
    """

    metric: Metric
    reach: float | None = None

    @property
    def name(self) -> str:
        """`accuracy`, or `epochs to accuracy 0.95`."""
        if self.reach is None:
            return self.metric.name
        return f"epochs to {self.metric.name} {self.reach:g}"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`, as Optuna calls it."""
        if self.reach is None:
            return self.metric.direction
        return "minimize"

    @property
    def sign(self) -> float:
        """The factor that turns a score into *higher is better*: 1 or -1."""
        return 1.0 if self.direction == "maximize" else -1.0

    def worth(self, score: float) -> float:
        """The smallest gain worth a change where the score is `score`."""
        if self.reach is None:
            return self.metric.worth(score)
        return SOONER * score

    def score(self, curve: Sequence[Epoch], epoch: int) -> float:
        """The score of a training after `epoch`, from the part of `curve` up to this epoch.

        Without `reach` it is the mean over the last third of the epochs, at most three. It is never
        the best epoch, which is biased upwards; the mean halves the seeds that a comparison needs.
        With `reach` it is `epochs_to_reach`.
        """
        # A rung compares trainings as they were then, whatever came after it.
        scores = [point.score for point in curve if point.epoch <= epoch]
        if self.reach is not None:
            rising = [self.metric.sign * score for score in scores]
            return epochs_to_reach(rising, self.metric.sign * self.reach)
        return mean_of_last(scores)


def mean_of_last(scores: Sequence[float]) -> float:
    """The mean over the last of the scores of a training."""
    last = scores[-count_last(len(scores)) :]
    return float(sum(last) / len(last))


def count_last(epochs: int) -> int:
    """How many epochs at the end of a training of so many its score is the mean over.

    A short training is scored by its last one.
    """
    return max(1, min(LAST_EPOCHS, epochs // 3))


def epochs_to_reach(scores: Sequence[float], reach: float) -> float:
    """The number of epochs after which `scores`, where higher is better, are at `reach`.

    Between two epochs the curve is taken as straight. A training that never reaches the score gets
    between one and two times its epochs, the more the further its best score is away, so that it
    ranks behind every training that does.
    """
    for before, score in enumerate(scores):
        if score < reach:
            continue
        if before == 0:
            return 1.0
        previous = scores[before - 1]
        return before + (reach - previous) / (score - previous)
    # The share grows from 0 towards 1 with what is missing, measured in units of `reach`.
    missing = reach - max(scores)
    return len(scores) * (1 + missing / (missing + abs(reach) + 1e-9))
