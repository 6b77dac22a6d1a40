"""Equal weights stay equal: the units of a layer are one unit, and any random start mends it
(exact; Goodfellow et al. 2016).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers all of whose weights are 0.05."""
    return plain([64, 64, 64, 10], nn.ReLU, lambda weight: nn.init.constant_(weight, 0.05))


study = advisor.Study(
    "symmetric",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=14,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": ["tanh"],
        "initializer": ["xavier", "he", "orthogonal"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["xavier", "he", "orthogonal"]},
    "gain": (0.4, 0.9),
    "finding": "symmetric_units",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact; Goodfellow et al. 2016, 8.4",
}
