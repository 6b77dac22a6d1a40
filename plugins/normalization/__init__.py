"""Normalization after hidden layers, and none at all."""

from __future__ import annotations

import advisor

from .after_layers import BatchNorm, LayerNorm, RMSNorm
from .removed import NoNorms


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for normalization, which a study searches where it names it."""
    about = "whether and how the results of hidden layers are normalized"
    # Weights start in the model that has its norms.
    after, before = ("activation",), ("initializer",)
    return [advisor.Slot("normalization", about, after, before, standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [LayerNorm(), RMSNorm(), BatchNorm(), NoNorms()]
