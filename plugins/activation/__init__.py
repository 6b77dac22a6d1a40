"""Activations: each is an entry of a table. They replace every hidden activation of the model and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

import advisor
from advisor import Activation, Choice, Float

from .functions import FeaturePReLU, Swish, scaled_tanh, squared_relu
from .selu import SELU
from .tailored import DKS, SmoothTAT, TReLU


@dataclass(frozen=True)
class Entry:
    """An activation as the tables below say it.

    Arguments:
        name: the technique's name.
        factory: gives the activation, called with the parameters of `space`.
        cite: the paper.
        what: one line that says what it is.
        formula: its formula.
        helps: when it helps.
        space: what may vary.
    """

    name: str
    factory: Callable[..., Any]
    cite: str
    what: str
    formula: str
    helps: str
    space: dict[str, Any] = field(default_factory=dict)

    def technique(self, standard: bool) -> Activation:
        """The technique; `standard` says whether every search tries it."""
        about = "\n\n".join((self.what, self.formula, self.helps))
        return Activation(
            self.name, self.factory, self.cite, self.space, about=about, standard=standard
        )


# What may vary; each default is the paper's value, which is torch's.
_SLOPE = {"negative_slope": Float(1e-3, 0.3, default=0.01, log=True)}
_INITIAL_SLOPE = {"init": Float(0.0, 0.5, default=0.25)}
_ALPHA = {"alpha": Float(0.5, 2.0, default=1.0)}
_STRETCH = {"alpha": Float(0.25, 4.0, default=1.0, log=True)}
_BETA = {"beta": Float(1.0, 10.0, default=1.0, log=True)}
_FORM = {"approximate": Choice("none", "tanh")}

_RELU = "Nair & Hinton 2010; Glorot et al. 2011"
_MAAS = "Maas et al. 2013"
_XU = "Xu et al. 2015"
_HE = "He et al. 2015"
_GLOROT = "Glorot & Bengio 2010"
_LECUN = "LeCun et al. 1998"
_GELU = "Hendrycks & Gimpel 2016"
_SWISH = "Ramachandran et al. 2017"

# What every search tries.
STANDARD = [
    Entry(
        "relu",
        nn.ReLU,
        _RELU,
        "Rectifier.",
        "f(z) = max(0, z)",
        "Cheap and sparse; units can die where steps are large.",
    ),
    Entry(
        "leaky_relu",
        nn.LeakyReLU,
        _MAAS,
        "Rectifier with a small slope below zero.",
        "f(z) = z for z > 0, else az",
        "Where rectifiers die: every unit keeps a gradient.",
        _SLOPE,
    ),
    # Smooth ones that are negative somewhere.
    Entry(
        "elu",
        nn.ELU,
        "Clevert et al. 2015",
        "Exponential linear unit.",
        "f(z) = z for z > 0, else α(eᶻ - 1)",
        "Without normalization: the mean of its output is near zero.",
        _ALPHA,
    ),
    Entry(
        "gelu",
        nn.GELU,
        _GELU,
        "Gaussian error linear unit.",
        "f(z) = zΦ(z), or its approximation by tanh",
        "In transformers. Deep nets without normalization need a start from data.",
        _FORM,
    ),
    Entry(
        "silu",
        nn.SiLU,
        f"{_GELU}; {_SWISH}",
        "Sigmoid-weighted linear unit, Swish with β = 1.",
        "f(z) = zσ(z)",
        "In deep convolutional nets with normalization.",
    ),
    Entry(
        "mish",
        nn.Mish,
        "Misra 2019",
        "A smooth rectifier with a dip below zero.",
        "f(z) = z tanh(log(1 + eᶻ))",
        "As SiLU.",
    ),
    Entry(
        "tanh",
        nn.Tanh,
        _LECUN,
        "Hyperbolic tangent.",
        "f(z) = tanh z",
        "Bounded signals, recurrent nets; deep nets with orthogonal weights.",
    ),
]

# What a search tries only where it is named: relatives of the above, and what suits few models.
FURTHER = [
    # Saturating curves, from the time before rectifiers.
    Entry(
        "sigmoid",
        nn.Sigmoid,
        _GLOROT,
        "Logistic function.",
        "f(z) = 1 / (1 + e⁻ᶻ)",
        "For comparison: gradients fade after a few layers, because no output is negative.",
    ),
    Entry(
        "scaled_tanh",
        lambda: scaled_tanh,
        _LECUN,
        "Hyperbolic tangent with f(±1) ≈ ±1.",
        "f(z) = 1.7159 tanh(2z/3)",
        "Where tanh helps, with standardized inputs and targets of ±1.",
    ),
    Entry(
        "softsign",
        nn.Softsign,
        _GLOROT,
        "A sigmoid curve that saturates slowly.",
        "f(z) = z / (1 + |z|)",
        "Where tanh saturates too early.",
    ),
    Entry(
        "hardtanh",
        nn.Hardtanh,
        "Collobert 2004",
        "Tanh of three straight pieces.",
        "f(z) = max(-1, min(1, z))",
        "Where tanh helps and arithmetic is expensive.",
    ),
    # Rectifiers with a cap, or with a random or trained slope below zero.
    Entry(
        "relu6",
        nn.ReLU6,
        "Krizhevsky 2010; Howard et al. 2017",
        "Rectifier with a cap.",
        "f(z) = min(max(0, z), 6)",
        "Where the net will run in few bits.",
    ),
    Entry(
        "rrelu",
        nn.RReLU,
        _XU,
        "Leaky rectifier with a random slope in training.",
        "f(z) = z for z > 0, else az; a ~ U(1/8, 1/3) in training, 11/48 after it",
        "Few data: it regularizes.",
    ),
    Entry(
        "prelu",
        nn.PReLU,
        _HE,
        "Leaky rectifier whose slope is trained, one for each site.",
        "f(z) = z for z > 0, else az",
        "Many data; one parameter a site.",
        _INITIAL_SLOPE,
    ),
    # Smooth relatives of ELU and SiLU.
    Entry(
        "celu",
        nn.CELU,
        "Barron 2017",
        "ELU with a continuous derivative for every α.",
        "f(z) = max(0, z) + min(0, α(eᶻᐟᵅ - 1))",
        "As ELU.",
        _STRETCH,
    ),
    Entry(
        "swish",
        Swish,
        _SWISH,
        "SiLU whose β is trained, one for each site, from 1.",
        "f(z) = zσ(βz)",
        "As SiLU; β shows how near to a rectifier the net has learnt to be.",
    ),
    Entry(
        "softplus",
        nn.Softplus,
        "Dugas et al. 2001",
        "A smooth rectifier, always positive.",
        "f(z) = log(1 + e^(βz)) / β",
        "Where the output's derivatives matter; its mean is far from zero.",
        _BETA,
    ),
    Entry(
        "hardswish",
        nn.Hardswish,
        "Howard et al. 2019",
        "SiLU of pieces.",
        "f(z) = z min(max(0, z + 3), 6) / 6",
        "As SiLU, where arithmetic is expensive.",
    ),
    # Grows faster than its input.
    Entry(
        "squared_relu",
        lambda: squared_relu,
        "So et al. 2021",
        "Rectifier, squared.",
        "f(z) = max(0, z)²",
        "In the feed-forward blocks of normalized transformers only: signals run away elsewhere.",
    ),
]


def prelu_per_channel(channels: Any, init: float = 0.25) -> nn.PReLU:
    """A slope for each channel, wherever channels lie at the site."""
    # Torch's own module has its channels in the second dimension.
    kind = FeaturePReLU if channels.last else nn.PReLU
    return kind(channels.count, init)


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for what sits between layers."""
    about = "the nonlinearity between layers; outputs and gates are left alone"
    return [advisor.Slot("activation", about)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """Both tables, the packages that bring a start, and the one that must know its channels."""
    standard = [entry.technique(standard=True) for entry in STANDARD]
    further = [entry.technique(standard=False) for entry in FURTHER]
    per_channel = Activation(
        "prelu_channel",
        prelu_per_channel,
        _HE,
        _INITIAL_SLOPE,
        about=(
            "PReLU with a slope for each channel.\n\n"
            "f(z) = z for z > 0, else az\n\n"
            "Many data; some parameters more."
        ),
        standard=False,
        per_channel=True,
    )
    return [*standard, SELU(), *further, per_channel, TReLU(), SmoothTAT(), DKS()]
