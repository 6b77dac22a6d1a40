"""Metrics by name: how a model's output is scored against the target, and which direction is
better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from advisor.task_rules import KINDS
from advisor.training.class_scores import (
    balanced_accuracy,
    f1,
    for_each_class,
    influence_on_balanced_accuracy,
    influence_on_f1,
    log_loss,
    predicted_class,
    surprise,
)
from advisor.training.row_influence import by_jackknife, of_auc, of_macro_f1, of_r2, of_rmse

CLASS_KINDS = ("classification", "binary")
"""Kinds of tasks whose target is classes."""

_NAMED_KINDS = (*CLASS_KINDS, "multilabel")
"""Kinds of tasks whose target is classes or labels."""


@dataclass(frozen=True)
class Metric:
    """A score of outputs `(N, …)` against targets `(N, …)`.

    Attributes:
        name: what it is called.
        score: `(output, target) -> float`.
        maximize: whether higher is better.
        min_gain: the smallest gain worth changing a model for, in the metric's own units.
        relative: `min_gain` is a share of the baseline's score.
        kinds: kinds of tasks that it fits.
        rows: one number a row `(N,)` whose mean is the score, where there is such a thing.
        influence: the same for a score that is no mean, where its influence is known.
        in_target_units: the score is in units of the target, so a target that was divided by a
            scale divides the score, too.
        reads_raw_output: `score` reads the model's own output, not class scores or probabilities.
        most: what no score is above; None where there is no such number.
        of_class: what the score of one class is of; None where it is of all.
    """

    name: str
    score: Callable[[Tensor, Tensor], float]
    maximize: bool = True
    min_gain: float = 0.005
    relative: bool = False
    kinds: tuple[str, ...] = KINDS
    rows: Callable[[Tensor, Tensor], Tensor] | None = None
    influence: Callable[[Tensor, Tensor], Tensor] | None = None
    in_target_units: bool = False
    reads_raw_output: bool = False
    most: float | None = None
    of_class: str | None = None

    @property
    def sentence(self) -> str:
        """The name, with the class that it is of."""
        return self.name if self.of_class is None else f"{self.name} of class {self.of_class!r}"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`, as Optuna calls it."""
        return "maximize" if self.maximize else "minimize"

    def worth(self, score: float) -> float:
        """The smallest gain worth a change where the score is `score`, in units of the metric."""
        return self.min_gain * (abs(score) if self.relative else 1.0)

    @property
    def sign(self) -> float:
        """The factor that turns a score into *higher is better*: 1 or -1."""
        return 1.0 if self.maximize else -1.0


def accuracy(output: Tensor, target: Tensor) -> float:
    """Share of rows whose class is right, in [0, 1]."""
    return float(right(output, target).mean())


def right(output: Tensor, target: Tensor) -> Tensor:
    """1 for each row whose class is right, else 0, `(N,)`."""
    return (predicted_class(output) == target.reshape(-1)).double()


def macro_f1(output: Tensor, target: Tensor) -> float:
    """Mean over classes of the F1 score, in [0, 1]; for labels `(N, k)` over those that are in the
    target or in the answer.
    """
    if target.ndim == 2 and target.shape[1] > 1:
        return float(_f1_of_labels(output, target).nanmean())
    truth = target.reshape(-1).numpy()
    guess = predicted_class(output).numpy()
    from sklearn.metrics import f1_score  # only here: it takes more than a second

    return float(f1_score(truth, guess, average="macro", zero_division=0))


def _f1_of_labels(output: Tensor, target: Tensor) -> Tensor:
    """The F1 score of each label `(k,)`; NaN for one that is neither in the target nor in the
    answer.
    """
    truth, guess = target > 0.5, output > 0.5
    hits = (truth & guess).sum(0).double()
    return 2 * hits / (truth.sum(0) + guess.sum(0))


def auc(output: Tensor, target: Tensor) -> float:
    """Area under the ROC curve, in [0, 1]; for several classes the mean of one-against-rest over
    the classes present, for labels `(N, k)` over those that only some rows have. NaN where there is
    no such class or label.
    """
    if target.ndim == 2 and target.shape[1] > 1:
        return _mean_auc(target > 0.5, output)
    truth = target.reshape(-1).long()
    if output.ndim == 1 or output.shape[1] == 1:
        return _binary_auc(truth, output.reshape(-1))
    if output.shape[1] == 2:
        return _binary_auc(truth, for_each_class(output)[:, 1])

    every_class = torch.arange(output.shape[1])
    return _mean_auc(truth[:, None] == every_class, for_each_class(output))


def _mean_auc(truth: Tensor, scores: Tensor) -> float:
    """The mean area over columns; what no row has, or every row, has no curve."""
    areas = []
    for has, column in zip(truth.T, scores.T, strict=True):
        if 0 < int(has.sum()) < len(has):
            areas.append(_binary_auc(has, column))
    return sum(areas) / len(areas) if areas else math.nan


def _binary_auc(truth: Tensor, scores: Tensor) -> float:
    from sklearn.metrics import roc_auc_score  # only here: it takes more than a second

    return float(roc_auc_score(truth.numpy(), scores.numpy()))


def r2(output: Tensor, target: Tensor) -> float:
    """Coefficient of determination, 1 is perfect, 0 is the mean of the target; averaged over target
    columns.
    """
    # One column for each number of the target; one that never varies does not divide by 0.
    truth = target.double().reshape(len(target), -1)
    guess = output.double().reshape(len(target), -1)
    residual = ((truth - guess) ** 2).sum(0)
    spread = ((truth - truth.mean(0)) ** 2).sum(0)
    return float((1 - residual / spread.clamp_min(1e-12)).mean())


def rmse(output: Tensor, target: Tensor) -> float:
    """Root mean squared error, in units of the target."""
    error = output.double().reshape(target.shape) - target.double()
    return float((error**2).mean().sqrt())


def mae(output: Tensor, target: Tensor) -> float:
    """Mean absolute error, in units of the target."""
    return float(absolute_error(output, target).mean())


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """The absolute error of each row, `(N,)`, averaged over target columns."""
    error = output.double().reshape(target.shape) - target.double()
    return error.abs().reshape(len(target), -1).mean(1)


def _influence_on_macro_f1(output: Tensor, target: Tensor) -> Tensor:
    if target.ndim == 2 and target.shape[1] > 1:
        return of_macro_f1(target > 0.5, output > 0.5)
    truth, guess = target.reshape(-1).long(), predicted_class(output)
    every_class = torch.arange(int(torch.maximum(truth.max(), guess.max())) + 1)
    return of_macro_f1(truth[:, None] == every_class, guess[:, None] == every_class)


def _influence_on_auc(output: Tensor, target: Tensor) -> Tensor:
    if target.ndim == 2 and target.shape[1] > 1:
        truth = target > 0.5
    elif output.ndim == 1 or output.shape[1] == 1:
        truth, output = target.reshape(-1, 1) > 0, output.reshape(-1, 1)
    elif output.shape[1] == 2:
        truth, output = target.reshape(-1, 1) > 0, for_each_class(output)[:, 1:]
    else:
        truth = target.reshape(-1, 1).long() == torch.arange(output.shape[1])
        output = for_each_class(output)
    # What no row has, or every row, has no curve and does not count.
    columns = [of_auc(*pair) for pair in zip(truth.T, output.T, strict=True)]
    return torch.stack(columns).nanmean(0)


_TABLE = (
    Metric("accuracy", accuracy, kinds=CLASS_KINDS, rows=right, most=1.0),
    Metric("macro_f1", macro_f1, kinds=_NAMED_KINDS, influence=_influence_on_macro_f1, most=1.0),
    Metric("f1", f1, kinds=CLASS_KINDS, influence=influence_on_f1, most=1.0),
    Metric(
        "balanced_accuracy",
        balanced_accuracy,
        kinds=CLASS_KINDS,
        influence=influence_on_balanced_accuracy,
        most=1.0,
    ),
    Metric("auc", auc, kinds=_NAMED_KINDS, influence=_influence_on_auc, most=1.0),
    Metric(
        "log_loss",
        log_loss,
        maximize=False,
        min_gain=0.02,
        relative=True,
        kinds=CLASS_KINDS,
        rows=surprise,
    ),
    Metric("r2", r2, min_gain=0.01, kinds=("regression",), influence=of_r2, most=1.0),
    Metric(
        "rmse",
        rmse,
        maximize=False,
        min_gain=0.01,
        relative=True,
        kinds=("regression",),
        in_target_units=True,
        influence=of_rmse,
    ),
    Metric(
        "mae",
        mae,
        maximize=False,
        min_gain=0.01,
        relative=True,
        kinds=("regression",),
        in_target_units=True,
        rows=absolute_error,
    ),
)

METRICS = {metric.name: metric for metric in _TABLE}
"""The metrics that a user can name, besides `loss`."""

LARGEST_SCORE = 1e100
"""The largest score that can be compared: squares of differences must be numbers, too."""


def in_units(metric: Metric, scale: float) -> Metric:
    """The metric in the target's own units, where the model sees a target that was divided by
    `scale`.
    """
    if not metric.in_target_units or scale == 1.0:
        return metric
    rows, influence = metric.rows, metric.influence
    return replace(
        metric,
        score=lambda output, target: scale * metric.score(output, target),
        rows=rows and (lambda output, target: scale * rows(output, target)),
        influence=influence and (lambda output, target: scale * influence(output, target)),
    )


def has_row_scores(metric: Metric) -> bool:
    """Whether each row has a number of its own; else a block of rows has one (`row_scores`)."""
    return metric.rows is not None or metric.influence is not None


def row_scores(metric: Metric, output: Tensor, target: Tensor, blocks: Tensor) -> Tensor:
    """What each row adds to the score, so that the mean is the score `(N,)`.

    Arguments:
        metric: that scores.
        output: what the metric reads of every row.
        target: of every row.
        blocks: the block of each row `(N,)`, see `blocks_of`. Where `has_row_scores` is false, all
            rows of a block have one number and are one unit.

    Returns:
        NaN in every row where the metric cannot be taken apart on these rows.
    """
    if metric.rows is not None:
        return metric.rows(output, target)
    if metric.influence is not None:
        return metric.influence(output, target)
    return by_jackknife(metric.score, output, target, blocks)
