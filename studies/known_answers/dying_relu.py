"""Narrow deep rectifiers are mostly dead from the start; a leak keeps them alive (measured; Lu et
al. 2019, dying ReLU).
"""

from known_data import tumours
from known_nets import he, plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Ten hidden layers of 3 with He's start."""
    return plain([30, *[3] * 10, 2], nn.ReLU, he)


study = advisor.Study(
    "dying_relu",
    advisor.Task(build=net, data=tumours, loss=cross_entropy, metric="accuracy", batch=32),
    trials=12,
    epochs=15,
    min_gain=0.005,
    only={
        "activation": ["leaky_relu", "elu"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"activation": ["leaky_relu", "elu"]},
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
