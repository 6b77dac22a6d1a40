"""Some trainings of a narrow net of rectifiers are dead from the start, and as many with uniform as
with normal weights of He's (measured; Lu et al. 2019).
"""

from known_data import tumours
from known_nets import he, lecun, plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Eight hidden layers of 4 with He's normal start, and LeCun's in the last layer."""
    model = plain([30, *[4] * 8, 2], nn.ReLU, he)
    lecun(model[-1].weight)
    return model


study = advisor.Study(
    "narrow_starts",
    advisor.Task(build=net, data=tumours, loss=cross_entropy, metric="accuracy", batch=32),
    trials=10,
    epochs=15,
    min_gain=0.005,
    only={"activation": [], "initializer": ["he_uniform"], "pretraining": [], "embedding": []},
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.2, 0.2),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
