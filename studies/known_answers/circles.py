"""A net without a nonlinearity cannot tell a circle from the one around it, and any nonlinearity
can (provable; Minsky 1969).
"""

from known_nets import plain
from sklearn.datasets import make_circles
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers whose leaky rectifier leaks everything."""
    return plain([2, 32, 32, 2], lambda: nn.LeakyReLU(1.0))


def circles() -> tuple:
    """600 points on two circles."""
    x, y = make_circles(600, noise=0.05, factor=0.5, random_state=0)
    return x.astype("float32"), y


study = advisor.Study(
    "circles",
    advisor.Task(build=net, data=circles, loss=cross_entropy, metric="accuracy", batch=32),
    trials=14,
    epochs=20,
    min_gain=0.005,
    only={
        "activation": ["relu", "tanh"],
        "initializer": ["xavier", "he"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"activation": ["relu", "tanh"]},
    "gain": (0.3, 0.6),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "provable; Minsky & Papert 1969",
}
