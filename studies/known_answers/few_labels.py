"""With 30 labels and 1,170 digits without, four sigmoid layers gain from pretraining (Erhan et al.
2010; Paine et al. 2014).
"""

from functools import partial

from known_data import labelled_digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Hidden layers of 128 units."""
    return plain([64, *[128] * 4, 10], nn.Sigmoid)


study = advisor.Study(
    "few_labels",
    advisor.Task(
        build=net,
        data=partial(labelled_digits, 30),
        loss=cross_entropy,
        metric="accuracy",
        batch=32,
    ),
    trials=10,
    epochs=150,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": ["rbm", "denoising"],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"pretraining": ["rbm", "denoising"]},
    "gain": (0.05, 0.5),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": "Erhan et al. 2010; Paine et al. 2014",
}
