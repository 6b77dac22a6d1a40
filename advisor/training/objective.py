"""What the model is trained for: kind of task, loss and metric, inferred from the model's output and the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from advisor.errors import InputError, listing
from advisor.study import Task
from advisor.training.metrics import Metric, find_metric, first_tensor, in_units

if TYPE_CHECKING:
    from advisor.data import Facts
    from advisor.model import Anatomy

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """Loss and metric of a task, with what was inferred, to be told to the user.

    `answer` turns a batch of raw outputs into what the metric reads: class scores `(N, C)`, one probability a row `(N,)`,
    or numbers shaped like the target.
    """

    kind: str
    loss_name: str
    loss: Callable[[Any, Tensor], Tensor]
    answer: Callable[[Any, Tensor], Tensor]
    metric: Metric
    classes: tuple[str, ...] | None
    warnings: tuple[str, ...] = ()

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
    return F.binary_cross_entropy_with_logits(output.reshape(-1), target.reshape(-1).to(output.dtype))


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; the output is shaped like the target."""
    return F.mse_loss(output.reshape(target.shape), target)


_CLASS_LOSS = {"log_probabilities": nll, "probabilities": nll_of_probabilities}
_WARN = {
    "probabilities": "The model ends in a softmax, so its output is trained as log(probability); logits are more stable.",
}


def infer(task: Task, output: Any, facts: Facts, anatomy: Anatomy, scale: float = 1.0) -> Objective:
    """The objective of `task` for a model that gave `output` on a batch of training rows.

    `scale` is the deviation by which the target was divided; errors are told in the target's own units.

    Raises `InputError` when the output does not fit the target, naming both.
    """
    rows = _rows(output)
    tensor = first_tensor(output, rows) if task.loss is None else output
    kind = task.kind or _kind(tensor, facts)
    if task.loss is None:
        _check_fit(kind, tensor, facts)
    loss, answer = _loss(kind, anatomy.output)
    if callable(task.metric) or task.metric == "loss" or task.loss is not None:
        answer = _as_it_is  # the user's own function reads the model's own output
    warnings = [_WARN[anatomy.output]] if anatomy.output in _WARN and loss is nll_of_probabilities else []
    if kind == "classification" and task.loss is None and tensor.shape[1] > facts.outputs:
        warnings.append(f"The model has {tensor.shape[1]} outputs for {facts.outputs} classes; the others are never right.")
    score_loss: Loss = task.loss or loss
    return Objective(
        kind=kind,
        loss_name=getattr(score_loss, "__name__", type(score_loss).__name__),
        loss=task.loss or (lambda out, target: loss(first_tensor(out, len(target)), target)),
        answer=answer,
        metric=in_units(find_metric(task.metric, kind, score_loss), scale),
        classes=facts.classes if kind != "regression" else None,
        warnings=tuple(warnings),
    )


def _rows(output: Any) -> int:
    tensors = [output] if isinstance(output, Tensor) else list(output.values() if isinstance(output, dict) else output)
    return next((int(t.shape[0]) for t in tensors if isinstance(t, Tensor) and t.ndim), 0)


def _kind(output: Any, facts: Facts) -> str:
    if facts.target == "numbers":
        return "regression"
    single = isinstance(output, Tensor) and (output.ndim == 1 or output[0].numel() == 1)
    return "binary" if single and facts.outputs <= 2 else "classification"


def _check_fit(kind: str, output: Tensor, facts: Facts) -> None:
    shape = f"the model gives an output of shape {tuple(output.shape)} for {output.shape[0] if output.ndim else 0} rows"
    per_row = output[0].numel() if output.ndim else 0
    if not output.ndim:
        raise InputError(f"The model's output is a single number; {shape}. It must have one row for each row of the batch.")
    if kind == "regression" and per_row != facts.outputs:
        raise InputError(
            f"The model does not fit the target: {shape}, and the target is {facts.outputs} number(s) a row. "
            f"Give the last layer {facts.outputs} output(s), or say what the target is with --task classification."
        )
    if kind == "binary" and per_row != 1:
        raise InputError(
            f"The model does not fit the target: {shape}; a binary task needs one number a row. Use --task classification."
        )
    if kind == "classification" and (output.ndim != 2 or output.shape[1] < facts.outputs):
        raise InputError(
            f"The model does not fit the target: {shape}, and the target has {facts.outputs} classes "
            f"({listing(facts.classes or (), 6)}). Give the last layer {facts.outputs} outputs."
        )


def _loss(kind: str, output_kind: str) -> tuple[Loss, Callable[[Any, Tensor], Tensor]]:
    if kind == "regression":
        return squared_error, lambda out, target: first_tensor(out, len(target)).reshape(target.shape)
    if kind == "classification":
        return _CLASS_LOSS.get(output_kind, cross_entropy), lambda out, target: first_tensor(out, len(target))
    if output_kind in ("probability", "probabilities"):
        return binary_cross_entropy, lambda out, target: first_tensor(out, len(target)).reshape(-1)
    return binary_cross_entropy_with_logits, lambda out, target: first_tensor(out, len(target)).reshape(-1).sigmoid()


def _as_it_is(output: Any, target: Tensor) -> Tensor:
    return first_tensor(output, len(target))


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors, and tensors inside tuples, lists and dictionaries, moved to `device`; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (tuple, list)):
        return type(value)(to_device(part, device) for part in value)
    return {key: to_device(part, device) for key, part in value.items()} if isinstance(value, dict) else value
