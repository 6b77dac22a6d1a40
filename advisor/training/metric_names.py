"""Metrics by their names, and the user's own functions as metrics."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from advisor.errors import InputError, listing, near
from advisor.training.class_scores import f1, influence_on_f1
from advisor.training.metrics import METRICS, Metric

DEFAULT = {
    "classification": "accuracy",
    "binary": "accuracy",
    "regression": "r2",
    "multilabel": "macro_f1",
}
"""The metric of a task that names none, by its kind."""

F1 = "f1"
"""The metric that is of one class of two."""

LOSS = "loss"
"""The name that asks for the task's own loss as its metric."""

OTHER_NAMES = {
    "f1_score": "f1",
    "f1_macro": "macro_f1",
    "roc_auc": "auc",
    "roc_auc_score": "auc",
    "auroc": "auc",
    "cross_entropy": "log_loss",
    "nll": "log_loss",
    "neg_log_loss": "log_loss",
    "mean_absolute_error": "mae",
    "l1": "mae",
    "root_mean_squared_error": "rmse",
    "mse": "rmse",
    "mean_squared_error": "rmse",
    "acc": "accuracy",
}
"""What people call metrics elsewhere, in scikit-learn among others; they are asked what they mean.
"""

OF_CLASS = ":"
"""What stands between a metric of one class and the name of the class, as in `f1:yes`."""

NAMESAKES = ("rmse",)
"""A function of the user's with such a name is in units of the target. More of them would change
what a study that is begun already is scored by.
"""

_LOWER = ("loss", "error", "mse", "mae", "perplexity", "nll")
"""A function with one of these in its name is taken as *lower is better*."""


def find_metric(
    choice: str | Callable[..., float] | None,
    kind: str,
    loss: Callable[[Tensor, Tensor], Tensor],
    classes: Sequence[str] = (),
) -> Metric:
    """The metric that was asked for, or the usual one for `kind`.

    A function is taken as *higher is better*, unless it has an attribute `higher_is_better = False`
    or is called after a loss or an error.

    Arguments:
        choice: a name, a function, or None; `f1:CLASS` is of that class, `f1` of the second one.
        kind: of the task.
        loss: of the task, which `loss` asks for.
        classes: their names, of a task that has classes.

    Raises:
        InputError: the name is no metric's, or the metric does not fit the task.
    """
    # A function of the user's own: its name and one attribute are all that is said about it.
    if callable(choice):
        name = getattr(choice, "__name__", "metric")
        sounds_like_error = any(word in name.lower() for word in _LOWER)
        maximize = bool(getattr(choice, "higher_is_better", not sounds_like_error))
        return _of_function(choice, name, maximize, min_gain=0.01)
    if choice == LOSS:
        return _of_function(loss, LOSS, maximize=False, min_gain=0.02)

    # A name from the table, of one class or of all.
    asked = choice or DEFAULT[kind]
    name, of_class, label = asked.partition(OF_CLASS)
    if name not in METRICS or (of_class and name != F1):
        raise InputError(
            f"There is no metric {asked!r}.{_meant(name)} "
            f"The metrics are: {listing([*METRICS, LOSS])}, or your own function."
        )
    metric = METRICS[name]
    if kind not in metric.kinds:
        raise InputError(
            f"The metric {name!r} does not fit a {kind} task; "
            f"for it there are {listing([*_fitting(kind), LOSS])}."
        )
    return _of_one_class(metric, label, classes) if name == F1 else metric


def _meant(name: str) -> str:
    """` Did you mean 'x'?` where someone who writes this may mean a metric, else the empty text."""
    plain = re.sub(r"[\s_-]+", "_", name.strip().casefold())
    if plain in OTHER_NAMES:
        return f" Did you mean {OTHER_NAMES[plain]!r}?"
    return near(plain, [*METRICS, LOSS])


def _fitting(kind: str) -> list[str]:
    """The names of the metrics that fit a kind of task."""
    return [metric.name for metric in METRICS.values() if kind in metric.kinds]


def _of_one_class(metric: Metric, label: str, classes: Sequence[str]) -> Metric:
    """F1 of one class of two: the second, or the one that is named.

    Raises `InputError` where there are more classes, or none of that name.
    """
    if len(classes) > 2:
        raise InputError(
            f"The metric {metric.name!r} is of one class of two, and the target has "
            f"{len(classes)} ({listing(classes, 6)}); macro_f1 is the mean over all of them."
        )
    names = [*map(str, classes)] or ["0", "1"]
    if label and label not in names:
        raise InputError(
            f"The metric '{F1}{OF_CLASS}{label}': the target has no class {label!r}."
            f"{near(label, names)} The classes are: {listing(names)}."
        )
    positive = names.index(label) if label else len(names) - 1
    return replace(
        metric,
        name=f"{metric.name}{OF_CLASS}{label}" if label else metric.name,
        score=partial(f1, positive=positive),
        influence=partial(influence_on_f1, positive=positive),
        of_class=names[positive],
    )


def _of_function(
    function: Callable[..., Any], name: str, maximize: bool, min_gain: float
) -> Metric:
    """A function of the model's own output as a metric."""
    return Metric(
        name,
        lambda output, target: number_of(name, function(output, target)),
        maximize,
        min_gain,
        relative=True,
        in_target_units=name in NAMESAKES,
        reads_raw_output=True,
    )


def number_of(name: str, value: Any) -> float:
    """What the metric `name` returned, as a number; it may be in a tensor or an array of one.

    Raises `TypeError` where it is no number.
    """
    given = value
    # Both of torch and of NumPy; `size` is a method of a tensor.
    count = value.numel() if isinstance(value, Tensor) else getattr(value, "size", None)
    if count == 1 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, numbers.Real):
        return float(value)
    what = repr(given)[:80] if given is None or isinstance(given, str) else type(given).__name__
    raise TypeError(f"the metric {name!r} returned {what}; it must return one number")
