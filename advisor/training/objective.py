"""What the model is trained for: kind of task, loss and metric, inferred from the model's output
and the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from advisor.errors import InputError, listing
from advisor.model.call import rows_of
from advisor.model.tracing.output import described, pick, predictions
from advisor.nested import mapped
from advisor.study import Task
from advisor.training.imbalance import EVERY_CLASS, imbalance, misleads, why_every_class
from advisor.training.losses import Loss, head_of, one_probability, unchanged
from advisor.training.metric_names import find_metric
from advisor.training.metrics import CLASS_KINDS, Metric, in_units

if TYPE_CHECKING:
    from advisor.data import Facts
    from advisor.model import Anatomy


@dataclass(frozen=True)
class Objective:
    """Loss and metric of a task, with what was inferred.

    Attributes:
        kind: `classification`, `binary`, `regression` or `multilabel`.
        loss_name: what the loss is called.
        loss: `(model output, target) -> scalar tensor`.
        answer: `(model output, target) -> Tensor`, what the metric reads: class scores `(N, C)`,
            one probability a row `(N,)`, one for each label `(N, k)`, or numbers shaped like the
            target.
        metric: how answers are scored.
        classes: names of the classes or labels, or None for numbers.
        warnings: what the user should know.
        noise: what is added to inputs when they are scored, in deviations of each number.
    """

    kind: str
    loss_name: str
    loss: Callable[[Any, Tensor], Tensor]
    answer: Callable[[Any, Tensor], Tensor]
    metric: Metric
    classes: tuple[str, ...] | None
    warnings: tuple[str, ...] = ()
    noise: float = 0.0

    def sentence(self) -> str:
        """What was inferred, on one line."""
        what = "labels" if self.kind == "multilabel" else "classes"
        classes = f", {len(self.classes)} {what}" if self.classes else ""
        return f"{self.kind}{classes} · loss {self.loss_name} · metric {self.metric.sentence}"


def infer(
    task: Task,
    output: Any,
    facts: Facts,
    anatomy: Anatomy,
    scale: float = 1.0,
    rows: int | None = None,
    as_before: bool = False,
) -> Objective:
    """The objective of `task` for a model that gave `output` on a batch of training rows.

    `scale` is the deviation by which the target was divided; errors are given in the target's own
    units. `rows` is how many rows the batch had, where the output does not show it. `as_before`
    takes accuracy for rare classes, too, as versions before 0.3 did.

    Raises `InputError` when the output does not fit the target, naming both, or has no tensor that
    `task.output` names.
    """
    rows = rows_of(output) if rows is None else rows
    prediction = pick(output, rows, task.output)
    kind = task.kind or _kind(prediction, facts)
    head = head_of(kind, anatomy.output)
    warnings = [head.warning] if head.warning else []

    # Only our own losses need a certain shape; the user's may read anything.
    if task.loss is None:
        problem = _misfit(kind, prediction, facts, rows)
        if problem is not None:
            raise InputError(problem + _other_predictions(task, output))
        if kind == "classification" and prediction.shape[1] > facts.outputs:
            outputs = f"{prediction.shape[1]} outputs for {facts.outputs} classes"
            warning = f"The model has {outputs}; the others are never right."
            warnings.append(warning + _other_predictions(task, output))

    # What the user wrote reads the model's own output; our metrics read class scores and the like.
    loss: Loss = task.loss or head.loss
    choice, is_unweighted = task.metric, task.weights is None
    if kind in CLASS_KINDS and choice is None and not as_before and misleads(facts.shares):
        choice = EVERY_CLASS
        warnings.append(why_every_class(facts.shares, is_unweighted))
    classes = _names(kind, facts)
    metric = find_metric(choice, kind, loss, classes or ())
    if kind in CLASS_KINDS:
        unequal = imbalance(facts.shares, metric.name, is_unweighted)
        warnings += [unequal] if unequal else []
    answer = head.answer
    if metric.reads_raw_output or (task.loss is not None and kind not in ("binary", "multilabel")):
        answer = unchanged
    elif task.loss is not None and not _rewards_size(task.loss, kind, prediction):
        answer = one_probability if kind == "binary" else unchanged

    # A loss of the user's own gets everything that the model returns, unless an output was chosen.
    # Those of torch that read one number a row want the target in the same form.
    own = task.loss is not None and not _is_of_torch(task.loss)
    reads_everything = own and task.output is None
    if task.loss is not None and not own and kind in ("binary", "regression"):
        loss = partial(_of_numbers, task.loss)
    return Objective(
        kind=kind,
        loss_name=getattr(task.loss or loss, "__name__", type(task.loss or loss).__name__),
        loss=loss if reads_everything else partial(_of_prediction, loss, task.output),
        answer=partial(_of_prediction, answer, task.output),
        metric=in_units(metric, scale),
        classes=classes,
        warnings=tuple(warnings),
    )


def _of_prediction(function: Loss, output: int | str | None, result: Any, target: Tensor) -> Tensor:
    """`function` of the prediction in what the model returned."""
    return function(pick(result, len(target), output), target)


def loss_of_prediction(loss: Any) -> Loss | None:
    """The function of one tensor that a loss of a study is, where a model returns but one; None of
    others.
    """
    if isinstance(loss, partial) and loss.func is _of_prediction and len(loss.args) == 2:
        function: Loss = loss.args[0]
        return None if isinstance(function, partial) else function
    return None


def _names(kind: str, facts: Facts) -> tuple[str, ...] | None:
    """The names of the classes or labels of a task, None for numbers."""
    if kind == "regression":
        return None
    return facts.labels if kind == "multilabel" else facts.classes


def _rewards_size(loss: Loss, kind: str, prediction: Tensor) -> bool:
    """Whether a loss of the user's is smaller for a yes of 4 than for one of 1, as a loss of logits
    is; an error of numbers is smallest where the answer is the target.
    """
    form = prediction.shape if kind == "multilabel" else prediction.shape[:1]
    target = torch.ones(form, dtype=torch.float32 if kind == "multilabel" else torch.int64)
    asked = partial(_of_numbers, loss) if kind == "binary" and _is_of_torch(loss) else loss
    try:
        with torch.no_grad():
            one, four = (
                asked(torch.full_like(prediction, size), target.to(prediction.device))
                for size in (1.0, 4.0)
            )
        return not bool(torch.as_tensor(four) > torch.as_tensor(one))
    except Exception:  # it reads something else, such as several outputs, or probabilities
        return True


def _of_numbers(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """A loss of numbers, with targets (classes 0 and 1, too) in the form of the output."""
    return loss(output, target.to(output.dtype).reshape(output.shape))


def _is_of_torch(loss: Any) -> bool:
    """Whether a loss is one of torch, which reads one tensor."""
    inner = getattr(loss, "func", loss)
    return str(getattr(inner, "__module__", "")).startswith("torch.")


def _kind(output: Tensor, facts: Facts) -> str:
    """The kind of task, where the user has not said it."""
    if facts.target != "classes":
        return "regression" if facts.target == "numbers" else "multilabel"
    single = output.ndim == 1 or (output.ndim > 1 and output[0].numel() == 1)
    return "binary" if single and facts.outputs <= 2 else "classification"


def _misfit(kind: str, output: Tensor, facts: Facts, rows: int | None) -> str | None:
    """Why an output does not fit the target, or None."""
    shape = f"the model gives an output of shape {tuple(output.shape)} for {rows} rows"

    # Whatever is predicted, there must be a prediction for each row.
    if not output.ndim:
        return (
            f"The model's output is a single number; {shape}. "
            "It must have one row for each row of the batch."
        )
    if len(output) != rows:
        return (
            f"The model does not fit the data: {shape}. "
            "It must give one row for each row of the batch."
        )

    # How many numbers a prediction has is up to the kind of task.
    misfit = f"The model does not fit the target: {shape}"
    per_row = output[0].numel()
    if kind == "regression" and per_row != facts.outputs:
        return (
            f"{misfit}, and the target is {facts.outputs} number(s) a row. "
            f"Give the last layer {facts.outputs} output(s), "
            "or say what the target is with --task classification."
        )
    if kind == "multilabel" and per_row != facts.outputs:
        labels = f"{facts.outputs} labels ({listing(facts.labels or (), 6)})"
        return f"{misfit}, and the target has {labels}. Give the last layer one output for each."
    if kind == "binary" and per_row != 1:
        return f"{misfit}; a binary task needs one number a row. Use --task classification."
    if kind == "classification" and (output.ndim != 2 or output.shape[1] < facts.outputs):
        classes = f"{facts.outputs} classes ({listing(facts.classes or (), 6)})"
        enough = f"Give the last layer {facts.outputs} outputs"
        if per_row == 1 and _are_numbers(facts.classes or ()):
            enough += ", or take the target as numbers with --task regression"
        return f"{misfit}, and the target has {classes}. {enough}."
    return None


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether all names of classes are numbers."""
    try:
        return all(math.isfinite(float(name)) for name in names)
    except ValueError:
        return False


def _other_predictions(task: Task, output: Any) -> str:
    """What to do where the model returns several tensors and the user has chosen none."""
    choices = predictions(output)
    if task.output is not None or len(choices) < 2:
        return ""
    return (
        f" The model returns {described(choices)}: "
        "if another one is the prediction, choose it with --output NAME."
    )


def to_device(value: Any, device: torch.device) -> Any:
    """A batch on `device`: what can move does, also inside tuples, lists and mappings.

    A mapping that moves itself, such as a tokenizer's, keeps its type.
    """

    def moved(element: Any) -> Any:
        """What can move on the device, and all else as it is."""
        return element.to(device) if can_move(element) else element

    return mapped(moved, value, whole=can_move)


def can_move(value: Any) -> bool:
    """Whether something moves itself to a device, as a tensor or a tokenizer's batch does."""
    return callable(getattr(value, "to", None))
