"""What a table of real models is made of: an entry, and short ways to build models and inputs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

Inputs = tuple[Any, ...]


@dataclass(frozen=True)
class Entry:
    """A model of a package, and the truth about it.

    Arguments:
        name: the model's.
        package: that must be installed.
        build: makes it, small and without weights.
        inputs: makes its arguments for one batch.
        hidden: calls of hidden activations in one forward pass in training mode; None where nobody
            has counted.
        keep: patterns of the ids of sites that must be left alone: gates, scores, outputs, parts of
            an inline activation.
    """

    name: str
    package: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]
    hidden: int | None = None
    keep: tuple[str, ...] = ()


def entry(
    package: str,
    name: str,
    build: Callable[[], nn.Module],
    inputs: Callable[[], Inputs],
    truth: Any = None,
) -> Entry:
    """An entry whose truth is written short: a number of calls, or `(number, "pattern pattern")`.

    A pattern is one of `keep`.
    """
    hidden, keep = truth if isinstance(truth, tuple) else (truth, "")
    return Entry(f"{package}/{name}", package, build, inputs, hidden, tuple(keep.split()))


class ByName(nn.Module):
    """A model whose forward takes keywords."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Tensor) -> Any:
        return self.model(**dict(zip(self.names, values, strict=True)))


def make(package: str, path: str, *args: Any, **kwargs: Any) -> Callable[[], nn.Module]:
    """A builder that calls `package.path(*args, **kwargs)`."""
    module, _, name = f"{package}.{path}".rpartition(".")

    def build() -> nn.Module:
        model: nn.Module = getattr(import_(module), name)(*args, **kwargs)
        return model

    return build


def import_(name: str) -> ModuleType:
    """A module; torchvision's operators, which models do not need, may be compiled for another
    torch.
    """
    sys.modules.setdefault(
        "torchvision._meta_registrations", ModuleType("torchvision._meta_registrations")
    )
    return importlib.import_module(name)


# --- inputs of a model ----------------------------------------------------------------------------


def images(size: int = 64, channels: int = 3, batch: int = 2) -> Callable[[], Inputs]:
    return partial(_normal, batch, channels, size, size)


def rows(*shape: int) -> Callable[[], Inputs]:
    return partial(_normal, *shape)


def tokens(
    vocabulary: int = 100, length: int = 12, batch: int = 2, count: int = 1
) -> Callable[[], Inputs]:
    return lambda: tuple(torch.randint(3, vocabulary, (batch, length)) for _ in range(count))


def _normal(*shape: int) -> Inputs:
    return (torch.randn(shape),)
