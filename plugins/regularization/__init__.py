"""What keeps a model from learning its training rows by heart."""

from __future__ import annotations

import advisor

from .branches import StochasticDepth
from .decay import NoDecayOfVectors
from .dropout import DropoutRate
from .targets import LabelSmoothing, Mixup


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for regularization, which a study searches where it names it."""
    about = "what keeps a model from learning its training rows by heart"
    after = ("activation", "initializer", "embedding", "pretraining")
    return [advisor.Slot("regularization", about, after=after, standard=False)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [LabelSmoothing(), Mixup(), DropoutRate(), StochasticDepth(), NoDecayOfVectors()]
