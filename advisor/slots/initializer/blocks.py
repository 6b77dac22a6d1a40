"""The weights of a layer as an initializer must see them: one block at a time, with its true fans."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.rnn import RNNCellBase

from advisor.model import Layer
from advisor.slots.initializer.initial_weights import is_chosen
from advisor.slots.layer_weight import sources

_BIAS = re.compile(
    r"(bias|in_proj_bias|bias_(ih|hh).*)$"
)  # `bias_k` and `bias_v` of attention are tokens, not biases


@dataclass(frozen=True)
class Fans:
    """What an initializer must know of a block: inputs and outputs per unit, the gain of what
    follows, and its role.

    `recurrent` blocks map a hidden state to itself; `kind` is that of the layer: `linear`, `conv`,
    `conv_transpose`, `rnn` or `attention`.
    """

    fan_in: float
    fan_out: float
    gain: float
    recurrent: bool = False
    kind: str = "linear"


@dataclass(frozen=True)
class Block:
    """One weight block of shape (out, in, *kernel), a view into the parameter, with its fans."""

    weight: Tensor
    fans: Fans


def blocks(layer: Layer, gain: float, weight: Tensor | None = None) -> Iterator[Block]:
    """The trainable blocks of a layer: gates and attention projections one by one, transposed
    weights turned, groups apart.

    `weight` stands for the layer's own where that is computed from other parameters.
    """
    module = layer.module
    if isinstance(module, (nn.RNNBase, RNNCellBase)):
        yield from _recurrent(module)
    elif isinstance(module, nn.MultiheadAttention):
        yield from _attention(module)
    elif layer.kind in ("linear", "conv", "conv_transpose"):
        weight = _data(module.weight) if weight is None else weight  # type: ignore[arg-type]  # these kinds have one
        yield from (
            _transposed(module, weight, gain)
            if layer.kind == "conv_transpose"
            else _plain(layer, weight, gain)
        )


def _plain(layer: Layer, weight: Tensor, gain: float) -> Iterator[Block]:
    weight = weight.T if layer.transposed else weight
    groups = int(getattr(layer.module, "groups", 1)) if layer.kind == "conv" else 1
    kernel = math.prod(weight.shape[2:])
    for part in weight.chunk(groups):
        yield Block(
            part,
            Fans(
                weight.shape[1] * kernel, weight.shape[0] // groups * kernel, gain, kind=layer.kind
            ),
        )


def _transposed(module: nn.Module, weight: Tensor, gain: float) -> Iterator[Block]:
    """Weights lie as (in, out/groups, *kernel); a stride spreads the kernel over that many outputs."""
    groups = int(getattr(module, "groups", 1))
    kernel = math.prod(weight.shape[2:]) / math.prod(module.stride)  # type: ignore[arg-type]
    fan_in, fan_out = (
        max(1.0, weight.shape[0] // groups * kernel),
        max(1.0, weight.shape[1] * kernel),
    )
    for part in weight.chunk(groups):
        yield Block(part.transpose(0, 1), Fans(fan_in, fan_out, gain, kind="conv_transpose"))


def _recurrent(module: nn.RNNBase | RNNCellBase) -> Iterator[Block]:
    for name, parameter in module.named_parameters(recurse=False):
        if not name.startswith("weight") or not parameter.requires_grad:
            continue
        recurrent = name.startswith("weight_hh")
        size = module.hidden_size if not name.startswith("weight_hr") else parameter.shape[0]
        for gate in _data(parameter).split(size):
            yield Block(
                gate, Fans(gate.shape[1], gate.shape[0], 1.0, recurrent=recurrent, kind="rnn")
            )


def _attention(module: nn.MultiheadAttention) -> Iterator[Block]:
    whole = [module.in_proj_weight] if module.in_proj_weight is not None else []
    apart = [getattr(module, f"{x}_proj_weight") for x in "qkv"] if not whole else []
    parts = [part for weight in whole if weight.requires_grad for part in _data(weight).chunk(3)]
    for part in (*parts, *(_data(weight) for weight in apart if weight.requires_grad)):
        yield Block(part, Fans(part.shape[1], part.shape[0], 1.0, kind="attention"))


def reset_biases(layer: Layer) -> str | None:
    """Biases to zero; of an LSTM's two one forget gate to 1 (Gers et al. 2000), because the two are
    added.

    A bias that the author set on purpose stays, and its name is returned; a frozen one stays too.
    """
    kept = None
    with torch.no_grad():
        for name, parameter in nn.Module.named_parameters(layer.module, recurse=False):
            if not _BIAS.match(name) or not parameter.requires_grad:
                continue
            if is_chosen(layer, parameter):
                kept = name
                continue
            parameter.zero_()
            if isinstance(layer.module, (nn.LSTM, nn.LSTMCell)) and name.startswith("bias_ih"):
                parameter.chunk(4)[1].fill_(1.0)
    return kept


def frozen(layer: Layer) -> bool:
    """Whether a layer has no trainable weight."""
    return not any(parameter.requires_grad for parameter in sources(layer).values())


def _data(parameter: Tensor) -> Tensor:
    return parameter.detach()
