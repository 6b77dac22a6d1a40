"""Metrics by name: how a model's output is scored against the target, and which direction is
better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import sklearn.metrics
from torch import Tensor

from advisor.errors import InputError, listing, near


@dataclass(frozen=True)
class Metric:
    """A score of outputs `(N, …)` against targets `(N, …)`.

    `min_gain` is the smallest gain worth changing a model for, in the metric's own units; with
    `relative` it is a share of the baseline's score. `rows` gives one number a row `(N,)` whose
    mean is the score, where there is such a thing.
    """

    name: str
    score: Callable[[Tensor, Tensor], float]
    maximize: bool = True
    min_gain: float = 0.005
    relative: bool = False
    kinds: tuple[str, ...] = ("classification", "binary", "regression")
    rows: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`, as Optuna calls it."""
        return "maximize" if self.maximize else "minimize"

    def worth(self, score: float) -> float:
        """The smallest gain worth a change where the score is `score`, in the metric's own units."""
        return self.min_gain * (abs(score) if self.relative else 1.0)

    @property
    def sign(self) -> float:
        """What turns a score into *higher is better*."""
        return 1.0 if self.maximize else -1.0


def predicted_class(output: Tensor) -> Tensor:
    """Class numbers `(N,)` from scores `(N, C)`, or from one probability a row `(N,)`, cut at one
    half.
    """
    return (
        output.argmax(dim=1)
        if output.ndim > 1 and output.shape[1] > 1
        else (output.reshape(-1) > 0.5).long()
    )


def accuracy(output: Tensor, target: Tensor) -> float:
    """Share of rows whose class is right, in [0, 1]."""
    return float(right(output, target).mean())


def right(output: Tensor, target: Tensor) -> Tensor:
    """1 for each row whose class is right, else 0, `(N,)`."""
    return (predicted_class(output) == target.reshape(-1)).double()


def macro_f1(output: Tensor, target: Tensor) -> float:
    """Mean over classes of the F1 score, in [0, 1]."""
    return float(
        sklearn.metrics.f1_score(
            target.reshape(-1).numpy(),
            predicted_class(output).numpy(),
            average="macro",
            zero_division=0,
        )
    )


def auc(output: Tensor, target: Tensor) -> float:
    """Area under the ROC curve, in [0, 1]; for several classes the mean of one-against-rest over
    the classes present.
    """
    truth = target.reshape(-1).long()
    if output.ndim == 1 or output.shape[1] == 1:
        return float(sklearn.metrics.roc_auc_score(truth.numpy(), output.reshape(-1).numpy()))
    if output.shape[1] == 2:
        return float(sklearn.metrics.roc_auc_score(truth.numpy(), output[:, 1].numpy()))
    present = [c for c in range(output.shape[1]) if 0 < int((truth == c).sum()) < len(truth)]
    return float(
        sum(
            sklearn.metrics.roc_auc_score((truth == c).numpy(), output[:, c].numpy())
            for c in present
        )
        / len(present)
    )


def r2(output: Tensor, target: Tensor) -> float:
    """Coefficient of determination, 1 is perfect, 0 is the mean of the target; averaged over target
    columns.
    """
    truth, guess = (
        target.double().reshape(len(target), -1),
        output.double().reshape(len(target), -1),
    )
    residual, spread = ((truth - guess) ** 2).sum(0), ((truth - truth.mean(0)) ** 2).sum(0)
    return float((1 - residual / spread.clamp_min(1e-12)).mean())


def rmse(output: Tensor, target: Tensor) -> float:
    """Root mean squared error, in units of the target."""
    return float(((output.double().reshape(target.shape) - target.double()) ** 2).mean().sqrt())


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, kinds=("classification", "binary"), rows=right),
        Metric("macro_f1", macro_f1, kinds=("classification", "binary")),
        Metric("auc", auc, kinds=("classification", "binary")),
        Metric("r2", r2, min_gain=0.01, kinds=("regression",)),
        Metric("rmse", rmse, maximize=False, min_gain=0.01, relative=True, kinds=("regression",)),
    )
}

DEFAULT = {"classification": "accuracy", "binary": "accuracy", "regression": "r2"}
_LOWER = ("loss", "error", "mse", "mae", "perplexity", "nll")


def find_metric(
    given: str | Callable[..., float] | None, kind: str, loss: Callable[[Tensor, Tensor], Tensor]
) -> Metric:
    """The metric that was asked for, or the usual one for `kind`.

    A function is taken as *higher is better*, unless it has an attribute `higher_is_better = False`
    or is called after a loss or an error. Raises `InputError` for a name that is unknown or does
    not fit the kind of task.
    """
    if callable(given):
        name = getattr(given, "__name__", "metric")
        lower = any(word in name.lower() for word in _LOWER)
        maximize = bool(getattr(given, "higher_is_better", not lower))
        return Metric(
            name,
            lambda output, target: float(given(output, target)),
            maximize,
            min_gain=0.01,
            relative=True,
        )
    if given == "loss":
        return Metric(
            "loss",
            lambda output, target: float(loss(output, target)),
            maximize=False,
            min_gain=0.02,
            relative=True,
        )
    name = given or DEFAULT[kind]
    if name not in METRICS:
        raise InputError(
            f"There is no metric {name!r}.{near(name, METRICS)} "
            f"The metrics are: {listing([*METRICS, 'loss'])}, or your own function."
        )
    if kind not in METRICS[name].kinds:
        fitting = [*(m.name for m in METRICS.values() if kind in m.kinds), "loss"]
        raise InputError(
            f"The metric {name!r} does not fit a {kind} task; for it there are {listing(fitting)}."
        )
    return METRICS[name]


def in_units(metric: Metric, scale: float) -> Metric:
    """The metric in the target's own units, where the model sees a target that was divided by
    `scale`.
    """
    if metric.name != rmse.__name__ or scale == 1.0:
        return metric
    return replace(metric, score=lambda output, target: scale * metric.score(output, target))
