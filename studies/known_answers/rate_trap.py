"""A technique that only triples the rate wins at a fixed rate and ties with a model that is tuned
as well (Choi et al. 2019).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor

PLUGINS = ["rates.py"]


def net() -> nn.Module:
    """A small net that eight epochs at the usual rate leave half trained."""
    return plain([64, 32, 32, 10], nn.Tanh)


study = advisor.Study(
    "rate_trap",
    advisor.Task(build=net, data=digits, batch=128, loss=cross_entropy, metric="accuracy"),
    trials=16,
    epochs=6,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
        "speed": ["triple"],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.01, 0.01),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "exact once rates are tuned; Choi et al. 2019",
}
