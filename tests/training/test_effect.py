"""A technique that changed nothing is told by what the run is, not by what it says."""

import copy
import functools
import types

import pytest
import torch
from models.runs import run_of
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.slots.forward import forward, quiet
from advisor.training import effect
from advisor.training.run import apply

SLOPE = 0.1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)
        self.settings = {"scale": [1.0]}

    def forward(self, x):
        hidden = F.leaky_relu(self.norm(self.first(x)), SLOPE)
        return self.last(hidden) * self.settings["scale"][0]


class Says(advisor.Technique):
    """Does what it is given, and says that it did a lot."""

    slot, cite = "mixed", "a test"

    def __init__(self, name, does):
        self.name, self.does = name, does

    def apply(self, run):
        with torch.no_grad():
            self.does(run)
        return "changed everything"


def smoothed(output, target, loss):
    return loss(output, target)


CHANGES = {
    "a weight": lambda run: run.model.first.weight[0, 0].add_(1e-6),
    "a weight that stays as it is": lambda run: run.model.first.weight.requires_grad_(False),
    "a buffer": lambda run: run.model.norm.running_mean.add_(1),
    "a mode": lambda run: run.model.norm.eval(),
    "a value in a dictionary": lambda run: run.model.settings["scale"].__setitem__(0, 2.0),
    "a module": lambda run: setattr(run.model, "last", nn.Linear(8, 2)),
    "a tie": lambda run: setattr(run.model.norm, "bias", run.model.norm.weight),
    "a hook": lambda run: run.model.first.register_forward_hook(lambda *_: None),
    "a hook of a weight": lambda run: run.model.first.weight.register_hook(lambda grad: grad * 2),
    "a forward of its own": lambda run: setattr(
        run.model, "forward", types.MethodType(lambda self, x: self.last(self.first(x)), run.model)
    ),
    "the forward of its class": lambda run: setattr(type(run.model), "forward", lambda self, x: x),
    "a number of its file": lambda run: globals().update(SLOPE=0.3),
    "the loss": lambda run: setattr(run, "loss", functools.partial(smoothed, loss=run.loss)),
    "the optimizer": lambda run: setattr(run, "optimizer", lambda *given: None),
    "the data": lambda run: setattr(run, "data", other_rows(run.data)),
    "a row": lambda run: run.data.train.inputs[0].mul_(2),
    "what is not decayed": lambda run: run.undecayed.append(run.model.first.weight),
    "what trains later": lambda run: run.later.append((run.model.first.weight, 0.5)),
}
NOTHING = {
    "nothing": lambda run: None,
    "equal weights": lambda run: run.model.first.weight.copy_(run.model.first.weight.clone()),
    "the same rows in another object": lambda run: setattr(run, "data", copy.copy(run.data)),
    "a trace": lambda run: run.changed() or run.anatomy,
    "a measurement": lambda run: measured(run),
    "what it costs": lambda run: run.costs.update(looking=1.0),
    "a draw": lambda run: torch.randn(3, generator=run.generator),
}


def other_rows(data):
    """The data with the inputs of its training rows in other memory."""
    train = copy.copy(data.train)
    object.__setattr__(train, "inputs", [each.clone() for each in train.inputs])
    data = copy.copy(data)
    object.__setattr__(data, "train", train)
    return data


def measured(run):
    with quiet(run.model):
        forward(run, run.example())


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(Net, "forward", Net.forward)
    monkeypatch.setitem(globals(), "SLOPE", 0.1)
    return run_of(Net(), torch.randn(40, 4))


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_a_technique_changes_is_an_effect(run, what):
    apply(run, [(Says("one", CHANGES[what]), {})])
    assert run.no_effect == []


@pytest.mark.parametrize("what", NOTHING)
def test_what_leaves_the_run_as_it_was_has_no_effect_whatever_it_says(run, what):
    apply(run, [(Says("one", NOTHING[what]), {})])
    assert run.no_effect == ["mixed"]


def test_each_technique_is_judged_by_what_it_adds_to_those_before_it(run):
    tied = Says("tied", CHANGES["a tie"])
    other = Says("other", CHANGES["a tie"])
    other.slot = "second"
    apply(run, [(tied, {}), (other, {})])
    assert run.no_effect == ["second"]


def test_a_model_that_cannot_be_read_to_its_end_counts_as_changed(run, monkeypatch):
    monkeypatch.setattr("advisor.training.effect.MOST", 50)
    apply(run, [(Says("one", NOTHING["nothing"]), {})])
    assert run.no_effect == []


def test_a_run_is_read_again_only_up_to_the_first_difference(run, monkeypatch):
    read = []
    facts_of = effect._facts_of
    monkeypatch.setattr(effect, "_facts_of", lambda tensor: read.append(tensor) or facts_of(tensor))
    state = effect.state_of(run)
    every = len(read)
    assert effect.is_still(run, state)
    assert len(read) == 2 * every
    CHANGES["a weight that stays as it is"](run)
    assert not effect.is_still(run, state)
    assert len(read) < 3 * every
