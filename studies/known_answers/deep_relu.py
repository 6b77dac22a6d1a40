"""Thirty plain ReLU layers do not learn from PyTorch's own start; a start that keeps the signal
mends it (He et al. 2015).
"""

from known_data import digits
from known_nets import plain
from torch import nn

import advisor


def net() -> nn.Module:
    """Thirty layers; the signal shrinks to a third of its size in each."""
    return plain([64, *[48] * 29, 10], nn.ReLU)


STARTS = ["xavier", "he", "orthogonal", "lsuv"]
study = advisor.Study(
    "deep_relu",
    advisor.Task(build=net, data=digits),
    trials=12,
    epochs=8,
    only={"activation": [], "initializer": STARTS, "pretraining": [], "embedding": []},
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["he", "orthogonal", "lsuv"]},
    "gain": (0.6, 0.9),
    "finding": "collapsed",
    "source": "He et al. 2015; Mishkin & Matas 2015",
}
