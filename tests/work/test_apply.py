"""What the techniques of a recommendation leave in a model that is the user's own."""

from __future__ import annotations

import random

import pandas as pd
import pytest
import torch
from torch import nn

import advisor
from advisor.work.apply import apply_choices
from advisor.work.study_ref import StudyRef


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(40, 8, padding_idx=0), nn.Linear(8, 2)

    def forward(self, ids):
        return self.last(self.words(ids).mean(1))


@pytest.fixture(scope="module")
def texts():
    """A study of short texts in which each class has words of its own."""
    draw = random.Random(0)
    words = (
        ["warm", "sun", "bright", "day", "summer", "light"],
        ["cold", "rain", "dark", "night", "winter", "snow"],
    )
    rows = [(" ".join(draw.choices(words[i % 2], k=9)), str(i % 2)) for i in range(80)]
    frame = pd.DataFrame(rows, columns=["text", "label"])
    return StudyRef.of(advisor.Study("texts", advisor.Task(build=Mean, data=frame, target="label")))


@pytest.fixture(scope="module")
def numbers():
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    task = advisor.Task(build=net, data=(x, (x.sum(1) > 0).long()))
    return StudyRef.of(advisor.Study("numbers", task))


def net():
    return nn.Sequential(
        nn.Linear(6, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Sigmoid(), nn.Linear(16, 2)
    )


def frozen(model):
    return [name for name, parameter in model.named_parameters() if not parameter.requires_grad]


@pytest.mark.parametrize(
    ("rows", "still"), [("tuned", []), ("frozen", ["words.weight"]), ("frozen-then-tuned", [])]
)
def test_rows_that_train_later_are_trainable_in_the_users_model_and_those_frozen_for_good_are_not(
    texts, rows, still
):
    own = {"embedding": "cbow", "embedding.cbow.rows": rows, "embedding.cbow.epochs": 1}
    model = Mean()
    before = model.words.weight.detach().clone()
    model = apply_choices(texts, own, model, 0)
    assert not torch.equal(model.words.weight, before)
    assert frozen(model) == still


@pytest.mark.parametrize(("layers", "still"), [(0, []), (1, ["0.weight", "0.bias"])])
def test_pretrained_layers_are_frozen_in_the_users_model_where_the_arm_keeps_them_so(
    numbers, layers, still
):
    own = {
        "pretraining": "autoencoder",
        "pretraining.autoencoder.freeze": layers,
        "pretraining.autoencoder.epochs": 5,
    }
    assert frozen(apply_choices(numbers, own, net(), 0)) == still
