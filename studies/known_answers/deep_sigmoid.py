"""Six sigmoid layers stall: a start centred on data or pretraining rescues them, the start as well
and for less (Glorot 2010).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Six hidden layers of 64 sigmoids."""
    return plain([64, *[64] * 6, 10], nn.Sigmoid)


study = advisor.Study(
    "deep_sigmoid",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=18,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["xavier", "lsuv", "layer_normalization"],
        "pretraining": ["rbm", "denoising"],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"initializer": ["layer_normalization"], "pretraining": ["keep"]},
    "gain": (0.3, 0.9),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Bengio et al. 2007; Glorot & Bengio 2010; Krähenbühl et al. 2015",
}
