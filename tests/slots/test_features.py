"""What stands before the first layer of a net for tables: its formula, and what it leaves alone."""

from __future__ import annotations

import math

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn

ROWS = 64


def table():
    """Four columns of numbers, and a one-hot pair."""
    draw = torch.Generator().manual_seed(0)
    numbers = torch.randn(ROWS, 4, generator=draw)
    hot = torch.nn.functional.one_hot(torch.arange(ROWS) % 2, 2)
    return torch.cat([numbers[:, :2], hot, numbers[:, 2:]], 1)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def test_a_number_enters_as_waves_a_layer_of_its_columns_own_and_a_rectifier(host):
    model, rows = net(), table()
    run = run_of(model, rows)
    params = {"sigma": 0.5, "waves": 5, "width": 3}
    said = put(host, run, features=("periodic", params))["features"]
    assert said == "0 reads 4 columns as 5 waves each, embedded in 3 numbers"
    first = model[0]
    embed = first.embed
    assert embed.places.tolist() == [0, 1, 4, 5]
    expected = rows @ first.weight.T + first.bias
    at = 0
    for column, place in enumerate(embed.places):
        angles = 2 * math.pi * rows[:, place, None] * embed.frequencies[column]
        waves = torch.cat([angles.cos(), angles.sin()], 1)
        embedded = torch.relu(waves @ embed.weight[column] + embed.bias[column])
        expected = expected + embedded @ first.wide[:, at : at + 3].T
        at += 3
    torch.testing.assert_close(first(rows), expected)


def test_frequencies_have_the_asked_deviation_and_no_weight_decay(host):
    torch.manual_seed(0)
    run = run_of(plain(200, 2), torch.randn(ROWS, 200))
    put(host, run, features=("periodic", {"sigma": 2.0, "waves": 64, "width": 2}))
    frequencies = run.model[0].embed.frequencies
    assert float(frequencies.detach().std()) == pytest.approx(2, rel=0.05)
    assert abs(float(frequencies.detach().mean())) < 0.1
    assert any(each is frequencies for each in run.undecayed)


@pytest.mark.parametrize("name", ["periodic", "scaling"])
def test_the_models_own_weights_keep_their_names_shapes_and_values(host, name):
    model, rows = net(), table()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    weight = model[0].weight
    put(host, run_of(model, rows), features=name)
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert model[0].weight is weight
    assert all(each.requires_grad for each in model.parameters())


def test_scales_change_nothing_at_the_start_and_scale_columns_later(host):
    model, rows = net(), table()
    before = model(rows)
    run = run_of(model, rows)
    said = put(host, run, features="scaling")["features"]
    assert said == "0 reads 6 columns with a trained scale each"
    torch.testing.assert_close(model(rows), before)
    nn.init.constant_(model[0].scale, 3.0)
    scaled = model[0](rows)
    torch.testing.assert_close(scaled, 3 * rows @ model[0].weight.T + model[0].bias)
    assert any(each is model[0].scale for each in run.undecayed)


def test_a_normalization_may_come_first(host):
    model = nn.Sequential(nn.BatchNorm1d(6), *net())
    run = run_of(model, table())
    assert put(host, run, features="periodic")["features"].startswith("1 reads 4 columns")
    model(table()).sum().backward()
    assert model[1].wide.grad is not None


class Own(nn.Linear):
    """An author's own kind of linear layer."""


REFUSED = [
    (nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.randn(8, 3, 4), "no table of numbers"),
    (nn.Linear(300, 2), torch.randn(8, 300), "300 columns are too many"),
    (nn.Linear(2, 2), torch.ones(8, 2), "no column of the table has more than two values"),
    (Own(4, 2), torch.randn(8, 4), "is no plain linear layer"),
]


@pytest.mark.parametrize(("model", "rows", "why"), REFUSED)
def test_what_is_no_table_or_has_no_plain_first_layer_is_refused(host, model, rows, why):
    model = nn.Sequential(*model) if isinstance(model, nn.Sequential) else nn.Sequential(model)
    for name in ("periodic", "scaling"):
        assert why in host.find("features", name).unfit(run_of(model, rows))


def test_waves_learn_what_a_net_of_that_size_does_not(host):
    """A target that jumps along one column: y = [sin 12x > 0]."""
    torch.manual_seed(0)
    x = torch.rand(512, 2) * 2 - 1
    y = (torch.sin(12 * x[:, 0]) > 0).long()
    scores = {}
    for name in ("keep", "periodic"):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
        if name != "keep":
            put(host, run_of(model, x), features=(name, {"sigma": 1.0, "waves": 16, "width": 8}))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        scores[name] = float((model(x).argmax(1) == y).float().mean())
    assert scores["periodic"] > 0.95
    assert scores["keep"] < 0.9
