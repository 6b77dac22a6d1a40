"""Vectors from text that says nothing of the topics bring nothing, however much of it there is
(exact: independence).
"""

from functools import partial

from known_data import keywords
from known_nets import BagOfWords
from torch.nn.functional import cross_entropy

import advisor

study = advisor.Study(
    "unrelated_text",
    advisor.Task(
        build=BagOfWords,
        # Large rows drown what is learnt, and vectors would only be smaller.
        arguments={"std": 0.02},
        data=partial(keywords, labels=300, unlabeled=1000),
        loss=cross_entropy,
        metric="accuracy",
        batch=32,
    ),
    trials=12,
    epochs=60,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": [],
        "embedding": ["skipgram", "cbow"],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.05, 0.02),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": (
        "exact: the words of a text are independent given its topic, and only one depends on it"
    ),
}
