"""Thirty residual blocks with He's start and no normalization double the signal in each; scaled
ends mend it (Zhang 2019).
"""

from known_data import digits
from known_nets import Residual
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Thirty blocks of two layers."""
    return Residual(64, 48, 30, 10)


study = advisor.Study(
    "residual_deep",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=6,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["he", "residual", "zero_last"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["residual", "zero_last"]},
    "gain": (0.05, 0.9),
    "finding": "large_logits",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Zhang et al. 2019; De & Smith 2020",
}
