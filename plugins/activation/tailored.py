"""Activations that are shaped for the depth of a net, each with the start that its maps are for:
deep plain nets that train without normalization and without shortcuts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Activation, Choice, Fans, Float, Initializer

from ..initializer.fills import centre, orthogonal
from .kernel_maps import FUNCTIONS, Shape, dks_shape, leaky_slope, tat_shape

LARGEST_SLOPE = 1.2
"""The most that C'(1) of one activation is asked to be; not every function can have more."""


class TailoredRectifier(nn.Module):
    """√(2 / (1 + a²)) times a leaky rectifier with the slope a: it keeps the mean square of its
    input (Zhang et al. 2022).
    """

    def __init__(self, negative_slope: float = 0.0) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        scale = math.sqrt(2 / (1 + self.negative_slope**2))
        return scale * F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope:.4g}"


class ShapedFunction(nn.Module):
    """output_scale · (f(input_scale · x + input_shift) + output_shift) (Martens et al. 2021)."""

    def __init__(
        self,
        function: str,
        input_scale: float = 1.0,
        input_shift: float = 0.0,
        output_scale: float = 1.0,
        output_shift: float = 0.0,
    ) -> None:
        super().__init__()
        self.function = function
        self.input_scale, self.input_shift = input_scale, input_shift
        self.output_scale, self.output_shift = output_scale, output_shift

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        inside = FUNCTIONS[self.function](self.input_scale * x + self.input_shift)
        return self.output_scale * (inside + self.output_shift)

    def extra_repr(self) -> str:
        """The function and its shape."""
        shape = (self.input_scale, self.input_shift, self.output_scale, self.output_shift)
        return ", ".join([self.function, *(f"{number:.4g}" for number in shape)])


def tailored_rectifier(eta: float = 0.9, depth: int = 50) -> TailoredRectifier:
    """With the slope that leaves correlation `eta` of rows that were orthogonal."""
    return TailoredRectifier(leaky_slope(depth, eta))


def tailored_smooth(tau: float = 0.3, function: str = "tanh", depth: int = 50) -> ShapedFunction:
    """With C''(1) = tau over all layers, which add up."""
    return _shaped(function, _tat(function, tau / max(1, depth)))


def kernel_shaped(zeta: float = 1.5, function: str = "tanh", depth: int = 50) -> ShapedFunction:
    """With C'(1) = zeta over all layers, which multiply."""
    slope = min(LARGEST_SLOPE, zeta ** (1 / max(1, depth)))
    return _shaped(function, _dks(function, slope))


def _shaped(function: str, shape: Shape) -> ShapedFunction:
    numbers = (shape.input_scale, shape.input_shift, shape.output_scale, shape.output_shift)
    return ShapedFunction(function, *numbers)


# Each site of a net asks for the same shape.
@lru_cache(maxsize=64)
def _tat(function: str, curve: float) -> Shape:
    return tat_shape(FUNCTIONS[function], curve)


@lru_cache(maxsize=64)
def _dks(function: str, slope: float) -> Shape:
    return dks_shape(FUNCTIONS[function], slope)


class DeltaStart(Initializer):
    """Orthogonal weights that keep the mean square of a signal, of kernels in the middle tap only.

    W is orthogonal times max(1, √(out / in)). Reference: Martens et al. 2021, "Rapid training of
    deep neural networks without skip connections or normalization layers" (SUO, delta).
    """

    name = "delta_start"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """An orthogonal matrix of which no unit has a norm below 1."""
        if fans.kind == "conv":
            weight.zero_()
            weight = centre(weight)
        # More units than inputs share the norm of the input.
        rows, columns = len(weight), weight[0].numel()
        orthogonal(weight, max(1.0, math.sqrt(rows / columns)), generator)


class TailoredActivation(Activation):
    """The base of activations that are shaped for the depth of a plain net."""

    # Their maps hold for weights that keep the mean square, and signals that nothing else shapes.
    settles = ("initializer", "normalization")
    cost = "what its formula takes in every pass; a second before training, to solve for it"

    def unfit(self, run: advisor.Run) -> str | None:
        """As every activation; and the model is a plain net, whose layers these maps describe."""
        return super().unfit(run) or DeltaStart().unfit(run) or no_plain_net(run)

    def apply(self, run: advisor.Run, **params: Any) -> str:
        """Swap, and start anew."""
        swapped = super().apply(run, **params)
        made = next(iter(run.swaps[-1].activations.values()), None)
        shape = made.extra_repr() if isinstance(made, nn.Module) else ""
        # The start must see the new activations.
        run.changed()
        return f"{swapped} ({shape}); delta-orthogonal start: {DeltaStart().apply(run)}"


def no_plain_net(run: advisor.Run) -> str | None:
    """Why a model is no plain net, whose depth says how far its activations shape a signal."""
    reasons = {
        "norm": "the model normalizes ({}): that shapes the signal already",
        "rnn": "the model is recurrent ({}): the maps are those of layers one after the other",
        "attention": "the model computes attention ({}), which has no such map",
    }
    for layer in run.anatomy.layers:
        kind = "attention" if layer.mixes else layer.kind
        if kind in reasons:
            return reasons[kind].format(layer.name)
        if layer.branch is not None or layer.ends_branch:
            return (
                f"the model adds residual branches ({layer.name}): the maps hold for sums whose "
                "squared weights add up to 1"
            )
    return None


class TReLU(TailoredActivation):
    """Tailored rectifier: a leaky rectifier whose slope suits the depth, with the start it is for.

    f(z) = √(2 / (1 + a²)) z for z > 0, else that times a, with the slope a for which rows that were
    orthogonal have correlation η after all activations; weights delta-orthogonal, biases zero.

    Deep plain nets without normalization and shortcuts, whose rectifiers make all rows alike; in
    nets of up to about twelve activations it is a rectifier. Where an initializer or a
    normalization is chosen as well, it is not applied.

    Arguments:
        eta: the correlation that is left, C(0) of the whole net.

    Reference: Zhang et al. 2022, "Deep learning without shortcuts: shaping the kernel with tailored
    rectifiers".
    """

    def __init__(self) -> None:
        # The paper uses 0.9, and finds 0.8 to 0.95 as good.
        space = {"eta": Float(0.5, 0.99, default=0.9)}
        super().__init__(
            "trelu",
            tailored_rectifier,
            "Zhang et al. 2022",
            space,
            standard=False,
            by_depth=True,
        )


class SmoothTAT(TailoredActivation):
    """A smooth activation, shaped so that a deep net is nearly linear, with the start it is for.

    f(z) = γ(g(αz + β) + δ) with Q(1) = Q'(1) = C'(1) = 1 and C''(1) = τ / depth, where Q and C
    are the maps of mean squares and of correlations; weights delta-orthogonal, biases zero.

    Deep plain nets without normalization and shortcuts, where `dks` bends too much for gradient
    descent without second-order terms. Where an initializer or a normalization is chosen as well,
    it is not applied.

    Arguments:
        tau: C''(1) of the whole net.
        function: what is shaped.

    Reference: Zhang et al. 2022, "Deep learning without shortcuts: shaping the kernel with tailored
    rectifiers".
    """

    def __init__(self) -> None:
        # The paper uses 0.3.
        space: dict[str, Any] = {
            "tau": Float(0.1, 1.0, default=0.3, log=True),
            "function": Choice(*FUNCTIONS),
        }
        super().__init__(
            "tat", tailored_smooth, "Zhang et al. 2022", space, standard=False, by_depth=True
        )


class DKS(TailoredActivation):
    """Deep kernel shaping: a smooth activation, shaped for the depth, with the start it is for.

    f(z) = γ(g(αz + β) + δ) with Q(1) = Q'(1) = 1, C(0) = 0 and C'(1) = ζ^(1 / depth), at most
    1.2, where Q and C are the maps of mean squares and of correlations; weights delta-orthogonal,
    biases zero.

    Deep plain nets without normalization and shortcuts. Where an initializer or a normalization is
    chosen as well, it is not applied.

    Arguments:
        zeta: C'(1) of the whole net.
        function: what is shaped.

    Reference: Martens et al. 2021, "Rapid training of deep neural networks without skip connections
    or normalization layers".
    """

    def __init__(self) -> None:
        # The paper uses 1.5.
        space: dict[str, Any] = {
            "zeta": Float(1.1, 5.0, default=1.5, log=True),
            "function": Choice(*FUNCTIONS),
        }
        super().__init__(
            "dks", kernel_shaped, "Martens et al. 2021", space, standard=False, by_depth=True
        )
