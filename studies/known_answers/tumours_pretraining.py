"""Two ReLU layers with 341 labelled tumours and no others gain nothing from pretraining
(measured; Paine 2014).
"""

from known_data import tumours
from known_nets import he, plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers of 32 with He's start."""
    return plain([30, 32, 32, 2], nn.ReLU, he)


study = advisor.Study(
    "tumours_pretraining",
    advisor.Task(build=net, data=tumours, loss=cross_entropy, metric="accuracy", batch=32),
    trials=10,
    epochs=20,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": ["denoising"],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.005, 0.005),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
