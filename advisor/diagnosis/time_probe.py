"""How far back in time the gradient of a recurrent layer reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from advisor.diagnosis.passes import inputs_at, passing
from advisor.model import Layer, call, called
from advisor.randomness import mix
from advisor.training.run import Run

ROWS = 32
"""Rows whose loss is differentiated."""
STEPS = 16
"""Fewest steps of a layer that has a past to forget."""


@dataclass(frozen=True)
class Memory:
    """The gradient of a recurrent layer over time.

    Attributes:
        layer: the layer.
        norms: of the loss's gradient with respect to what the layer reads in each step.
    """

    layer: Layer
    norms: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """The gradient of the first half of the steps, as a share of the second half's."""
        half = len(self.norms) // 2
        early, late = sum(self.norms[:half]), sum(self.norms[half:])
        return early / late if late > 0 else None


def memories(run: Run) -> tuple[Memory, ...]:
    """Every layer that takes `STEPS` steps or more in a pass, with its gradient over time."""
    layers = [layer for layer in run.anatomy.layers if _repeats(layer)]
    if not layers:
        return ()
    generator = torch.Generator().manual_seed(mix(run.seed, "time"))
    index = torch.randperm(len(run.data.train), generator=generator)[:ROWS]
    _, target = run.data.train.take(index)
    assert target is not None  # training rows are labelled
    recorders = [_Recorder(layer) for layer in layers]
    with passing(run, _without_dropout), torch.enable_grad(), _all_recorded(recorders):
        loss = run.loss(call(run.model, inputs_at(run, index)), target.to(run.device)).mean()
        found = [Memory(each.layer, each.norms(loss)) for each in recorders]
    return tuple(memory for memory in found if len(memory.norms) >= STEPS)


def _repeats(layer: Layer) -> bool:
    """Whether a layer goes through time: in one call, or in many."""
    return isinstance(layer.module, nn.RNNBase) or layer.calls >= STEPS


def _without_dropout(model: nn.Module) -> None:
    model.train()
    for module in nn.Module.modules(model):
        if "dropout" in type(module).__name__.lower():
            module.training = False


@contextmanager
def _all_recorded(recorders: list[_Recorder]) -> Iterator[None]:
    """Inside, the layers read what they read plus a zero, whose gradient is theirs."""
    handles = []
    for recorder in recorders:
        handles.append(recorder.layer.module.register_forward_pre_hook(recorder.add_zero))
    try:
        with called(recorder.layer.module for recorder in recorders):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Recorder:
    """Zeros that are added to what a layer reads."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._zeros: list[tuple[Tensor, Callable[[Tensor], list[float]]]] = []

    def add_zero(self, module: nn.Module, inputs: Any) -> Any:
        """The inputs with a zero added to the first."""
        first = inputs[0] if inputs else None
        if isinstance(first, PackedSequence):
            zero = torch.zeros_like(first.data, requires_grad=True)
            sizes = first.batch_sizes.tolist()
            self._zeros.append((zero, lambda gradient: _norms(gradient.split(sizes))))
            return (first._replace(data=first.data + zero), *inputs[1:])
        if not isinstance(first, Tensor) or not first.is_floating_point():
            return None
        zero = torch.zeros_like(first, requires_grad=True)
        self._zeros.append((zero, _by_steps(module, first)))
        return (first + zero, *inputs[1:])

    def norms(self, loss: Tensor) -> tuple[float, ...]:
        """The norm of the gradient in each step."""
        if not self._zeros or not loss.requires_grad:
            return ()
        zeros = [zero for zero, _ in self._zeros]
        gradients = torch.autograd.grad(loss, zeros, retain_graph=True, allow_unused=True)
        norms: list[float] = []
        for (zero, norms_of), gradient in zip(self._zeros, gradients, strict=True):
            norms += norms_of(torch.zeros_like(zero) if gradient is None else gradient)
        return tuple(norms)


def _by_steps(module: nn.Module, first: Tensor) -> Callable[[Tensor], list[float]]:
    """How the gradient of an input is split into steps: along time, or not at all."""
    if not isinstance(module, nn.RNNBase):
        return lambda gradient: [float(gradient.norm())]
    axis = 1 if module.batch_first and first.ndim > 2 else 0
    return lambda gradient: _norms(gradient.unbind(axis))


def _norms(parts: Any) -> list[float]:
    return [float(part.norm()) for part in parts]
