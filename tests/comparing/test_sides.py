"""What two sides share, and what makes them the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import advisor
from advisor.comparing.sides import van_der_corput
from advisor.report.comparison_page import comparison_page
from advisor.report.comparison_text import show_comparison
from advisor.work.initial_draws import shared_draws


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.middle = nn.Linear(8, 8)
        self.last = nn.Linear(8, 2)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.last(self.act(self.middle(self.act(self.first(x)))))


class Renamed(nn.Module):
    """The same layers by other names, in another order, with the activation spelled out."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 2)
        self.inner = nn.Linear(8, 8)
        self.stem = nn.Linear(4, 8)

    def forward(self, x):
        x = self.stem(x)
        x = self.inner(x * torch.sigmoid(x))
        return self.head(x * torch.sigmoid(x))


class Reordered(nn.Module):
    """Layers of one shape are made in another order, and have their names."""

    def __init__(self, swap):
        super().__init__()
        names = ["one", "two"]
        for name in reversed(names) if swap else names:
            setattr(self, name, nn.Linear(4, 4))
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(F.relu(self.two(F.relu(self.one(x)))))


class LaterOther(Plain):
    """Computes the same until it has been trained a little."""

    def forward(self, x):
        if self.training:
            self.steps = getattr(self, "steps", 0) + 1
        return super().forward(x) * (1.0 if getattr(self, "steps", 0) < 5 else 0.5)


class Smaller(nn.Module):
    """The same layers with smaller first weights."""

    def __init__(self):
        super().__init__()
        self.inner = Plain()
        nn.init.normal_(self.inner.first.weight, std=0.01)

    def forward(self, x):
        return self.inner(x)


def compared(blobs, one, other, **settings):
    tasks = [advisor.Study(name, advisor.Task(net, blobs), epochs=3) for name, net in (one, other)]
    return advisor.compare(*tasks, workers=0, seeds=3, storage="studies.db", **settings)


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "identical"),
    [
        (Plain, Plain, "content"),
        (Plain, Renamed, "numbers"),
        (lambda: Reordered(False), lambda: Reordered(True), "numbers"),
    ],
    ids=["itself", "renamed and spelled otherwise", "reordered"],
)
def test_an_edit_that_computes_the_same_is_found_to_be_identical(blobs, one, other, identical):
    found = compared(blobs, ("old", one), ("new", other))
    assert (found.verdict, found.evidence) == ("keep", "equivalent")
    assert found.gains[0].identical == identical
    # nothing was measured, so no verdict was asked of the rows
    assert found.verdicts == 0
    assert found.meets("not-worse")
    assert not found.meets("better")


@pytest.mark.parametrize("other", [LaterOther, Smaller])
def test_an_edit_that_computes_otherwise_is_measured(blobs, other):
    found = compared(blobs, ("old", Plain), ("new", other))
    assert found.gains[0].identical is None
    assert len(found.sides[1].scores) == 3
    assert found.verdicts == 1


def test_layers_behind_an_added_one_keep_their_draws():
    def net(*widths):
        with shared_draws(5, True):
            return [nn.Linear(one, two) for one, two in pairwise(widths)]

    short, long = net(4, 8, 2), net(4, 8, 8, 2)
    assert torch.equal(short[0].weight, long[0].weight)
    assert torch.equal(short[1].weight, long[2].weight)


def test_no_two_tensors_of_one_shape_get_the_same_draws():
    with shared_draws(5, True):
        scaled = [nn.Parameter(torch.randn(6, 6) * 0.1) for _ in range(4)]
        layers = [nn.Linear(6, 6) for _ in range(3)]
        for layer in layers:
            nn.init.orthogonal_(layer.weight)
    tensors = [*scaled, *(layer.weight for layer in layers)]
    for place, tensor in enumerate(tensors):
        assert not any(torch.allclose(tensor, other) for other in tensors[:place])


def test_a_start_that_is_drawn_over_again_shares_its_draws_with_the_default():
    with shared_draws(5, True):
        default = nn.Linear(64, 64)
    with shared_draws(5, True):
        drawn = nn.Linear(64, 64)
        nn.init.uniform_(drawn.weight, -1, 1)
    ratio = drawn.weight / default.weight
    assert torch.allclose(ratio, ratio[0, 0], rtol=1e-3)


def test_rates_fill_the_range_evenly():
    assert [van_der_corput(number) for number in range(1, 5)] == [0.5, 0.25, 0.75, 0.125]


def test_three_sides_are_each_compared_with_the_first(blobs):
    class Wide(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))

    studies = [
        advisor.Study(net.__name__, advisor.Task(net, blobs), epochs=2)
        for net in (Plain, Wide, Renamed)
    ]
    found = advisor.compare(*studies, workers=0, seeds=3, storage="studies.db", tune=2)
    assert [gain.label for gain in found.gains] == ["Wide", "Renamed"]
    assert [gain.identical for gain in found.gains] == [None, "numbers"]
    assert len(found.sides[0].scores) == len(found.sides[1].scores) == 3
    assert found.sides[2].scores == []
    assert advisor.Comparison.from_json(found.to_json()) == found


def test_other_rows_targets_or_metrics_are_refused(blobs):
    x, y = blobs
    old = advisor.Study("old", advisor.Task(Plain, (x, y), metric="accuracy"), epochs=1)
    cases = [
        (advisor.Task(Plain, (x + 1e-3, y), metric="accuracy"), "the rows were others"),
        (advisor.Task(Plain, (x, 1 - y), metric="accuracy"), "the targets were others"),
        (advisor.Task(Plain, (x, y), metric="macro_f1"), "the metric is accuracy and macro_f1"),
    ]
    for task, said in cases:
        with pytest.raises(advisor.InputError, match=said):
            advisor.compare(old, advisor.Study("new", task, epochs=1), workers=0)


def test_sides_with_other_seeds_are_split_by_the_seed_of_the_first(blobs):
    task = advisor.Task(Plain, blobs)
    found = advisor.compare(
        advisor.Study("old", task, epochs=1, seed=3),
        advisor.Study("new", task, epochs=1, seed=4),
        workers=0,
        storage="studies.db",
    )
    assert found.gains[0].identical == "content"


def test_sides_with_other_batches_are_compared_and_the_answer_says_so(blobs, capsys):
    studies = [
        advisor.Study(f"of {batch}", advisor.Task(Plain, blobs, batch=batch), epochs=2)
        for batch in (32, 8)
    ]
    found = advisor.compare(*studies, workers=0, seeds=3, storage="studies.db")
    assert [side.batch for side in found.sides] == [32, 8]
    assert found.gains[0].identical is None
    assert found.sides[0].scores != found.sides[1].scores

    # what differs has a column, and what does not is said once
    show_comparison(found, why=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    head = next(line for line in lines if line[0] == "side")
    assert head[-1] == "batch"
    assert [line[-1] for line in lines if line[0] == "of"] == ["32", "8"]
    assert "all sides with lr 0.001, decay 0.0001, epochs 2" in " ".join(map(" ".join, lines))
    assert '<th class="n">batch</th>' in comparison_page(found)
