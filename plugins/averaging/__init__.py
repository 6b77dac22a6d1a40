"""Averages of weights: the model is trained as ever, and scored with a mean of its weights."""

from __future__ import annotations

import advisor

from .ema import EMA
from .swa import SWA

ALL_OTHERS = (
    *("activation", "normalization", "initializer", "embedding", "pretraining"),
    *("regularization", "optimizer", "schedule", "clipping"),
)
"""The slots of advisor that are applied before."""


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for the weights that are scored, which a study searches where it names it."""
    about = "which weights are scored: those of the last step, or a mean of many steps"
    # The mean is of the model that all other techniques have made.
    return [advisor.Slot("averaging", about, after=ALL_OTHERS, standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [EMA(), SWA()]
