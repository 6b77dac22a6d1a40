"""A last layer of zeros alone is no fault: its units get different gradients at once, and the net
learns (exact; Zhang 2019).
"""

from known_data import digits
from known_nets import he, plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers with He's start, and an output that begins as zero."""
    model = plain([64, 64, 64, 10], nn.ReLU, he)
    nn.init.zeros_(model[-1].weight)
    return model


study = advisor.Study(
    "zero_head",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=16,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["he", "orthogonal"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "absent": "symmetric_units",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact; Zhang et al. 2019, Fixup",
}
