"""Initializers. Gains come from the activation that follows each layer, by quadrature."""

from __future__ import annotations

import advisor

from .autoinit import AutoInit
from .measured import LSUV, Centred, LayerNormalization
from .mimetic import Mimetic
from .residual import GPT2, Fixup, ResidualScaling, TFixup, ZeroLast
from .structured import IRNN, DeltaOrthogonal, Identity, Orthogonal, Sparse
from .variance import (
    Constant,
    He,
    HeUniform,
    LeCun,
    Normal,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
    Xavier,
    XavierUniform,
    Zeros,
)

# What every search tries comes first, then what is tried by name, last the negative controls.
STANDARD = (Xavier, He, Orthogonal, LSUV, LayerNormalization, ResidualScaling)
NAMED = (Uniform, Normal, TruncatedNormal, XavierUniform, HeUniform, LeCun, VarianceScaling)
STRUCTURED = (DeltaOrthogonal, Sparse, Identity, IRNN, Centred, AutoInit)
BRANCHED = (ZeroLast, Fixup, GPT2, TFixup, Mimetic)
CONTROLS = (Constant, Zeros)


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for how weights start; it comes after the activation, whose gain it uses."""
    return [advisor.Slot("initializer", "how the weights start", after=("activation",))]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The rules of this package."""
    rules = (*STANDARD, *NAMED, *STRUCTURED, *BRANCHED, *CONTROLS)
    return [rule() for rule in rules]
