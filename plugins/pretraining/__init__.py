"""Greedy layer-wise pretraining: a file per family."""

from __future__ import annotations

import advisor

from .autoencoder import Autoencoder
from .contractive import Contractive
from .denoising import Denoising
from .rbm import RBM
from .recurrent import NextStep
from .sparse import SparseAutoencoder
from .supervised import Supervised


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot between the start of the weights and training."""
    about = "layers are trained one by one before the model is trained whole"
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
    ]
