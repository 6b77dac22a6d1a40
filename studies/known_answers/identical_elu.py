"""CELU with alpha 1 is ELU with alpha 1, so nothing can be gained by it (exact; Barron 2017)."""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor

PLUGINS = ["twins.py"]


def net() -> nn.Module:
    """Three hidden layers of ELU."""
    return plain([64, 64, 64, 64, 10], nn.ELU)


study = advisor.Study(
    "identical_elu",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": ["celu_one"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
        "twin": ["celu"],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "identical": True,
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact; Barron 2017",
}
