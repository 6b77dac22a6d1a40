"""Weights from N(0, 1) saturate every tanh; a start that knows the number of inputs mends it (LeCun
et al. 1998).
"""

from known_data import digits
from known_nets import plain
from torch import nn

import advisor


def net() -> nn.Module:
    """Six hidden layers whose author drew weights as numbers are drawn."""
    return plain([64, *[64] * 6, 10], nn.Tanh, nn.init.normal_)


study = advisor.Study(
    "large_start",
    advisor.Task(build=net, data=digits),
    trials=14,
    epochs=12,
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
    "source": "LeCun et al. 1998; Glorot & Bengio 2010",
}
