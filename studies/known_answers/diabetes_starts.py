"""On diabetes, whose target is mostly noise, PyTorch's small start of a ReLU net is the best one;
larger ones hurt a little (measured; Efron 2004).
"""

from known_data import patients
from known_nets import plain, squared_error
from torch import nn

import advisor


def net() -> nn.Module:
    """One hidden layer of 32."""
    return plain([10, 32, 1], nn.ReLU)


study = advisor.Study(
    "diabetes_starts",
    advisor.Task(
        build=net, data=patients, loss=squared_error, metric="r2", batch=32, kind="regression"
    ),
    trials=14,
    epochs=30,
    min_gain=0.01,
    only={
        "activation": [],
        "initializer": ["xavier", "he", "orthogonal"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.1, 0.005),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
