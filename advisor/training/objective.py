"""What the model is trained for: kind of task, loss and metric, inferred from the model's output
and the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from advisor.errors import InputError, listing
from advisor.model.call import rows_of
from advisor.model.tracing.output import described, pick, predictions
from advisor.study import Task
from advisor.training.metrics import Metric, find_metric, in_units

if TYPE_CHECKING:
    from advisor.data import Facts
    from advisor.model import Anatomy

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """Loss and metric of a task, with what was inferred, to be told to the user.

    `answer` turns a batch of raw outputs into what the metric reads: class scores `(N, C)`, one
    probability a row `(N,)`, or numbers shaped like the target. `noise` is what is added to inputs
    when they are scored, in deviations of each number.
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
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{self.kind}{classes} · loss {self.loss_name} · metric {self.metric.name}"


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits `(N, C)` with class numbers `(N,)`."""
    return F.cross_entropy(output, target)


def nll(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of log-probabilities `(N, C)`."""
    return F.nll_loss(output, target)


def nll_of_probabilities(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of probabilities `(N, C)`, bounded away from log 0."""
    return F.nll_loss(output.clamp_min(1e-12).log(), target)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of one probability a row with classes 0 and 1."""
    return F.binary_cross_entropy(output.reshape(-1), target.reshape(-1).to(output.dtype))


def binary_cross_entropy_with_logits(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of one logit a row with classes 0 and 1."""
    return F.binary_cross_entropy_with_logits(
        output.reshape(-1), target.reshape(-1).to(output.dtype)
    )


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; the output is shaped like the target."""
    return F.mse_loss(output.reshape(target.shape), target)


_CLASS_LOSS = {"log_probabilities": nll, "probabilities": nll_of_probabilities}
_WARN = {
    "probabilities": "The model ends in a softmax, so its output is trained as log(probability); logits are more stable.",
}


def infer(
    task: Task,
    output: Any,
    facts: Facts,
    anatomy: Anatomy,
    scale: float = 1.0,
    rows: int | None = None,
) -> Objective:
    """The objective of `task` for a model that gave `output` on a batch of training rows.

    `scale` is the deviation by which the target was divided; errors are told in the target's own
    units. `rows` is how many there were, where it cannot be told from the output.

    Raises `InputError` when the output does not fit the target, naming both, or has no tensor that
    `task.output` names.
    """
    rows = rows_of(output) if rows is None else rows
    tensor = pick(output, rows, task.output)
    kind = task.kind or _kind(tensor, facts)
    if task.loss is None:
        for complaint in _complaints(kind, tensor, facts, rows):
            raise InputError(complaint + _choose(task, output))
    loss, answer = _loss(kind, anatomy.output)
    if callable(task.metric) or task.metric == "loss" or task.loss is not None:
        answer = _as_it_is  # the user's own function reads the model's own output
    warnings = (
        [_WARN[anatomy.output]] if anatomy.output in _WARN and loss is nll_of_probabilities else []
    )
    if kind == "classification" and task.loss is None and tensor.shape[1] > facts.outputs:
        unused = f"The model has {tensor.shape[1]} outputs for {facts.outputs} classes; the others are never right."
        warnings.append(unused + _choose(task, output))
    score_loss: Loss = task.loss or loss
    whole = task.loss is not None and task.output is None and not _is_torchs(task.loss)
    return Objective(
        kind=kind,
        loss_name=getattr(score_loss, "__name__", type(score_loss).__name__),
        loss=score_loss if whole else partial(_of_prediction, score_loss, task.output),
        answer=partial(_of_prediction, answer, task.output),
        metric=in_units(find_metric(task.metric, kind, score_loss), scale),
        classes=facts.classes if kind != "regression" else None,
        warnings=tuple(warnings),
    )


def _of_prediction(function: Loss, output: int | str | None, result: Any, target: Tensor) -> Tensor:
    return function(pick(result, len(target), output), target)


def _is_torchs(loss: Any) -> bool:
    """Whether a loss is one of torch, which reads one tensor."""
    inner = getattr(loss, "func", loss)
    return str(getattr(inner, "__module__", "")).startswith("torch.")


def _kind(output: Tensor, facts: Facts) -> str:
    if facts.target == "numbers":
        return "regression"
    single = output.ndim == 1 or (output.ndim > 1 and output[0].numel() == 1)
    return "binary" if single and facts.outputs <= 2 else "classification"


def _complaints(kind: str, output: Tensor, facts: Facts, rows: int | None) -> Iterator[str]:
    """Why an output does not fit the target."""
    shape = f"the model gives an output of shape {tuple(output.shape)} for {rows} rows"
    if not output.ndim:
        yield f"The model's output is a single number; {shape}. It must have one row for each row of the batch."
        return
    if len(output) != rows:
        yield f"The model does not fit the data: {shape}. It must give one row for each row of the batch."
    per_row = output[0].numel()
    if kind == "regression" and per_row != facts.outputs:
        yield (
            f"The model does not fit the target: {shape}, and the target is {facts.outputs} number(s) a row. "
            f"Give the last layer {facts.outputs} output(s), or say what the target is with --task classification."
        )
    if kind == "binary" and per_row != 1:
        yield f"The model does not fit the target: {shape}; a binary task needs one number a row. Use --task classification."
    if kind == "classification" and (output.ndim != 2 or output.shape[1] < facts.outputs):
        yield (
            f"The model does not fit the target: {shape}, and the target has {facts.outputs} classes "
            f"({listing(facts.classes or (), 6)}). Give the last layer {facts.outputs} outputs."
        )


def _choose(task: Task, output: Any) -> str:
    found = predictions(output)
    if task.output is not None or len(found) < 2:
        return ""
    return f" The model returns {described(found)}: if another one is the prediction, choose it with --output NAME."


def _loss(kind: str, output_kind: str) -> tuple[Loss, Loss]:
    if kind == "regression":
        return squared_error, lambda out, target: out.reshape(target.shape)
    if kind == "classification":
        return _CLASS_LOSS.get(output_kind, cross_entropy), _as_it_is
    if output_kind in ("probability", "probabilities"):
        return binary_cross_entropy, lambda out, target: out.reshape(-1)
    return binary_cross_entropy_with_logits, lambda out, target: out.reshape(-1).sigmoid()


def _as_it_is(output: Tensor, _target: Tensor) -> Tensor:
    return output


def to_device(value: Any, device: torch.device) -> Any:
    """A batch on `device`: tensors and what moves itself as they do, also inside tuples, lists and
    mappings.
    """
    if callable(getattr(value, "to", None)):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: to_device(part, device) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [to_device(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
