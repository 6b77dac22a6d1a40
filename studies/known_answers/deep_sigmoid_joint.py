"""Six sigmoid layers stall, and the best cure is another activation, with or without a start for it
(Glorot & Bengio 2010).
"""

from deep_sigmoid import net
from known_data import digits

import advisor

study = advisor.Study(
    "deep_sigmoid_joint",
    advisor.Task(build=net, data=digits),
    trials=24,
    epochs=12,
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
    "source": "Glorot & Bengio 2010; Klambauer et al. 2017",
}
