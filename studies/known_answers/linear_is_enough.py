"""Breast cancer is told as well by a linear model, so that a nonlinearity is not worth selling
(Street et al. 1993).
"""

from known_nets import plain
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers whose leaky rectifier leaks everything."""
    return plain([30, 32, 32, 2], lambda: nn.LeakyReLU(1.0))


def patients() -> tuple:
    """569 tumours, thirty measurements each."""
    x, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(x).astype("float32"), y


study = advisor.Study(
    "linear_is_enough",
    advisor.Task(build=net, data=patients, loss=cross_entropy, metric="accuracy", batch=32),
    trials=20,
    epochs=38,
    min_gain=0.005,
    only={
        "activation": ["relu", "tanh", "elu", "gelu"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.02, 0.02),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Street et al. 1993, one separating plane: 97 %",
}
