"""The weights of a layer as an initializer fills them: one block at a time, with its true fans."""

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

# Attention's `bias_k` and `bias_v` are tokens that it appends, not biases.
_BIAS = re.compile(r"(bias|in_proj_bias|bias_(ih|hh).*)$")


@dataclass(frozen=True)
class Fans:
    """What an initializer must know of a block: inputs and outputs per unit, the gain of what
    follows, and its role.

    `recurrent` blocks map a hidden state to itself; `kind` is that of the layer: `linear`, `conv`,
    `conv_transpose`, `rnn` or `attention`.

    Example:
        >>> import advisor
        >>> fans = advisor.Fans(fan_in=64, fan_out=32, gain=2**0.5)
        >>> round(fans.gain / fans.fan_in**0.5, 3)  # the deviation of He et al. 2015
        0.177
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
    weights turned, groups one by one.

    `weight` stands for the layer's own where that is computed from other parameters.
    """
    module = layer.module
    if isinstance(module, (nn.RNNBase, RNNCellBase)):
        return _recurrent_blocks(module)
    if isinstance(module, nn.MultiheadAttention):
        return _attention_blocks(module)
    if layer.kind not in ("linear", "conv", "conv_transpose"):
        return iter(())
    if weight is None:
        weight = module.weight.detach()  # type: ignore[operator]  # these kinds have one
    if layer.matrices:
        return _written_blocks(layer, weight, gain)
    return _matrix_blocks(layer, weight, gain)


def _matrix_blocks(layer: Layer, weight: Tensor, gain: float) -> Iterator[Block]:
    """Groups of a weight that lies as (out, in / groups, *kernel); in a transposed convolution as
    (in, out / groups, *kernel).
    """
    groups = 1 if layer.kind == "linear" else int(getattr(layer.module, "groups", 1))
    kernel = math.prod(weight.shape[2:])
    if layer.kind == "conv_transpose":
        # A stride spreads the kernel over that many outputs, each with at least one input.
        spread = kernel / math.prod(layer.module.stride)  # type: ignore[arg-type]  # of a convolution
        fan_in = max(1.0, weight.shape[0] // groups * spread)
        fan_out = max(1.0, weight.shape[1] * spread)
        parts = [part.transpose(0, 1) for part in weight.chunk(groups)]
    else:
        weight = weight.T if layer.transposed else weight
        fan_in = weight.shape[1] * kernel
        fan_out = weight.shape[0] // groups * kernel
        parts = list(weight.chunk(groups))
    for part in parts:
        yield Block(part, Fans(fan_in, fan_out, gain, kind=layer.kind))


def _written_blocks(layer: Layer, weight: Tensor, gain: float) -> Iterator[Block]:
    """The matrices of a hand-written layer: one, or one for each expert, head or part."""
    for matrix in layer.matrices:
        fans = Fans(matrix.fan_in, matrix.fan_out, gain, kind=layer.kind)
        yield Block(matrix.of(weight), fans)


def _recurrent_blocks(module: nn.RNNBase | RNNCellBase) -> Iterator[Block]:
    for name, parameter in module.named_parameters(recurse=False):
        if not name.startswith("weight") or not parameter.requires_grad:
            continue
        # Gates are stacked; the projection of an LSTM's state (`weight_hr`) is one block.
        size = parameter.shape[0] if name.startswith("weight_hr") else module.hidden_size
        recurrent = name.startswith("weight_hh")
        for gate in parameter.detach().split(size):
            units, inputs = gate.shape
            yield Block(gate, Fans(inputs, units, 1.0, recurrent=recurrent, kind="rnn"))


def _attention_blocks(module: nn.MultiheadAttention) -> Iterator[Block]:
    # The three projections lie in one parameter where queries, keys and values have one width.
    if module.in_proj_weight is not None:
        stacked = module.in_proj_weight
        projections = list(stacked.detach().chunk(3)) if stacked.requires_grad else []
    else:
        parameters = [module.q_proj_weight, module.k_proj_weight, module.v_proj_weight]
        projections = [weight.detach() for weight in parameters if weight.requires_grad]
    for projection in projections:
        units, inputs = projection.shape
        yield Block(projection, Fans(inputs, units, 1.0, kind="attention"))


def reset_biases(layer: Layer) -> str | None:
    """Biases to zero; of an LSTM's two one forget gate to 1 (Gers et al. 2000), because the two are
    added.

    A bias that the author set on purpose stays, and its name is returned; a frozen one stays too.
    """
    kept = None
    is_lstm = isinstance(layer.module, (nn.LSTM, nn.LSTMCell))
    with torch.no_grad():
        for name, parameter in nn.Module.named_parameters(layer.module, recurse=False):
            if not _BIAS.match(name) or not parameter.requires_grad:
                continue
            if is_chosen(layer, parameter):
                kept = name
                continue
            parameter.zero_()
            # The gates are stacked as input, forget, cell and output.
            if is_lstm and name.startswith("bias_ih"):
                parameter.chunk(4)[1].fill_(1.0)
    return kept
