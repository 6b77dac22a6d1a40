"""Passes through a model that only look: quiet, and on rows that stand for all."""

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
    fast = torch.backends.mha.get_fastpath_enabled()
    with untouched(model, modules):
        for module in modules:  # an author who froze a normalization keeps it out of training mode
            module.training = module.training and _works_by_training(module)
        torch.backends.mha.set_fastpath_enabled(
            False
        )  # it computes a transformer's layers without calling them
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


def _works_by_training(module: nn.Module) -> bool:
    """Whether a module only does in training mode what it is for: statistics of the batch, or the
    norm of a weight.
    """
    hooks = module._forward_pre_hooks.values()
    return isinstance(module, (_NormBase, _SpectralNorm)) or any(
        isinstance(hook, SpectralNorm) for hook in hooks
    )


def forward(run: Run, inputs: tuple[Any, ...]) -> Any:
    """The model's output, without gradients unless the model takes some itself."""
    try:
        with torch.no_grad():
            return call(run.model, inputs)
    except RuntimeError as problem:
        if "does not require grad" not in str(problem):  # torch's words
            raise
    with torch.enable_grad():
        return call(run.model, inputs)


def sources_of(run: Run) -> list[Part]:
    """What may be looked at without targets: training rows, and the unlabeled ones."""
    return [part for part in (run.data.train, run.data.unlabeled) if part is not None]


def batches(run: Run, rows: int, size: int = 256) -> Iterator[tuple[Any, ...]]:
    """Inputs of `rows` training and unlabeled rows, drawn at random and always the same, in batches
    on the run's device.
    """
    parts = sources_of(run)
    total = sum(map(len, parts))
    chosen = (
        torch.randperm(total, generator=torch.Generator().manual_seed(run.seed))[:rows]
        .sort()
        .values
    )
    first = 0
    for part in parts:
        index = chosen[(chosen >= first) & (chosen < first + len(part))] - first
        first += len(part)
        for some in (
            index.tensor_split(math.ceil(len(index) / size)) if len(index) else ()
        ):  # equal: no batch of one row
            yield tuple(to_device(x, run.device) for x in part.take(some)[0])


def affordable(run: Run, most: int, least: int, elements: int) -> int:
    """Rows, between `least` and `most`, whose inputs are about `elements` numbers."""
    row = max((math.prod(shape) for shape in run.data.facts.inputs), default=1)
    return max(least, min(most, elements // max(1, row)))
