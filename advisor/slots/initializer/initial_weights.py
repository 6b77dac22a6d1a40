"""How a layer starts: as torch drew it, or as the model's author wants it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.rnn import RNNCellBase

from advisor.model import Layer
from advisor.slots.layer_weight import weight_of

ROUNDING = 1.01  # half precision moves a bound a little
MATRIX = 2048  # a matrix with more rows and columns is not asked whether it is orthogonal


def own_start(layer: Layer) -> str | None:
    """What the author made of a layer's weights (`an isometry times 1`, `std 0.02`), or None where
    they are torch's own draw.
    """
    own = (weight for weight, bound in _drawn_with(layer) if not _is_uniform(weight, bound))
    return next((_describe(weight) for weight in own), None)


def is_zero(layer: Layer) -> bool:
    """Whether all weights of a layer are zero, which is a start on purpose."""
    weights = [weight for weight, _ in _drawn_with(layer)]
    return bool(weights) and not any(bool(weight.any()) for weight in weights)


def is_chosen(layer: Layer, bias: Tensor) -> bool:
    """Whether the author set a bias on purpose: one value for all units, or, at the output, what
    torch does not draw.
    """
    high = float(bias.abs().max()) if bias.numel() else 0.0
    if high == 0 or layer.kind in ("rnn", "attention"):
        return False
    if layer.is_output or bias.numel() == 1:
        return high > ROUNDING * max((bound for _, bound in _drawn_with(layer)), default=math.inf)
    return bool((bias == bias.flatten()[0]).all())


def _drawn_with(layer: Layer) -> list[tuple[Tensor, float]]:
    """Weights of a layer with the bound b of U(-b, b) from which torch draws each."""
    module = layer.module
    if isinstance(module, (nn.RNNBase, RNNCellBase)):
        bound = 1 / math.sqrt(module.hidden_size)
        return [
            (weight.detach(), bound)
            for name, weight in module.named_parameters()
            if name.startswith("weight")
        ]
    if isinstance(module, nn.MultiheadAttention):
        weights = [
            weight.detach()
            for name, weight in module.named_parameters(recurse=False)
            if name.endswith("proj_weight")
        ]
        return [(weight, math.sqrt(6 / sum(weight.shape))) for weight in weights]
    weight = weight_of(layer).T if layer.transposed else weight_of(layer)
    fan_in = weight.shape[1] if isinstance(module, nn.Bilinear) else weight[0].numel()
    return [(weight, 1 / math.sqrt(max(1, fan_in)))]


def _is_uniform(weight: Tensor, bound: float) -> bool:
    """Whether a tensor can be a draw from U(-bound, bound): its deviation and its largest value are
    what they must be.
    """
    count, std, high = (
        weight.numel(),
        float(weight.float().std(correction=0)),
        float(weight.abs().max()),
    )
    expected = bound / math.sqrt(3)
    within = (
        abs(std - expected) <= 5 * expected * 0.45 / math.sqrt(count) + 0.01 * expected
    )  # five standard errors
    return within and bound * (1 - min(1.0, 20 / count)) / ROUNDING <= high <= bound * ROUNDING


def _describe(weight: Tensor) -> str:
    if _is_orthogonal(weight):
        return f"an isometry times {float(weight.norm()) / math.sqrt(min(weight.flatten(1).shape)):.2g}"
    first = weight.flatten()[0]
    return (
        f"all {float(first):.2g}"
        if bool((weight == first).all())
        else f"std {float(weight.std()):.2g}"
    )


def _is_orthogonal(weight: Tensor) -> bool:
    flat = weight.detach().float().flatten(1)
    flat = flat if flat.shape[0] <= flat.shape[1] else flat.T
    if not 1 < flat.shape[0] <= MATRIX:
        return False
    square = flat @ flat.T
    size = float(square.diagonal().mean())
    return size > 0 and bool(
        torch.allclose(square / size, torch.eye(len(square)).to(square), atol=1e-3)
    )
