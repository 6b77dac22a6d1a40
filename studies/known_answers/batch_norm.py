"""Batch normalization takes the scale out of the weights before it, so that starts of other scale
tie (exact; Ioffe 2015).
"""

from known_data import digits
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Three hidden layers, each normalized."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


study = advisor.Study(
    "batch_norm",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=16,
    epochs=16,
    min_gain=0.005,
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
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact up to the rate; Ioffe & Szegedy 2015; van Laarhoven 2017",
}
