"""Weights from N(0, 1) saturate every tanh; a start that knows the number of inputs mends it (LeCun
et al. 1998).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Six hidden layers whose author drew weights as numbers are drawn."""
    return plain([64, *[64] * 6, 10], nn.Tanh, nn.init.normal_)


study = advisor.Study(
    "large_start",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=14,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["xavier", "lecun", "orthogonal"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["xavier", "lecun", "orthogonal"]},
    "gain": (0.03, 0.9),
    "finding": "large_logits",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "LeCun et al. 1998; Glorot & Bengio 2010",
}
