"""How a layer starts: as torch drew it, or as the model's author set it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.rnn import RNNCellBase

from advisor.model import Layer
from advisor.slots.layer_weight import weight_of

ROUNDING = 1.01
"""By how much half precision may move a bound."""
SIGNAL = torch.linspace(-4.0, 4.0, 33)
"""What a layer may add to its bias: a signal of deviation 1, as far as it goes in most batches."""
MATRIX = 2048
"""Rows and columns of the largest matrix that is tested for orthogonality."""


def own_start(layer: Layer) -> str | None:
    """How the author set a layer's weights (`an isometry times 1`, `std 0.02`), or None where
    they are torch's own draw.
    """
    for weight, bound in _torch_bounds(layer):
        if can_be_uniform(weight, bound):
            continue
        if is_orthogonal(weight):
            scale = float(weight.norm()) / math.sqrt(min(weight.flatten(1).shape))
            return f"an isometry times {scale:.2g}"
        first = weight.flatten()[0]
        if bool((weight == first).all()):
            return f"all {float(first):.2g}"
        return f"std {float(weight.std()):.2g}"
    return None


def is_zero(layer: Layer) -> bool:
    """Whether all weights of a layer are zero, which is a start on purpose."""
    weights = [weight for weight, _ in _torch_bounds(layer)]
    return bool(weights) and not any(bool(weight.any()) for weight in weights)


def is_chosen(layer: Layer, bias: Tensor) -> bool:
    """Whether the author set a bias on purpose: one value for all units that a signal gets past,
    or, at the output, what torch does not draw.
    """
    largest = float(bias.detach().abs().max()) if bias.numel() else 0.0
    if largest == 0 or layer.kind in ("rnn", "attention"):
        return False
    # At the output a bias may hold the shares of classes, which differ.
    if layer.is_output or bias.numel() == 1:
        bound = max((bound for _, bound in _torch_bounds(layer)), default=math.inf)
        return largest > ROUNDING * bound
    first = bias.flatten()[0]
    return bool((bias == first).all()) and not ends_signal(layer, float(first))


def ends_signal(layer: Layer, bias: float) -> bool:
    """Whether an activation gives one number whatever the signal is, as ReLU at a bias of -8."""
    if layer.site is None or layer.site.function is None:
        return False
    try:
        with torch.no_grad():
            answers = layer.site.function(bias + SIGNAL)
    except Exception:  # whatever an unknown function raises on a plain vector: it is unknown
        return False
    return bool((answers == answers[0]).all())


def _torch_bounds(layer: Layer) -> list[tuple[Tensor, float]]:
    """Weights of a layer with the bound b of U(-b, b) from which torch draws each."""
    module = layer.module
    if isinstance(module, (nn.RNNBase, RNNCellBase)):
        bound = 1 / math.sqrt(module.hidden_size)
        named = module.named_parameters()
        return [(weight.detach(), bound) for name, weight in named if name.startswith("weight")]

    # Torch draws the projections of attention by Xavier's rule.
    if isinstance(module, nn.MultiheadAttention):
        own = module.named_parameters(recurse=False)
        weights = [weight.detach() for name, weight in own if name.endswith("proj_weight")]
        return [(weight, math.sqrt(6 / sum(weight.shape))) for weight in weights]
    if layer.matrices:
        own_weight = weight_of(layer)
        return [
            (matrix.of(own_weight), 1 / math.sqrt(max(1, matrix.fan_in)))
            for matrix in layer.matrices
        ]
    weight = weight_of(layer).T if layer.transposed else weight_of(layer)
    fan_in = weight.shape[1] if isinstance(module, nn.Bilinear) else weight[0].numel()
    return [(weight, 1 / math.sqrt(max(1, fan_in)))]


def can_be_uniform(weight: Tensor, bound: float) -> bool:
    """Whether a tensor can be a draw from U(-bound, bound): its deviation and its largest value are
    what they must be.
    """
    count = weight.numel()
    largest = float(weight.abs().max())
    std = float(weight.float().std(correction=0))
    expected = bound / math.sqrt(3)
    # The deviation of a uniform sample has a standard error of 0.45 σ / √n; five are allowed.
    tolerance = 5 * expected * 0.45 / math.sqrt(count) + 0.01 * expected
    if abs(std - expected) > tolerance:
        return False
    # The largest of n uniform values misses the bound by more than 20/n of it once in e²⁰ draws.
    lowest = bound * (1 - min(1.0, 20 / count)) / ROUNDING
    return lowest <= largest <= bound * ROUNDING


def is_orthogonal(weight: Tensor) -> bool:
    """Whether the rows or the columns are orthogonal and of one length."""
    flat = weight.detach().float().flatten(1)
    if flat.shape[0] > flat.shape[1]:
        flat = flat.T
    if not 1 < flat.shape[0] <= MATRIX:
        return False
    products = flat @ flat.T
    size = float(products.diagonal().mean())
    if not size > 0:
        return False
    identity = torch.eye(len(products)).to(products)
    return bool(torch.allclose(products / size, identity, atol=1e-3))
