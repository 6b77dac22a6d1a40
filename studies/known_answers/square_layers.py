"""In square layers Glorot's and LeCun's normal starts are one distribution, so that a swap gains
nothing (exact; Glorot 2010).
"""

from known_data import digits
from known_nets import lecun, plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Three hidden layers as wide as an image, started as LeCun says."""
    return plain([64, 64, 64, 64, 10], nn.Tanh, lecun)


study = advisor.Study(
    "square_layers",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=14,
    epochs=12,
    min_gain=0.005,
    only={"activation": [], "initializer": ["xavier", "lecun"], "pretraining": [], "embedding": []},
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.01, 0.01),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact in law; Glorot & Bengio 2010; LeCun et al. 1998",
}
