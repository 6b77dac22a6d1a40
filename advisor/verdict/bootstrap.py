"""What the number of test rows allows to say: seeds cannot remove the sampling of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from advisor.training.metrics import Metric

TIMES = 1000
SLOW_TIMES = 200
"""Resamples where the metric must be computed anew for each."""
Answers = tuple[Tensor, Tensor]
"""What the metric read of every row, and the targets."""


@dataclass(frozen=True)
class RowGain:
    """The gain on the test rows, *higher is better*, averaged over seeds, with a 95 % interval over
    the sampling of rows.
    """

    mean: float
    low: float
    high: float
    rows: int

    @property
    def error(self) -> float:
        """Standard error of the mean: the interval is about four of it wide."""
        return (self.high - self.low) / 3.92


def row_gain(metric: Metric, pairs: Sequence[tuple[Answers, Answers]], seed: int) -> RowGain | None:
    """Paired bootstrap over rows (Efron 1979): both arms of a pair are scored on the same resampled
    rows, seed by seed.

    None where the metric cannot be computed on most resamples.
    """
    rows = len(pairs[0][0][1])
    gain = _by_row(metric, pairs) if metric.rows is not None else _by_score(metric, pairs)
    generator = np.random.default_rng(seed)
    times = TIMES if metric.rows is not None else SLOW_TIMES
    drawn = [gain(torch.from_numpy(generator.integers(0, rows, rows))) for _ in range(times)]
    known = [value for value in drawn if value == value]
    if len(known) < times / 2:
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return RowGain(gain(torch.arange(rows)), float(low), float(high), rows)


def _by_row(metric: Metric, pairs: Sequence[tuple[Answers, Answers]]) -> Callable[[Tensor], float]:
    assert metric.rows is not None  # the caller has looked
    each = (
        torch.stack([metric.rows(*other) - metric.rows(*one) for one, other in pairs]).mean(0)
        * metric.sign
    )
    return lambda index: float(each[index].mean())


def _by_score(
    metric: Metric, pairs: Sequence[tuple[Answers, Answers]]
) -> Callable[[Tensor], float]:
    def gain(index: Tensor) -> float:
        try:
            scores = [
                metric.score(b[index], t[index]) - metric.score(a[index], t[index])
                for (a, t), (b, _) in pairs
            ]
        except Exception:  # a metric that needs every class, on rows that lack one; the user's own may raise anything
            return float("nan")
        return metric.sign * sum(scores) / len(scores)

    return gain
