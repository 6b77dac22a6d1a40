"""Activations: each is a line. They replace every hidden activation of the model and nothing else.
"""

from __future__ import annotations

from typing import Any

from torch import nn

import advisor
from advisor import Activation, Choice, Float

from .functions import FeaturePReLU, Swish, scaled_tanh, squared_relu
from .selu import SELU


def prelu_per_channel(channels: Any, init: float = 0.25) -> nn.PReLU:
    """A slope for each channel, wherever channels lie at the site."""
    return (FeaturePReLU if channels.last else nn.PReLU)(channels.count, init)


_SLOPE = {"negative_slope": Float(1e-3, 0.3, default=0.01, log=True)}
_LEARNT = {"init": Float(0.0, 0.5, default=0.25)}
_ALPHA = {"alpha": Float(0.5, 2.0, default=1.0)}
_STRETCH = {"alpha": Float(0.25, 4.0, default=1.0, log=True)}
_BETA = {"beta": Float(1.0, 10.0, default=1.0, log=True)}
_FORM = {"approximate": Choice("none", "tanh")}

_RELU, _MAAS, _XU = "Nair & Hinton 2010; Glorot et al. 2011", "Maas et al. 2013", "Xu et al. 2015"
_HE, _GLOROT, _LECUN = "He et al. 2015", "Glorot & Bengio 2010", "LeCun et al. 1998"
_GELU, _SWISH = "Hendrycks & Gimpel 2016", "Ramachandran et al. 2017"

Line = tuple[str, Any, dict[str, Any], str, str, str, str]

STANDARD: list[Line] = [
    # name, factory, what may vary, source, what it is, formula, when it helps
    (
        "relu",
        nn.ReLU,
        {},
        _RELU,
        "Rectifier.",
        "f(z) = max(0, z)",
        "Cheap and sparse; units can die where steps are large.",
    ),
    (
        *("leaky_relu", nn.LeakyReLU, _SLOPE, _MAAS, "Rectifier with a small slope below zero."),
        *("f(z) = z for z > 0, else az", "Where rectifiers die: every unit keeps a gradient."),
    ),
    (
        *("elu", nn.ELU, _ALPHA, "Clevert et al. 2015", "Exponential linear unit."),
        *(
            "f(z) = z for z > 0, else α(eᶻ - 1)",
            "Without normalization: the mean of its output is near zero.",
        ),
    ),
    (
        *("gelu", nn.GELU, _FORM, _GELU, "Gaussian error linear unit."),
        *(
            "f(z) = zΦ(z), or its approximation by tanh",
            "In transformers. Deep nets without normalization need a start from data.",
        ),
    ),
    (
        *(
            "silu",
            nn.SiLU,
            {},
            f"{_GELU}; {_SWISH}",
            "Sigmoid-weighted linear unit, Swish with β = 1.",
        ),
        *("f(z) = zσ(z)", "In deep convolutional nets with normalization."),
    ),
    (
        *("mish", nn.Mish, {}, "Misra 2019", "A smooth rectifier with a dip below zero."),
        *("f(z) = z tanh(log(1 + eᶻ))", "As SiLU."),
    ),
    (
        *("tanh", nn.Tanh, {}, _LECUN, "Hyperbolic tangent."),
        *("f(z) = tanh z", "Bounded signals, recurrent nets; deep nets with orthogonal weights."),
    ),
]

FURTHER: list[Line] = [
    (
        *("sigmoid", nn.Sigmoid, {}, _GLOROT, "Logistic function."),
        *(
            "f(z) = 1 / (1 + e⁻ᶻ)",
            "For comparison: gradients fade after a few layers, because no output is negative.",
        ),
    ),
    (
        *("scaled_tanh", lambda: scaled_tanh, {}, _LECUN, "Hyperbolic tangent with f(±1) ≈ ±1."),
        *(
            "f(z) = 1.7159 tanh(2z/3)",
            "Where tanh helps, with standardized inputs and targets of ±1.",
        ),
    ),
    (
        *("softsign", nn.Softsign, {}, _GLOROT, "A sigmoid curve that saturates slowly."),
        *("f(z) = z / (1 + |z|)", "Where tanh saturates too early."),
    ),
    (
        *("hardtanh", nn.Hardtanh, {}, "Collobert 2004", "Tanh of three straight pieces."),
        *("f(z) = max(-1, min(1, z))", "Where tanh helps and arithmetic is dear."),
    ),
    (
        *("relu6", nn.ReLU6, {}, "Krizhevsky 2010; Howard et al. 2017", "Rectifier with a cap."),
        *("f(z) = min(max(0, z), 6)", "Where the net will run in few bits."),
    ),
    (
        *("rrelu", nn.RReLU, {}, _XU, "Leaky rectifier with a random slope in training."),
        *(
            "f(z) = z for z > 0, else az; a ~ U(1/8, 1/3) in training, 11/48 after it",
            "Few data: it regularizes.",
        ),
    ),
    (
        *(
            "prelu",
            nn.PReLU,
            _LEARNT,
            _HE,
            "Leaky rectifier whose slope is trained, one for each site.",
        ),
        *("f(z) = z for z > 0, else az", "Many data; one parameter a site."),
    ),
    (
        *(
            "celu",
            nn.CELU,
            _STRETCH,
            "Barron 2017",
            "ELU with a continuous derivative for every α.",
        ),
        *("f(z) = max(0, z) + min(0, α(eᶻᐟᵅ - 1))", "As ELU."),
    ),
    (
        *("swish", Swish, {}, _SWISH, "SiLU whose β is trained, one for each site, from 1."),
        *("f(z) = zσ(βz)", "As SiLU; β shows how near to a rectifier the net wants to be."),
    ),
    (
        *(
            "softplus",
            nn.Softplus,
            _BETA,
            "Dugas et al. 2001",
            "A smooth rectifier, always positive.",
        ),
        *(
            "f(z) = log(1 + e^(βz)) / β",
            "Where the output's derivatives matter; its mean is far from zero.",
        ),
    ),
    (
        *("hardswish", nn.Hardswish, {}, "Howard et al. 2019", "SiLU of pieces."),
        *("f(z) = z min(max(0, z + 3), 6) / 6", "As SiLU, where arithmetic is dear."),
    ),
    (
        *("squared_relu", lambda: squared_relu, {}, "So et al. 2021", "Rectifier, squared."),
        *(
            "f(z) = max(0, z)²",
            "In the feed-forward blocks of normalized transformers only: signals run away elsewhere.",
        ),
    ),
]


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for what sits between layers."""
    return [
        advisor.Slot(
            "activation", "the nonlinearity between layers; outputs and gates are left alone"
        )
    ]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """Both tables, the self-normalizing package, and the one that must know its channels."""
    per_channel = Activation(
        "prelu_channel",
        prelu_per_channel,
        _HE,
        _LEARNT,
        about="PReLU with a slope for each channel.\n\nf(z) = z for z > 0, else az\n\nMany data; some parameters more.",
        standard=False,
        per_channel=True,
    )
    return [*_lines(STANDARD, True), SELU(), *_lines(FURTHER, False), per_channel]


def _lines(table: list[Line], standard: bool) -> list[Activation]:
    return [
        Activation(name, factory, cite, space, about="\n\n".join(about), standard=standard)
        for name, factory, space, cite, *about in table
    ]
