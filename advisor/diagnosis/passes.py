"""Forward passes of a model on chosen rows, which change nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model import call
from advisor.model.preserve import untouched
from advisor.model.tracing.output import pick
from advisor.randomness import isolated, mix
from advisor.training.objective import to_device
from advisor.training.run import Run

WEIGHTED = ("linear", "conv", "conv_transpose", "rnn", "attention")
"""Kinds of layers that map their input by weights; tables and normalizations do not."""

Settle = Callable[[nn.Module], object]
"""What puts the modules of a model, which is in training mode, into the modes of a pass."""
ROUNDING = 1e-4
"""Share of the largest number by which two computations of the same may differ."""


def evaluating(model: nn.Module) -> None:
    """Evaluation mode, as a model is scored."""
    model.eval()


@contextmanager
def passing(run: Run, settle: Settle = evaluating, seed: int = 0) -> Iterator[None]:
    """Inside, passes of the model draw from `seed`; outside, the model and all random states are as
    before.
    """
    modules = list(nn.Module.modules(run.model))
    with isolated(mix(run.seed, "pass", seed)), untouched(run.model, modules, parameters=True):
        settle(run.model)
        yield


def inputs_at(run: Run, index: Tensor) -> tuple[Any, ...]:
    """Inputs of some training rows, on the run's device."""
    inputs, _ = run.data.train.take(index)
    return tuple(to_device(part, run.device) for part in inputs)


def answer(run: Run, inputs: tuple[Any, ...], rows: int) -> Tensor | None:
    """The model's prediction as (rows, numbers); None where it has another shape."""
    output = pick(call(run.model, inputs), rows, run.task.output)
    if not output.ndim or len(output) != rows or not output.is_floating_point():
        return None
    return output.reshape(rows, -1)


@torch.no_grad()
def answer_of(
    run: Run, inputs: tuple[Any, ...], rows: int, settle: Settle = evaluating, seed: int = 0
) -> Tensor | None:
    """The prediction in one pass of its own."""
    with passing(run, settle, seed):
        return answer(run, inputs, rows)


class Trace:
    """What every module reads and gives in one pass, by row, in the order in which they end."""

    def __init__(self, model: nn.Module, rows: int) -> None:
        self.read: dict[str, Tensor] = {}
        self.given: dict[str, Tensor] = {}
        self._rows = rows
        self._model = model

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside, the first call of each module is recorded."""
        handles = []
        for name, module in nn.Module.named_modules(self._model):
            handles.append(module.register_forward_hook(self._hook(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(_module: nn.Module, inputs: Any, output: Any) -> None:
            """Keep what can be told apart by row."""
            read, given = self._by_row(inputs), self._by_row(output)
            if given is not None and name not in self.given:
                self.given[name] = given
                if read is not None:
                    self.read[name] = read

        return record

    def _by_row(self, values: Any) -> Tensor | None:
        """The first tensor as (rows, numbers), or None where its shape does not show the rows."""
        while isinstance(values, (tuple, list)) and values:
            values = values[0]
        if not isinstance(values, Tensor) or not values.is_floating_point() or not values.ndim:
            return None
        if values.shape[0] != self._rows and values.ndim > 2 and values.shape[1] == self._rows:
            values = values.transpose(0, 1)  # time first
        if values.shape[0] != self._rows:
            return None
        numbers: Tensor = values.detach().reshape(self._rows, -1).clone()
        return numbers


def first_difference(one: Trace, other: Trace, kept: Tensor) -> str | None:
    """Where two passes begin to differ in the rows `kept`: a module, or the one around it whose own
    code does it; None where they do not.
    """
    for name in one.given:
        if not _differ_at(one.given.get(name), other.given.get(name), kept):
            continue
        # Where the input differs already, the code between the modules did it.
        inside = _differ_at(one.read.get(name), other.read.get(name), kept)
        return (name.rpartition(".")[0] if inside else name) or "model"
    return None


def _differ_at(one: Tensor | None, other: Tensor | None, kept: Tensor) -> bool:
    """Whether two recorded values are of one shape and differ in the rows `kept`."""
    if one is None or other is None or one.shape != other.shape:
        return False
    return difference(one[kept], other[kept]) > ROUNDING


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference as a share of the largest number; 0 where it is not finite."""
    if not one.numel():
        return 0.0
    largest = float(one.detach().abs().max())
    apart = float((one - other).detach().abs().max())
    return apart / largest if largest > 0 and apart < float("inf") else 0.0
