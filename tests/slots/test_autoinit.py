"""AutoInit: the analysis of each operation, and nets whose layers have mean 0 and variance 1."""

from __future__ import annotations

import math

import pytest
import torch
from advisor_plugins.initializer.signals import Signal, SignalTracker
from models import measures, zoo
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

DRAWS = 400_000


def followed(function, *numbers):
    """What the analysis says of a function of tensors, N(0, 1) unless they are given."""
    tracker = SignalTracker()
    for each in numbers:
        tracker.put(each, Signal.gaussian(0, 1))
    with tracker, torch.no_grad():
        result = function(*numbers)
    return tracker._find(result), result


OPERATIONS = {
    "relu": F.relu,
    "in place": lambda x: x.clone().relu_(),
    "silu by hand": lambda x: x * torch.sigmoid(x),
    "gelu by hand": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "mish": F.mish,
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "two in a row": lambda x: torch.tanh(F.elu(2 * x + 1)),
    "a view": lambda x: F.relu(x).view(-1, 8, 25).transpose(1, 2)[:, 3:],
    "a flat copy": lambda x: torch.flatten(F.softplus(x).t(), 0),
    "average pooling": lambda x: F.avg_pool1d(F.relu(x)[None], 4)[0],
    "global average": lambda x: F.relu(x).reshape(-1, 20).mean(1),
    "largest of two": lambda x: F.max_pool1d(x[None], 2)[0],
    "largest of nine": lambda x: F.max_pool2d(x.reshape(1, 1, 400, -1), 3),
    "adaptive": lambda x: F.adaptive_avg_pool1d(F.relu(x)[None], 50)[0],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_analysed_as_it_acts_on_gaussian_numbers(name):
    x = torch.randn(DRAWS // 200, 200, generator=torch.Generator().manual_seed(0))
    signal, result = followed(OPERATIONS[name], x)
    assert signal.mean == pytest.approx(float(result.mean()), abs=0.01)
    assert signal.variance == pytest.approx(float(result.var()), rel=0.02)


BRANCHES = {
    "sum": lambda x, y: x + F.relu(y),
    "difference": lambda x, y: torch.sub(F.relu(x), F.relu(y)),
    "gate": lambda x, y: torch.sigmoid(x) * F.relu(y),
    "join": lambda x, y: torch.cat([F.relu(x), 2 * y[:, :50]], 1),
    "one added to itself": lambda x, y: x + F.relu(x),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches_that_meet_count_as_independent_and_one_signal_as_itself(name):
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, DRAWS // 200, 200, generator=draw)
    signal, result = followed(BRANCHES[name], x, y)
    assert signal.mean == pytest.approx(float(result.mean()), abs=0.01)
    assert signal.variance == pytest.approx(float(result.var()), rel=0.02)


def test_dropout_counts_as_it_is_in_training():
    x = torch.randn(DRAWS // 200, 200)
    signal, _ = followed(lambda x: F.dropout(F.relu(x), 0.4, training=False), x)
    trained = F.dropout(F.relu(x), 0.4, training=True)
    assert signal.square == pytest.approx(float(trained.square().mean()), rel=0.02)


def test_what_has_no_rule_is_measured():
    x = 3 + 5 * torch.randn(500, 64)
    tracker = SignalTracker()
    tracker.put(x, Signal.gaussian(3, 25))
    with tracker, torch.no_grad():
        result = F.layer_norm(x, (64,))
    assert tracker._find(result) is None
    assert tracker.of(result).variance == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("act", [nn.Tanh, nn.Softsign, nn.SELU, nn.ELU])
def test_every_layer_of_a_wide_net_has_mean_0_and_variance_1(host, act):
    torch.manual_seed(0)
    rows = torch.randn(256, 1024)
    run = run_of(plain(1024, 5, act), rows)
    said = put(host, run, initializer="autoinit")["initializer"]
    assert said.startswith("variance 1 by analysis in 6 layers")
    signal = rows
    with torch.no_grad():
        for layer in run.model[:-1]:
            signal = layer(signal)
            if isinstance(layer, nn.Linear):
                assert abs(float(signal.mean())) < 0.02
                assert float(signal.var()) == pytest.approx(1, abs=0.02)


class Parts(nn.Module):
    """All that lies between layers besides an activation."""

    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)
        self.c, self.d = nn.Linear(2 * width, width), nn.Linear(width, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        h = self.a(x)
        h = self.b(self.drop(h * torch.sigmoid(h)))
        return self.d(self.c(torch.cat([torch.tanh(h) + x, h], 1)))


def test_dropout_hand_written_activations_sums_and_joins_lie_between_layers(host):
    torch.manual_seed(0)
    rows = torch.randn(256, 1024)
    net = Parts(1024)
    put(host, run_of(net, rows), initializer="autoinit")
    seen = {}
    for name in "abc":
        net.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: seen.update({name: float(output.var())})
        )
    net.train()
    with torch.no_grad():
        net(rows)
    # x goes into both halves of the join, which count as independent.
    assert seen == pytest.approx({"a": 1, "b": 1, "c": 1}, abs=0.04)


def test_a_layer_that_runs_twice_is_scaled_once(host):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(512, 512), nn.Linear(512, 2)

        def forward(self, x):
            return self.b(F.relu(self.a(F.relu(self.a(x)))))

    torch.manual_seed(0)
    rows = 2 * torch.randn(256, 512)
    run = run_of(Twice(), rows)
    put(host, run, initializer="autoinit")
    weight = run.model.a.weight.detach()
    assert float(weight.var() * 512) == pytest.approx(1 / 4, rel=0.05)
    # The second time E x² = 0.5 enters instead of 4; half of the eighth that leaves is passed on.
    last = run.model.b.weight.detach()
    assert float(last.square().mean() * 512) == pytest.approx(16, rel=0.2)


def test_convolutions_with_pooling_and_a_normalization(host):
    torch.manual_seed(0)
    rows = torch.randn(64, 3, 24, 24)
    net = nn.Sequential(
        *(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 64, 3)),
        *(nn.BatchNorm2d(64), nn.Tanh(), nn.Conv2d(64, 64, 3), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(64, 2)),
    )
    said = put(host, run_of(net, rows), initializer="autoinit")["initializer"]
    assert "variance 1 by analysis in 4 layers" in said
    squares = [float(net[i].weight.detach().square().sum((1, 2, 3)).mean()) for i in (0, 3, 6)]
    relu_of_largest = 1.54  # E max(0, largest of four)²
    assert squares == pytest.approx([1, 1 / relu_of_largest, 1 / 0.394], rel=0.06)


@pytest.mark.parametrize("name", ["a gradient as output", "GCN with a sparse matrix"])
def test_operations_that_give_several_tensors_or_sparse_ones_are_passed(host, name):
    run = measures.run_of_case(zoo.CASES[name])
    said = put(host, run, initializer="autoinit")["initializer"]
    assert "by analysis in" in said
    assert all(bool(each.isfinite().all()) for each in run.model.parameters())
