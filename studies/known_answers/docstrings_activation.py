"""On the mean of word vectors a hidden layer of one activation tells a library as well as one of
another (measured; Arora et al. 2017).
"""

from functools import partial

from known_data import docstrings
from known_nets import BagOfWords
from torch import nn
from torch.nn.functional import cross_entropy

import advisor


class Deeper(BagOfWords):
    """A bag of words with a hidden layer of rectifiers."""

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        super().__init__(vocab_size, 32, std=0.1)
        self.head = nn.Sequential(self.head, nn.ReLU(), nn.Linear(32, num_classes))


study = advisor.Study(
    "docstrings_activation",
    advisor.Task(
        build=Deeper,
        data=partial(docstrings, 600),
        loss=cross_entropy,
        metric="accuracy",
        batch=32,
    ),
    trials=10,
    epochs=8,
    min_gain=0.005,
    only={
        "activation": ["tanh", "gelu"],
        "initializer": [],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "gain": (-0.02, 0.005),
    "fixes": "model, start, the splits given; AdamW at a constant rate, tuned in every arm",
    "source": "measured over 20 seeds: benchmarks/known_truths.py",
}
