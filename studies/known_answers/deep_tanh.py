"""Fifty tanh layers learn from orthogonal weights at a low rate, and not at the usual higher ones
(Pennington et al. 2017).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Fifty layers of 48, whose signal is gone after ten."""
    return plain([64, *[48] * 49, 10], nn.Tanh)


study = advisor.Study(
    "deep_tanh",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=6,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["orthogonal", "he"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["orthogonal"]},
    "gain": (0.5, 0.9),
    "finding": "collapsed",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Pennington et al. 2017; .951 at 3e-4 and .169 at 3e-3 with orthogonal weights",
}
