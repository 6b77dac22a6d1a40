"""In two layers of 128 on digits all common activations tie, as published comparisons of shallow
nets find (Misra 2019).
"""

from known_data import digits
from known_nets import plain
from torch import nn

import advisor


def net() -> nn.Module:
    """Two hidden layers of 128 rectifiers."""
    return plain([64, 128, 128, 10], nn.ReLU)


study = advisor.Study(
    "shallow",
    advisor.Task(build=net, data=digits),
    trials=20,
    only={
        "activation": ["leaky_relu", "gelu", "silu", "mish"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.01, 0.01),
    "source": "Misra 2019, MNIST nets of few layers; measured over 4 seeds",
}
