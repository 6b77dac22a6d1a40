"""SELU comes with its start and its dropout: in sixteen layers it learns where a bare swap does not
(Klambauer et al. 2017).
"""

from known_data import digits
from known_nets import plain
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


def net() -> nn.Module:
    """Sixteen layers with dropout, at PyTorch's start."""
    return plain([64, *[64] * 15, 10], nn.ReLU, after=[lambda: nn.Dropout(0.02)])


study = advisor.Study(
    "selu_package",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=16,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": ["selu", "leaky_relu", "gelu"],
        "initializer": ["he"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"activation": ["selu"]},
    "gain": (0.03, 0.9),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Klambauer et al. 2017; .955 against .90 of ReLU with He's start, 16 layers",
}
