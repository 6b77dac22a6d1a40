"""Planted causes: what is named as the reason of a gain is the reason, and nothing else is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.api.tune import tune

KEPT = {slot: [] for slot in ("activation", "initializer", "pretraining", "embedding")}
BALANCED = """
import advisor, torch
from torch.nn import functional as F

class Weighting(advisor.Technique):
    slot, cite = "weighting", "King & Zeng 2001"

    def __init__(self, name, power):
        self.name, self.power = name, power

    def finds(self, run):
        share = float((run.train.y == 1).double().mean())
        said = f"Class 1 has {share:.0%} of the rows, and the loss counts all rows alike."
        return [advisor.Finding("rare", "data", share, 0.2, "King & Zeng 2001", "weighting", said)]

    def apply(self, run):
        counts = torch.bincount(run.train.y).double()
        weight = ((counts.sum() / counts) ** self.power).float()
        run.loss = lambda output, target: F.cross_entropy(output, target, weight)
        return f"weights {weight.tolist()}"

@advisor.hookimpl
def slots():
    return [advisor.Slot("weighting", "how much rows count")]

@advisor.hookimpl
def techniques():
    return [Weighting("balanced", 1.0), Weighting("nearly", 0.8)]
"""


def rows(count=240, classes=2, share=0.5, seed=0):
    """Inputs of 8 numbers, of which two say the class of a row."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=generator)
    edge = torch.quantile(x[:, 0] * x[:, 1].sign(), 1 - share)
    return x, (x[:, 0] * x[:, 1].sign() > edge).long()


class Net(nn.Sequential):
    """A plain net, whose layers may begin badly."""

    def __init__(self, activation, depth=2, weight=1.0, bias=0.0):
        sizes = [8] + [24] * depth
        layers = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layer = nn.Linear(before, after)
            with torch.no_grad():
                layer.weight.mul_(weight)
                layer.bias.add_(bias)
            layers += [layer, activation()]
        super().__init__(*layers, nn.Linear(24, 2))


@pytest.fixture
def answered(tmp_path, write):
    def answered(build, only, plugins=(), data=None, **more):
        settings = {"trials": 9, "epochs": 6, "seeds": 5, **more}
        metric = settings.pop("metric", "accuracy")
        task = advisor.Task(build, data or rows(), metric=metric)
        study = advisor.Study("planted", task, only={**KEPT, **only}, **settings)
        plugins = [write("plugin.py", text) for text in plugins]
        return tune(study, storage=str(tmp_path / "a.db"), plugins=plugins, workers=0)

    return answered


def test_a_saturated_start(answered):
    found = answered(lambda: Net(nn.Tanh, weight=30.0), {"initializer": ["xavier_uniform", "orthogonal", "lecun_normal"]})
    print(found.verdict, *found.reasons, found.gain, sep="\n")


def test_dead_biases(answered):
    found = answered(lambda: Net(nn.ReLU, bias=-3.0), {"initializer": ["he_normal", "orthogonal"], "activation": ["elu"]})
    print(found.verdict, *found.reasons, found.gain, sep="\n")


def test_a_collapse(answered):
    found = answered(lambda: Net(nn.Tanh, depth=8, weight=0.1), {"initializer": ["xavier_uniform", "orthogonal"]})
    print(found.verdict, *found.reasons, found.gain, sep="\n")


def test_imbalance(answered):
    found = answered(lambda: Net(nn.Tanh), {"weighting": ["balanced", "nearly"]}, [BALANCED], rows(share=0.08), metric="macro_f1")
    print(found.verdict, *found.reasons, found.gain, sep="\n")


def test_rate(answered):
    class Slow(Net):
        def forward(self, x):
            return super().forward(x) * 0.01
    found = answered(lambda: Slow(nn.Tanh), {"activation": ["elu", "gelu"]})
    print(found.verdict, *found.reasons, found.gain, sep="\n")
