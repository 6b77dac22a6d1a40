"""Two tanh layers tell wines apart as well as any other activation would: nothing is to be gained
(measured; Misra 2019).
"""

from known_data import wines
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Two hidden layers of 32."""
    return plain([13, 32, 32, 3], nn.Tanh)


study = advisor.Study(
    "wine_activations",
    advisor.Task(build=net, data=wines, loss=cross_entropy, metric="accuracy", batch=32),
    trials=14,
    epochs=30,
    min_gain=0.005,
    only={
        "activation": ["relu", "elu", "gelu"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.03, 0.005),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
