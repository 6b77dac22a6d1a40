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

# A step that puts one thing back as it was.
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
    steps = [*_flags(modules), *_buffers(modules), *_random_states()]
    if parameters:
        steps.extend(_parameters(modules))
    with _restored(steps):
        model.train()
        yield


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Every random state is afterwards as it was."""
    with _restored(list(_random_states())):
        yield


def random_states(device: torch.device) -> list[object]:
    """Where the generators stand that a function on this device may draw from, to be compared."""
    # Bytes and lists, because tensors and arrays have no single answer to `==`.
    states: list[object] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    if "numpy" in sys.modules:
        _, keys, *position = sys.modules["numpy"].random.get_state()
        states += [keys.tobytes(), position]
    return states


@contextmanager
def _restored(steps: list[Restore]) -> Iterator[None]:
    """Take these steps back to the state of before, also after an exception."""
    try:
        yield
    finally:
        for restore in steps:
            restore()


def _flags(modules: list[nn.Module]) -> Iterator[Restore]:
    for module in modules:
        yield partial(setattr, module, "training", module.training)


def _buffers(modules: list[nn.Module]) -> Iterator[Restore]:
    for module in modules:
        for name, buffer in module._buffers.items():
            if buffer is not None and not is_lazy(buffer):
                yield partial(_put_back, module._buffers, name, buffer, buffer.clone())


def _put_back(
    buffers: dict[str, torch.Tensor | None], name: str, old: torch.Tensor, copy: torch.Tensor
) -> None:
    # The model may have put another tensor there, changed this one in place, or both.
    buffers[name] = old
    with torch.no_grad():
        old.copy_(copy)


def _parameters(modules: list[nn.Module]) -> Iterator[Restore]:
    by_id: dict[int, nn.Parameter] = {}  # one that several modules share is copied once
    for module in modules:
        for parameter in module._parameters.values():
            if parameter is not None and not is_lazy(parameter):
                by_id[id(parameter)] = parameter
    for parameter in by_id.values():
        yield partial(_write_back, parameter, parameter.detach().clone())


def _write_back(parameter: torch.Tensor, copy: torch.Tensor) -> None:
    # Writing counts as a change in place for autograd, so an equal parameter is not written.
    with torch.no_grad():
        if not torch.equal(parameter, copy):
            parameter.copy_(copy)


def _random_states() -> Iterator[Restore]:
    """Steps that restore torch's, Python's and, where it is imported, NumPy's global generator."""
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_available():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    yield partial(random.setstate, random.getstate())
    if "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        yield partial(numpy_random.set_state, numpy_random.get_state())
