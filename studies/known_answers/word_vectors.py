"""With 60 labelled texts of 1,600 words most words are never seen; vectors from text without labels
know them (Kim 2014).
"""

from functools import partial

from known_data import topics
from known_nets import BagOfWords
from torch.nn.functional import cross_entropy

import advisor

study = advisor.Study(
    "word_vectors",
    advisor.Task(
        build=BagOfWords,
        data=partial(topics, labels=60, unlabeled=3000),
        loss=cross_entropy,
        metric="accuracy",
        batch=32,
    ),
    trials=12,
    epochs=100,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": [],
        "embedding": ["skipgram", "cbow"],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"embedding": ["skipgram", "cbow"]},
    "gain": (0.05, 0.6),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": "Kim 2014; Arora et al. 2020",
}
