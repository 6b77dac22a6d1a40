"""What the number of test rows allows to say: no number of seeds removes the sampling of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from advisor.training.metrics import Metric
from advisor.user_code import user_faults
from advisor.verdict.records import RowGain

RESAMPLES = 1000
"""Resamples where the score is a mean over rows."""
SLOW_RESAMPLES = 200
"""Resamples where the metric must be computed anew for each."""

Answers = tuple[Tensor, Tensor]
"""What the metric read of every test row, and the targets."""
Pairs = Sequence[tuple[Answers, Answers]]
"""For each seed the answers of the baseline and of the other arm."""


def row_gain(
    metric: Metric, pairs: Pairs, seed: int, groups: Tensor | None = None
) -> RowGain | None:
    """The gain on the test rows, by a paired bootstrap over rows (Efron 1979).

    Both arms of a pair are scored on the same resampled rows, seed by seed. Rows that belong
    together are drawn together (Davison & Hinkley 1997, section 3.8): they say less than as many
    rows of different groups. None where the metric cannot be computed on most resamples, and where
    all rows are of one group.

    Arguments:
        metric: that arms are compared by.
        pairs: the answers of both arms, seed by seed.
        seed: that of the resampling.
        groups: the group of each row `(rows,)`; None where each row stands alone.
    """
    rows = len(pairs[0][0][1])
    number = None if groups is None else len(groups.unique())
    if number == 1:
        return None
    resamples = SLOW_RESAMPLES if metric.rows is None else RESAMPLES
    gain_on = gain_function(metric, pairs)
    indexes = (
        resampled(rows, resamples, seed)
        if groups is None
        else resampled_groups(groups, resamples, seed)
    )
    drawn = [gain_on(index) for index in indexes]

    # With fewer than half of the resamples the interval would be biased.
    gains = [gain for gain in drawn if not np.isnan(gain)]
    if len(gains) < resamples / 2:
        return None
    low, high = np.percentile(gains, [2.5, 97.5])
    return RowGain(gain_on(torch.arange(rows)), float(low), float(high), rows, number)


def gain_function(metric: Metric, pairs: Pairs) -> Callable[[Tensor], float]:
    """The gain on the rows at an index `(N,)`, averaged over seeds."""
    if metric.rows is None:
        return partial(gain_by_score, metric, pairs)
    # The scores of rows do not change from resample to resample, so they are computed once.
    differences = [metric.rows(*other) - metric.rows(*one) for one, other in pairs]
    return partial(mean_at, torch.stack(differences).mean(0) * metric.sign)


def resampled(rows: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """So many draws of all row numbers with repeats, `(rows,)` each."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield torch.from_numpy(generator.integers(0, rows, rows))


def resampled_groups(groups: Tensor, resamples: int, seed: int) -> Iterator[Tensor]:
    """So many draws of as many groups with repeats, as the numbers of all their rows; `groups` is
    the group of each row.
    """
    members = [torch.nonzero(groups == group).flatten() for group in groups.unique()]
    for drawn in resampled(len(members), resamples, seed):
        yield torch.cat([members[group] for group in drawn.tolist()])


def mean_at(values: Tensor, index: Tensor) -> float:
    """The mean of those of `values` `(N,)` that are at `index`, repeats included."""
    return float(values[index].mean())


def gain_by_score(metric: Metric, pairs: Pairs, index: Tensor) -> float:
    """The gain on the rows at `index`, averaged over seeds; NaN where they cannot be scored."""
    differences = []
    for (output, target), (other_output, _) in pairs:
        rows = target[index]
        try:
            other_score = metric.score(other_output[index], rows)
            score = metric.score(output[index], rows)
        except user_faults():  # rows without some class, say; a user's metric may raise anything
            return float("nan")
        differences.append(other_score - score)
    return metric.sign * sum(differences) / len(differences)
