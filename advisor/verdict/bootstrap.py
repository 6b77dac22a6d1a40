"""What the number of test rows allows to say: no number of seeds removes the sampling of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from advisor.training.metrics import Metric
from advisor.verdict.recommendation import RowGain

RESAMPLES = 1000
"""Resamples where the score is a mean over rows."""
SLOW_RESAMPLES = 200
"""Resamples where the metric must be computed anew for each."""
Answers = tuple[Tensor, Tensor]
"""What the metric read of every test row, and the targets."""


def row_gain(metric: Metric, pairs: Sequence[tuple[Answers, Answers]], seed: int) -> RowGain | None:
    """The gain on the test rows, by a paired bootstrap over rows (Efron 1979).

    Both arms of a pair are scored on the same resampled rows, seed by seed.

    Arguments:
        metric: what scores the rows.
        pairs: for each seed the answers of the baseline and of the other arm.
        seed: of the resampling.

    Returns None where the metric cannot be computed on most resamples.
    """
    if metric.rows is None:
        resamples = SLOW_RESAMPLES
        gain_on = partial(_gain_by_score, metric, pairs)
    else:
        resamples = RESAMPLES
        gain_on = partial(_mean_at, _differences(metric.rows, pairs) * metric.sign)

    rows = len(pairs[0][0][1])
    generator = np.random.default_rng(seed)
    gains = []
    for _ in range(resamples):
        gain = gain_on(torch.from_numpy(generator.integers(0, rows, rows)))
        if not np.isnan(gain):
            gains.append(gain)
    if len(gains) < resamples / 2:
        return None
    low, high = np.percentile(gains, [2.5, 97.5])
    return RowGain(gain_on(torch.arange(rows)), float(low), float(high), rows)


def _differences(
    score_rows: Callable[[Tensor, Tensor], Tensor], pairs: Sequence[tuple[Answers, Answers]]
) -> Tensor:
    """How much more each row scores with the other arm, averaged over seeds."""
    differences = [score_rows(*other) - score_rows(*one) for one, other in pairs]
    return torch.stack(differences).mean(0)


def _mean_at(values: Tensor, index: Tensor) -> float:
    return float(values[index].mean())


def _gain_by_score(
    metric: Metric, pairs: Sequence[tuple[Answers, Answers]], index: Tensor
) -> float:
    """The gain on the rows at `index`, averaged over seeds; NaN where they cannot be scored."""
    differences = []
    for (output, target), (other_output, _) in pairs:
        rows = target[index]
        try:
            score = metric.score(output[index], rows)
            other_score = metric.score(other_output[index], rows)
        except Exception:  # e.g. a class that these rows lack; the user's own may raise anything
            return float("nan")
        differences.append(other_score - score)
    return metric.sign * sum(differences) / len(differences)
