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
def untouched(model: nn.Module, modules: list[nn.Module]) -> Iterator[None]:
    """Restore buffers and training flags of `modules` and every random state afterwards; the model is in training mode."""
    restore: list[Restore] = [*_flags(modules), *_buffers(modules), *_random_states()]
    try:
        model.train()
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


def _put_back(buffers: dict[str, torch.Tensor | None], name: str, old: torch.Tensor, copy: torch.Tensor) -> None:
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
