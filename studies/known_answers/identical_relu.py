"""LeakyReLU with slope 0 is ReLU, and so is a rectifier in other words: nothing can be gained
(exact; Maas et al. 2013).
"""

from known_data import digits
from known_nets import plain
from torch import nn

import advisor

PLUGINS = ["twins.py"]


def net() -> nn.Module:
    """Three hidden layers of rectifiers."""
    return plain([64, 64, 64, 64, 10], nn.ReLU)


study = advisor.Study(
    "identical_relu",
    advisor.Task(build=net, data=digits),
    trials=12,
    epochs=12,
    only={
        "activation": ["leaky_none"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
        "twin": ["leaky_zero", "where"],
    },
)
EXPECTED = {"verdict": ["keep"], "identical": True, "source": "exact; Maas et al. 2013"}
