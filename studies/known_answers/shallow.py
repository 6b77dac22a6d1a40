"""In two layers of 128 on digits all common activations tie, as published comparisons of shallow
nets find (Misra 2019).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers of 128 rectifiers."""
    return plain([64, 128, 128, 10], nn.ReLU)


study = advisor.Study(
    "shallow",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=20,
    epochs=48,
    min_gain=0.005,
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
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "fitted": "starts were on offer at first, and are not any more",
    "source": "Misra 2019, MNIST nets of few layers; measured over 4 seeds",
}
