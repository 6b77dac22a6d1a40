"""Maximum pooling before an activation, beside the order in which a model has them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.training import loop
from advisor.training.loop import TrainingSettings, train
from advisor.training.pooled import RISING_FROM_ZERO, RISING_LAYERS, pooled_first
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def net(act=nn.ReLU, pool=None, *between):
    pool = nn.MaxPool2d(2) if pool is None else pool
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), act(), *between, pool, nn.Flatten(), nn.LazyLinear(3)
    )


class Functions(nn.Module):
    """Functions and a method in the places of layers, one convolution read twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(i, 4, 3, padding=1) for i in (1, 4, 4))
        self.norm, self.last = nn.BatchNorm2d(4), nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.a(x))), 2)
        y = self.b(x).tanh()
        x = F.max_pool2d(y, 2, ceil_mode=True) + F.max_pool2d(torch.sigmoid(self.c(x)), 2)
        return self.last(F.dropout(x.flatten(1), 0.1, self.training))


class Read(nn.Module):
    """What the activation gives is read by another layer, too."""

    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.a(x))
        return self.last((F.max_pool2d(x, 8) + x.mean((2, 3), keepdim=True)).flatten(1))


def run_of(build):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 1, 8, 8, generator=generator)
    torch.manual_seed(0)
    model = build()
    with torch.no_grad():
        model(x[:2])
    task = advisor.Task(lambda: copy.deepcopy(model), (x, torch.arange(120) % 3), batch=16)
    prepared = prepare(StudyRef.of(advisor.Study("pooled", task, epochs=2)))
    return prepared.run(0, 0), prepared.splits(0).valid


def trained(build, pooled, monkeypatch):
    run, valid = run_of(build)
    if not pooled:
        monkeypatch.setattr(loop, "pooled_first", lambda run: run.model)
    curve = list(train(run, TrainingSettings(0.01, 1e-4, 16, 0, 2), valid))
    return [(each.loss, each.score) for each in curve], run.model.state_dict()


RISING = [
    *(layer() for layer in RISING_LAYERS),
    *(layer() for layer in RISING_FROM_ZERO),
    nn.ReLU(inplace=True),
]


@pytest.mark.parametrize("layer", RISING, ids=str)
def test_the_numbers_of_a_training_are_those_of_the_usual_order(layer, monkeypatch):
    def build():
        return net(lambda: layer, nn.MaxPool2d(3, stride=2, padding=1))

    run, _ = run_of(build)
    assert pooled_first(run) is not run.model
    ours, usual = (trained(build, pooled, monkeypatch) for pooled in (True, False))
    torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


def test_they_are_the_same_bits_for_a_rectifier(monkeypatch):
    ours, usual = (trained(net, pooled, monkeypatch) for pooled in (True, False))
    assert ours[0] == usual[0]
    assert all(torch.equal(one, usual[1][name]) for name, one in ours[1].items())


def test_functions_and_methods_are_known(monkeypatch):
    model = pooled_first(run_of(Functions)[0])
    order = [node.name.rstrip("_0123456789") for node in model.graph.nodes]
    known = ("max_pool2d", "relu", "tanh", "sigmoid")
    assert [name for name in order if name in known] == [
        *("max_pool2d", "relu", "max_pool2d", "tanh", "max_pool2d", "sigmoid"),
    ]
    ours, usual = (trained(Functions, pooled, monkeypatch) for pooled in (True, False))
    torch.testing.assert_close(ours, usual, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda: net(nn.GELU),
        lambda: net(lambda: nn.LeakyReLU(-0.1)),
        lambda: net(lambda: nn.ELU(-1.0)),
        lambda: net(nn.ReLU, nn.AvgPool2d(2)),
        lambda: net(nn.ReLU, None, nn.BatchNorm2d(4)),
        lambda: net(nn.PReLU),
        Read,
    ],
    ids=["gelu", "falls", "falls below zero", "mean", "norm between", "trained", "read twice"],
)
def test_any_other_model_is_called_as_it_is(build):
    run, _ = run_of(build)
    assert pooled_first(run) is run.model


def test_what_is_heard_of_a_layer_is_what_it_gives():
    run, _ = run_of(net)
    run.model[1].register_forward_hook(lambda *_: None)
    assert pooled_first(run) is run.model


def test_where_a_few_rows_differ_the_model_is_called_as_it_is(monkeypatch):
    run, _ = run_of(net)
    monkeypatch.setattr("advisor.training.pooled.are_near", lambda *_: False)
    before = copy.deepcopy(run.model.state_dict())
    assert pooled_first(run) is run.model
    assert all(torch.equal(before[name], each) for name, each in run.model.state_dict().items())
