"""LeakyReLU with slope 0 is ReLU, and so is a rectifier in other words: nothing can be gained
(exact; Maas et al. 2013).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor

PLUGINS = ["twins.py"]


def net() -> nn.Module:
    """Three hidden layers of rectifiers."""
    return plain([64, 64, 64, 64, 10], nn.ReLU)


study = advisor.Study(
    "identical_relu",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": ["leaky_none"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
        "twin": ["leaky_zero", "where"],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "identical": True,
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact; Maas et al. 2013",
}
