"""The weights of a layer as an initializer must see them: one block at a time, with its true fans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advisor.model import Layer


@dataclass(frozen=True)
class Fans:
    """What an initializer must know of a block: inputs and outputs per unit, the gain of what follows, and its role.

    `recurrent` blocks map a hidden state to itself.
    """

    fan_in: float
    fan_out: float
    gain: float
    recurrent: bool = False


@dataclass(frozen=True)
class Block:
    """One weight block of shape (out, in, *kernel), a view into the parameter, with its fans."""

    weight: Tensor
    fans: Fans


def blocks(layer: Layer, gain: float) -> Iterator[Block]:
    """The blocks of a layer: gates and attention projections one by one, transposed convolutions turned, groups apart."""
    module = layer.module
    if isinstance(module, nn.RNNBase):
        yield from _recurrent(module)
    elif isinstance(module, nn.MultiheadAttention):
        yield from _attention(module)
    elif layer.kind == "conv_transpose":
        yield from _transposed(module, gain)
    elif layer.kind in ("linear", "conv"):
        yield from _plain(module, gain)


def _plain(module: nn.Module, gain: float) -> Iterator[Block]:
    weight, groups = _data(module.weight), int(getattr(module, "groups", 1))  # type: ignore[arg-type]
    kernel = math.prod(weight.shape[2:])
    for part in weight.chunk(groups):
        yield Block(part, Fans(weight.shape[1] * kernel, weight.shape[0] // groups * kernel, gain))


def _transposed(module: nn.Module, gain: float) -> Iterator[Block]:
    """Weights lie as (in, out/groups, *kernel); a stride spreads the kernel over that many outputs."""
    weight, groups = _data(module.weight), int(getattr(module, "groups", 1))  # type: ignore[arg-type]
    kernel = math.prod(weight.shape[2:]) / math.prod(module.stride)  # type: ignore[arg-type]
    for part in weight.chunk(groups):
        yield Block(
            part.transpose(0, 1), Fans(max(1.0, weight.shape[0] // groups * kernel), max(1.0, weight.shape[1] * kernel), gain)
        )


def _recurrent(module: nn.RNNBase) -> Iterator[Block]:
    for name, parameter in module.named_parameters(recurse=False):
        if not name.startswith("weight"):
            continue
        recurrent = name.startswith("weight_hh")
        size = module.hidden_size if not name.startswith("weight_hr") else parameter.shape[0]
        for gate in _data(parameter).split(size):
            yield Block(gate, Fans(gate.shape[1], gate.shape[0], 1.0, recurrent=recurrent))


def _attention(module: nn.MultiheadAttention) -> Iterator[Block]:
    whole = [module.in_proj_weight] if module.in_proj_weight is not None else []
    apart = [getattr(module, f"{x}_proj_weight") for x in "qkv"] if not whole else []
    parts = [part for weight in whole for part in _data(weight).chunk(3)] + [_data(weight) for weight in apart]
    for part in parts:
        yield Block(part, Fans(part.shape[1], part.shape[0], 1.0))


def reset_biases(layer: Layer) -> None:
    """Biases to zero; of an LSTM's two biases one forget gate to 1 (Gers et al. 2000), because the two are added."""
    with torch.no_grad():
        for name, parameter in layer.module.named_parameters(recurse=False):
            if "bias" in name and parameter.requires_grad:
                parameter.zero_()
                if isinstance(layer.module, nn.LSTM) and name.startswith("bias_ih"):
                    parameter.chunk(4)[1].fill_(1.0)


def frozen(layer: Layer) -> bool:
    """Whether a layer has no trainable weight."""
    return not any(p.requires_grad for p in layer.module.parameters(recurse=False))


def zero(layer: Layer) -> bool:
    """Whether the author set all weights of a layer to zero, which is a start on purpose."""
    weights = [p for name, p in layer.module.named_parameters(recurse=False) if "weight" in name]
    return bool(weights) and all(not bool(p.detach().any()) for p in weights)


def _data(parameter: Tensor) -> Tensor:
    return parameter.detach()
