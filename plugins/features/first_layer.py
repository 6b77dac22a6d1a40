"""The layer that reads the rows of a table, and a base of techniques that put something before it.

The layer itself stays, with its weights, its name and its shape: what is put before it is a part of
the module that takes its place.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Layer, Run, Technique

MOST_COLUMNS = 256
"""Columns from which on a table is taken for something else, such as flat images."""
ROWS = 1000
"""Training rows from which it is read which columns hold numbers and not two values."""


class FirstLinear(nn.Linear):
    """The base of a linear layer that takes the place of another one, and has its parameters."""

    def __init__(self, plain: nn.Linear) -> None:
        # Linear's own constructor would draw weights that are not needed.
        nn.Module.__init__(self)
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.weight = plain.weight
        self.register_parameter("bias", plain.bias)
        self.train(plain.training)


class BeforeFirstLayer(Technique):
    """The base of techniques for the numbers of a table: they find the layer that reads them."""

    slot = "features"

    def unfit(self, run: Run) -> str | None:
        """The rows are a table with numbers, and a plain linear layer reads them."""
        inputs = run.example()
        is_tensor = len(inputs) == 1 and isinstance(inputs[0], Tensor)
        if not is_tensor or inputs[0].ndim != 2 or not inputs[0].is_floating_point():
            return "the inputs are no table of numbers"
        columns = inputs[0].shape[1]
        if columns > MOST_COLUMNS:
            return f"{columns} columns are too many for a table; it has at most {MOST_COLUMNS}"
        if not len(number_columns(run)):
            return "no column of the table has more than two values"
        return why_not(first_layer(run), columns)


def number_columns(run: Run) -> Tensor:
    """The places of the columns that have more than two values, which one-hot ones have not."""
    rows = run.data.train.take(torch.arange(min(ROWS, len(run.data.train))))[0][0]
    counts = [len(column.unique()) for column in rows.T]
    return torch.tensor([place for place, count in enumerate(counts) if count > 2])


def first_layer(run: Run) -> Layer | None:
    """The first layer that is no normalization."""
    return next((layer for layer in run.anatomy.layers if layer.kind != "norm"), None)


def why_not(layer: Layer | None, columns: int) -> str | None:
    """Why a first layer cannot have something put before it, or None."""
    if layer is None:
        return "the model has no layer"
    module = layer.module
    is_plain = type(module) is nn.Linear and layer.callable and layer.calls == 1
    if not is_plain or module._forward_hooks or module._forward_pre_hooks:
        return f"its first layer ({layer.name}) is no plain linear layer"
    if module.in_features != columns:
        return f"its first layer ({layer.name}) does not read the {columns} columns of the table"
    return None


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module wherever a model holds another one."""
    # The holders are listed first: the walk must not meet what is put in.
    for holder in list(model.modules()):
        for name, child in list(holder._modules.items()):
            if child is old:
                holder._modules[name] = new


def uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    """U(-1/√inputs, 1/√inputs), as torch starts its layers."""
    bound = 1 / math.sqrt(inputs)
    return bound * (2 * torch.rand(shape, generator=generator) - 1)


def plain_linear(layer: Layer) -> Any:
    """The module of a layer that `why_not` lets pass."""
    return layer.module
