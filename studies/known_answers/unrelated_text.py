"""Vectors from text that says nothing of the topics bring nothing, however much of it there is
(exact: independence).
"""

from functools import partial

from known_data import keywords
from known_nets import BagOfWords

import advisor

study = advisor.Study(
    "unrelated_text",
    advisor.Task(
        build=BagOfWords,
        # Large rows drown what is learnt, and vectors would only be smaller.
        arguments={"std": 0.02},
        data=partial(keywords, labels=300, unlabeled=1000),
    ),
    trials=12,
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
    "source": (
        "exact: the words of a text are independent given its topic, and only one depends on it"
    ),
}
