"""What each row adds to a score that is no mean over rows.

The numbers of a function here have the score as their mean, and vary from row to row as the score
varies from sample to sample: score plus influence (Hampel 1974, "The influence curve"). So a mean
over rows stands for every metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from advisor.user_code import user_faults

MOST_BLOCKS = 200
"""A metric without a formula is computed anew without each of at most so many blocks of rows."""


def of_rmse(output: Tensor, target: Tensor) -> Tensor:
    """For a root mean squared error, `(N,)`."""
    squared = (output.double().reshape(target.shape) - target.double()) ** 2
    squared = squared.reshape(len(target), -1).mean(1)
    mean = squared.mean()
    root = mean.sqrt()
    return root + (squared - mean) / (2 * root.clamp_min(1e-12))


def of_r2(output: Tensor, target: Tensor) -> Tensor:
    """For the coefficient of determination, averaged over target columns, `(N,)`."""
    truth = target.double().reshape(len(target), -1)
    residual = (truth - output.double().reshape(len(target), -1)) ** 2
    spread = (truth - truth.mean(0)) ** 2
    # The score is 1 - residual / spread, of two means; a quotient's derivative gives the influence.
    variance = spread.mean(0).clamp_min(1e-12 / len(target))
    lost = residual.mean(0) / variance
    return (1 - lost - (residual - lost * spread) / variance).mean(1)


def of_macro_f1(truth: Tensor, guess: Tensor) -> Tensor:
    """For the mean F1 of classes, from what is true and what was said `(N, classes)`, `(N,)`.

    Classes that are in neither do not count.
    """
    truth, guess = truth.double(), guess.double()
    hits, both = 2 * truth * guess, truth + guess
    present = both.sum(0) > 0
    hits, both = hits[:, present], both[:, present]
    score = hits.mean(0) / both.mean(0)
    return (score + (hits - score * both) / both.mean(0)).mean(1)


def of_balanced_accuracy(truth: Tensor, right: Tensor) -> Tensor:
    """For the mean over classes of the share of their rows that is right, `(N,)`.

    Arguments:
        truth: which class each row has, `(N, classes)`; classes that no row has do not count.
        right: whether each row's class was said, `(N,)`.
    """
    truth = truth[:, truth.any(0)].double()
    hits = truth * right.double()[:, None]
    share = truth.mean(0)
    recall = hits.mean(0) / share
    return (recall + (hits - recall * truth) / share).mean(1)


def of_auc(truth: Tensor, scores: Tensor) -> Tensor:
    """For the area under the ROC curve of two classes, `(N,)`; NaN where there is but one class.

    Placements of DeLong, DeLong & Clarke-Pearson (1988): a row of one class adds the share of rows
    of the other that are on its right side.
    """
    truth, scores = truth.reshape(-1) > 0, scores.double().reshape(-1)
    positive, negative = scores[truth], scores[~truth]
    if not len(positive) or not len(negative):
        return torch.full((len(truth),), math.nan, dtype=torch.double)
    placed = torch.empty(len(truth), dtype=torch.double)
    placed[truth] = _share_below(positive, negative)
    placed[~truth] = 1 - _share_below(negative, positive)
    area = placed[truth].mean()
    size = torch.where(truth, len(positive), len(negative))
    return area + (placed - area) * len(truth) / size


def _share_below(values: Tensor, others: Tensor) -> Tensor:
    """For each value the share of others that are below it; one that ties counts half."""
    ordered = others.sort().values
    below = torch.searchsorted(ordered, values, right=False)
    up_to = torch.searchsorted(ordered, values, right=True)
    return (below + up_to).double() / (2 * len(others))


def by_jackknife(
    score: Callable[[Tensor, Tensor], float],
    output: Tensor,
    target: Tensor,
    blocks: Tensor,
) -> Tensor:
    """For any score, by leaving out one block of rows after another, `(N,)`.

    The delete-a-group jackknife (Kott 2001). All rows of a block have one number, so a block is a
    unit then: rows of a block are a group.

    Arguments:
        score: of outputs against targets.
        output: of all rows.
        target: of all rows.
        blocks: the block of each row `(N,)`, see `blocks_of`.

    Returns:
        NaN in every row where some rows cannot be scored alone, or there is one block.
    """
    rows = len(target)
    try:
        whole = float(score(output, target))
        values = torch.full((rows,), math.nan, dtype=torch.double)
        for block in blocks.unique():
            out = blocks == block
            without = float(score(output[~out], target[~out]))
            left = rows - int(out.sum())
            values[out] = whole + left * (whole - without) / (rows - left)
    except user_faults():  # rows without some class, say; a user's metric may raise anything
        return torch.full((rows,), math.nan, dtype=torch.double)
    # Pseudovalues have the score's bias taken away; both arms have the same, and it goes back.
    return values - values.mean() + whole


def blocks_of(rows: int, groups: Tensor | None = None) -> Tensor:
    """At most `MOST_BLOCKS` blocks of rows, as a number for each row `(rows,)`.

    Rows of a group are in one block.
    """
    unit = torch.arange(rows)
    if groups is not None:
        unit = groups.unique(return_inverse=True)[1]
    return unit % min(MOST_BLOCKS, int(unit.max()) + 1)
