"""Leaves a model and the random numbers as they were, whatever a forward pass does to them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.nn.parameter import is_lazy

Restore = Callable[[], object]


@contextmanager
def untouched(
    model: nn.Module, modules: list[nn.Module], parameters: bool = False
) -> Iterator[None]:
    """Restore buffers and training flags of `modules` and every random state afterwards; the model
    is in training mode.

    `parameters` are restored too where nothing inside means to change them: some models renormalize
    theirs when they run.
    """
    restore: list[Restore] = [*_flags(modules), *_buffers(modules), *_random_states()]
    restore += _parameters(modules) if parameters else []
    try:
        model.train()
        yield
    finally:
        for undo in restore:
            undo()


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Every random state is afterwards as it was."""
    restore = list(_random_states())
    try:
        yield
    finally:
        for undo in restore:
            undo()


def _flags(modules: list[nn.Module]) -> Iterator[Restore]:
    for module in modules:
        yield partial(setattr, module, "training", module.training)


def _buffers(modules: list[nn.Module]) -> Iterator[Restore]:
    for module in modules:
        for name, buffer in module._buffers.items():
            if buffer is not None and not is_lazy(buffer):
                yield partial(_put_back, module._buffers, name, buffer, buffer.clone())


def _parameters(modules: list[nn.Module]) -> Iterator[Restore]:
    kept = {
        id(p): p
        for module in modules
        for p in module._parameters.values()
        if p is not None and not is_lazy(p)
    }
    for parameter in kept.values():
        yield partial(_restore, parameter, parameter.detach().clone())


def _restore(parameter: torch.Tensor, copy: torch.Tensor) -> None:
    with torch.no_grad():
        if not torch.equal(parameter, copy):
            parameter.copy_(copy)


def _put_back(
    buffers: dict[str, torch.Tensor | None], name: str, old: torch.Tensor, copy: torch.Tensor
) -> None:
    buffers[name] = old
    with torch.no_grad():
        old.copy_(copy)


def _random_states() -> Iterator[Restore]:
    state = torch.get_rng_state()
    yield lambda: torch.set_rng_state(state)
    if torch.cuda.is_available():
        devices = torch.cuda.get_rng_state_all()
        yield lambda: torch.cuda.set_rng_state_all(devices)
    python = random.getstate()
    yield lambda: random.setstate(python)
    if "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        numpy = numpy_random.get_state()
        yield lambda: numpy_random.set_state(numpy)


def random_states(device: torch.device) -> list[object]:
    """Where the generators stand that a function on this device may draw from, to be compared."""
    states: list[object] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    if "numpy" in sys.modules:
        _, keys, *position = sys.modules["numpy"].random.get_state()
        states += [keys.tobytes(), position]
    return states
