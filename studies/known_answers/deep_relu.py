"""Thirty plain ReLU layers do not learn from PyTorch's own start; a start that keeps the signal
mends it (He et al. 2015).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Thirty layers; the signal shrinks to a third of its size in each."""
    return plain([64, *[48] * 29, 10], nn.ReLU)


STARTS = ["xavier", "he", "orthogonal", "lsuv"]
study = advisor.Study(
    "deep_relu",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=12,
    epochs=8,
    min_gain=0.005,
    only={"activation": [], "initializer": STARTS, "pretraining": [], "embedding": []},
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["he", "orthogonal", "lsuv"]},
    "gain": (0.6, 0.9),
    "finding": "collapsed",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "He et al. 2015; Mishkin & Matas 2015",
}
