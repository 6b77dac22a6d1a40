"""Forward passes that measure a model and leave it as it was, on rows that stand for all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from advisor.data import Part
from advisor.model import call
from advisor.model.preserve import untouched
from advisor.model.references import paths
from advisor.training.objective import to_device
from advisor.training.run import Run


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Inside, nothing is random and signals have the size that they have in training.

    Dropout and its like are off, batch normalizations use the statistics of the batch. Buffers,
    modes and random states are as before afterwards.
    """
    modules = [path.module for path in paths(model).values()]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    with untouched(model, modules):
        # A normalization that is in evaluation mode stays there.
        for module in modules:
            module.training = module.training and works_by_training(module)
        # Torch's fast path computes a transformer's layers without calling them.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)


def works_by_training(module: nn.Module) -> bool:
    """Whether a module only does in training mode what it is for: statistics of the batch, or the
    norm of a weight.
    """
    if isinstance(module, (_NormBase, _SpectralNorm)):
        return True
    # The older spectral norm of torch is a hook of the module that it normalizes.
    hooks = module._forward_pre_hooks.values()
    return any(isinstance(hook, SpectralNorm) for hook in hooks)


def forward(run: Run, inputs: tuple[Any, ...]) -> Any:
    """The model's output, without gradients unless the model takes some itself."""
    try:
        with torch.no_grad():
            return call(run.model, inputs)
    except RuntimeError as problem:
        # Torch raises a plain RuntimeError here, so its message is compared.
        if "does not require grad" not in str(problem):
            raise
    with torch.enable_grad():
        return call(run.model, inputs)


def input_parts(run: Run) -> list[Part]:
    """The rows that may be read without targets: training rows, and the unlabeled ones."""
    return [part for part in (run.data.train, run.data.unlabeled) if part is not None]


def batches(run: Run, rows: int, size: int = 256) -> Iterator[tuple[Any, ...]]:
    """Inputs of `rows` training and unlabeled rows, drawn at random and always the same, in batches
    on the run's device.
    """
    parts = input_parts(run)
    total = sum(len(part) for part in parts)
    # A generator of its own: how much is read must not change what a technique draws.
    generator = torch.Generator().manual_seed(run.seed)
    chosen = torch.randperm(total, generator=generator)[:rows].sort().values
    first = 0
    for part in parts:
        index = chosen[(chosen >= first) & (chosen < first + len(part))] - first
        first += len(part)
        if not len(index):
            continue
        # Batches of nearly equal size, so that none has a single row, which has no statistics.
        for batch in index.tensor_split(math.ceil(len(index) / size)):
            inputs, _ = part.take(batch)
            yield tuple(to_device(x, run.device) for x in inputs)


def affordable_rows(run: Run, most: int, least: int, elements: int) -> int:
    """Rows, between `least` and `most`, whose inputs are about `elements` numbers."""
    shapes = run.data.facts.inputs
    numbers_per_row = max((math.prod(shape) for shape in shapes), default=1)
    return max(least, min(most, elements // max(1, numbers_per_row)))
