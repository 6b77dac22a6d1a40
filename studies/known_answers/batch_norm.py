"""Batch normalization takes the scale out of the weights before it, so that starts of other scale
tie (exact; Ioffe 2015).
"""

from itertools import pairwise

from known_data import digits
from torch import nn

import advisor


def net() -> nn.Module:
    """Three hidden layers, each normalized."""
    sizes = [64, 64, 64, 64]
    pairs = pairwise(sizes)
    body = (
        module
        for one, other in pairs
        for module in (nn.Linear(one, other), nn.BatchNorm1d(other), nn.ReLU())
    )
    return nn.Sequential(*body, nn.Linear(64, 10))


study = advisor.Study(
    "batch_norm",
    advisor.Task(build=net, data=digits),
    trials=16,
    epochs=16,
    only={
        "activation": [],
        "initializer": ["xavier", "he", "lecun"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.01, 0.01),
    "source": "exact up to the rate; Ioffe & Szegedy 2015; van Laarhoven 2017",
}
