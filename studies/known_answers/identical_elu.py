"""CELU with alpha 1 is ELU with alpha 1, so nothing can be gained by it (exact; Barron 2017)."""

from known_data import digits
from known_nets import plain
from torch import nn

import advisor

PLUGINS = ["twins.py"]


def net() -> nn.Module:
    """Three hidden layers of ELU."""
    return plain([64, 64, 64, 64, 10], nn.ELU)


study = advisor.Study(
    "identical_elu",
    advisor.Task(build=net, data=digits),
    trials=12,
    epochs=12,
    only={
        "activation": ["celu_one"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
        "twin": ["celu"],
    },
)
EXPECTED = {"verdict": ["keep"], "identical": True, "source": "exact; Barron 2017"}
