"""Batch normalization takes the scale out of the weights before it, so that starts of other scale
tie (exact; Ioffe 2015).
"""

from known_data import digits
from torch import nn

import advisor


def net() -> nn.Module:
    """Three hidden layers, each normalized."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


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
