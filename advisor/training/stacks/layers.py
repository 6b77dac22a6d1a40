"""Operations of a model on several copies at once: `(copies, rows, …)` instead of `(rows, …)`.

Each gives every copy the numbers that it has alone: batched where torch computes a batch of them in
the same order, one copy after the other elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from advisor.nested import gathered, mapped
from advisor.training.stacks.bank import Bank

SMALL = 400
"""Products of matrices with fewer multiplications than this are computed by another routine when
they are batched.
"""
Stacked = Callable[..., Any]


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer of each copy.

    Arguments:
        inputs: `(copies, rows, …, in)`.
        weight: `(copies, out, in)`.
        bias: `(copies, out)`, or None.

    Returns:
        `(copies, rows, …, out)`.
    """
    flat = inputs.flatten(1, -2) if inputs.ndim > 3 else inputs
    is_vector = 1 in weight.shape[1:] or inputs.ndim < 3
    if is_vector or flat.shape[1] * weight[0].numel() < SMALL:
        biases = repeat(None) if bias is None else bias.unbind()
        rows = zip(inputs.unbind(), weight.unbind(), biases, strict=False)
        return torch.stack([F.linear(*each) for each in rows])
    if bias is None:
        outputs = torch.bmm(flat, weight.mT)
    else:
        outputs = torch.baddbmm(bias.unsqueeze(1), flat, weight.mT)
    return outputs.reshape(*inputs.shape[:-1], outputs.shape[-1])


def linear_layers(layers: Sequence[Any], bank: Bank) -> Stacked:
    """The linear layers of the copies in one."""
    weight = bank.of([each.weight for each in layers])
    bias = None if layers[0].bias is None else bank.of([each.bias for each in layers])
    return lambda inputs: linear(inputs, weight, bias)


def dropout(streams: Sequence[torch.Generator], inputs: Tensor, share: float) -> Tensor:
    """Dropout of each copy, drawn from its own stream as it would be alone."""
    if share in (0.0, 1.0):
        return inputs * (1 - share)
    kept = torch.empty_like(inputs)
    for own, stream in zip(kept.unbind(), streams, strict=True):
        own.bernoulli_(1 - share, generator=stream)
    return inputs * kept.div_(1 - share)


def aligned(values: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Arguments of an elementwise operation, whose tensors are broadcast behind the copies."""
    tensors: list[Tensor] = []
    mapped(lambda each: tensors.append(each) if isinstance(each, Tensor) else None, values)
    most = max((each.ndim for each in tensors), default=0)

    def padded(each: Any) -> Any:
        """A tensor with as many dimensions as the largest."""
        if not isinstance(each, Tensor) or each.ndim == most:
            return each
        return each.reshape(len(each), *[1] * (most - each.ndim), *each.shape[1:])

    return tuple(map(padded, values)), {key: padded(each) for key, each in keywords.items()}


def elementwise(function: Stacked) -> Stacked:
    """A function of single numbers on all copies at once."""

    def of_all(*values: Any, **keywords: Any) -> Any:
        """The function of the copies' values."""
        values, keywords = aligned(values, keywords)
        return function(*values, **keywords)

    return of_all


def slopes(layers: Sequence[Any]) -> Stacked:
    """The PReLUs of copies, each with slopes of its own."""
    count = layers[0].weight.numel()

    def of_all(inputs: Tensor) -> Tensor:
        """`inputs` `(copies, rows, …)`; several slopes are those of its third dimension."""
        weights = torch.stack([each.weight for each in layers])
        form = [len(layers), 1, count, *[1] * max(0, inputs.ndim - 3)][: max(2, inputs.ndim)]
        return torch.where(inputs > 0, inputs, weights.reshape(form) * inputs)

    return of_all


def one_by_one(functions: Sequence[Stacked]) -> Stacked:
    """Any function, or one for each copy, on one copy after the other."""

    def of_each(*values: Any, **keywords: Any) -> Any:
        """What the functions give, stacked."""
        shares = zip(
            functions,
            shares_of(values, len(functions)),
            shares_of(keywords, len(functions)),
            strict=True,
        )
        found = [function(*own, **named) for function, own, named in shares]
        return gathered(together, found)

    return of_each


def shares_of(values: Any, copies: int) -> list[Any]:
    """The arguments of each copy, where tensors have the copies in front."""
    parts: dict[int, tuple[Tensor, ...]] = {}

    def note(each: Any) -> None:
        """Take a tensor apart, once."""
        if isinstance(each, Tensor):
            parts[id(each)] = each.unbind()

    mapped(note, values)

    def share(place: int) -> Any:
        """The arguments of one copy."""
        return mapped(lambda each: parts[id(each)][place] if id(each) in parts else each, values)

    return [share(place) for place in range(copies)]


def together(found: list[Any]) -> Any:
    """One value for all copies: their tensors stacked, or what is the same in all."""
    return torch.stack(found) if isinstance(found[0], Tensor) else found[0]
