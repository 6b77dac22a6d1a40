"""With 60 labelled paragraphs of documentation vectors from the others, which have no label, help
to tell the library (measured; Kim 2014).
"""

from functools import partial

from known_data import docstrings
from known_nets import BagOfWords
from torch.nn.functional import cross_entropy

import advisor

study = advisor.Study(
    "docstrings_few",
    advisor.Task(
        build=BagOfWords,
        data=partial(docstrings, 60),
        loss=cross_entropy,
        metric="accuracy",
        batch=32,
    ),
    trials=10,
    epochs=60,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": [],
        "pretraining": [],
        "embedding": ["skipgram"],
    },
)
EXPECTED = {
    "verdict": ["change"],
    "choices": {"embedding": ["skipgram"]},
    "gain": (0.1, 0.3),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
