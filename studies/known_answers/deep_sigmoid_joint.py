"""Six sigmoid layers stall, and the best cure is another activation, with or without a start for it
(Glorot & Bengio 2010).
"""

from deep_sigmoid import net
from known_data import digits
from torch.nn.functional import cross_entropy

import advisor

study = advisor.Study(
    "deep_sigmoid_joint",
    advisor.Task(build=net, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=24,
    epochs=12,
    min_gain=0.005,
    only={
        "activation": ["relu", "tanh", "elu", "selu"],
        "initializer": ["xavier", "layer_normalization"],
        "pretraining": ["rbm"],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"activation": ["relu", "tanh", "elu", "selu"], "pretraining": ["keep"]},
    "gain": (0.3, 0.9),
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "Glorot & Bengio 2010; Klambauer et al. 2017",
}
