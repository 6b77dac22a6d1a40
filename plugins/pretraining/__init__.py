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
    return [
        advisor.Slot(
            "pretraining",
            "layers are trained one by one before the model is trained whole",
            after=("activation", "initializer", "embedding"),
        )
    ]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """The methods of this package."""
    return [
        RBM(),
        Denoising(),
        Autoencoder(),
        SparseAutoencoder(),
        Contractive(),
        NextStep(),
        Supervised(),
    ]
