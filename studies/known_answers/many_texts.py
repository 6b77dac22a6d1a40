"""With 4,000 labelled texts every word has been seen often, and vectors bring nothing more (Arora
et al. 2020).
"""

from functools import partial

from known_data import topics
from known_nets import BagOfWords
from torch.nn.functional import cross_entropy

import advisor

study = advisor.Study(
    "many_texts",
    advisor.Task(
        build=BagOfWords,
        data=partial(topics, labels=4000, unlabeled=0, words=100),
        loss=cross_entropy,
        metric="accuracy",
        batch=64,
    ),
    trials=12,
    epochs=12,
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
    "gain": (-0.02, 0.01),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": "Kim 2014; Arora et al. 2020",
}
