"""Pretraining, layer by layer or of the whole model: a file per family."""

from __future__ import annotations

import advisor

from .autoencoder import Autoencoder
from .contractive import Contractive
from .denoising import Denoising
from .masked import MaskedInputs
from .rbm import RBM
from .recurrent import NextStep
from .sparse import SparseAutoencoder
from .supervised import Supervised


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot between the start of the weights and training."""
    about = "what the model learns before it is trained on the targets"
    # Layers learn from the weights, activations and word vectors that the model will start with.
    after = ("activation", "initializer", "embedding")
    return [advisor.Slot("pretraining", about, after=after)]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    # Those that every search tries come first.
    return [
        RBM(),
        Denoising(),
        Autoencoder(),
        SparseAutoencoder(),
        Contractive(),
        NextStep(),
        Supervised(),
        MaskedInputs(),
    ]
