"""Features: how the numbers of a table enter a model."""

from __future__ import annotations

import advisor

from .periodic import Periodic
from .scaling import Scaling

BEFORE_IT = ("activation", "normalization", "initializer", "embedding", "pretraining")
AFTER_IT = ("regularization", "optimizer", "schedule", "clipping", "averaging")


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for what stands before the first layer, which a study searches where it names it."""
    about = "how the numbers of a table enter the model"
    # The model's own layers have their start by then, and what is added keeps its own.
    return [advisor.Slot("features", about, after=BEFORE_IT, before=AFTER_IT, standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [Periodic(), Scaling()]
