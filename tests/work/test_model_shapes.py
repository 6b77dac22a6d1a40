"""How a model is best computed, by the sizes of its results."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import advisor
from advisor.data.splits import DatasetPart
from advisor.training.loop import TrainingSettings, predict, train
from advisor.training.memory_format import in_its_memory_format
from advisor.work.prepare import prepare
from advisor.work.shapes import MOST, NUMBERS, Shapes, shapes_of
from advisor.work.study_ref import StudyRef


class LessTheMean(nn.Sequential):
    """A net whose answers depend on the other rows of a batch."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


def small(kind=nn.Sequential):
    return kind(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def wide():
    return nn.Sequential(nn.Linear(4, 8192), nn.ReLU(), nn.Linear(8192, 3))


def batch_wise():
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    return nn.Sequential(nn.Linear(4, 8), norm, nn.Linear(8, 3))


def opened(build, **study):
    data = torch.randn(160, 4), torch.arange(160) % 3
    return prepare(StudyRef.of(advisor.Study("small", advisor.Task(build, data), **study)))


@pytest.mark.parametrize(
    ("build", "study", "rows"),
    [
        (small, {}, MOST),
        (wide, {}, NUMBERS // 8192),
        (batch_wise, {}, 0),
        (lambda: small(LessTheMean), {}, 0),
        (small, {"noise": 0.1}, 0),
    ],
    ids=["small", "wide", "batch norm of the batch", "rows that mix", "noise"],
)
def test_rows_are_scored_together_where_it_is_faster_and_gives_the_same(build, study, rows):
    assert opened(build, **study).shapes.scored_together == rows


def test_rows_that_are_read_one_by_one_are_scored_as_they_are_trained_on():
    rows = DatasetPart([range(64)])
    assert shapes_of(small(), (torch.randn(32, 4),), rows) == Shapes()


def test_the_score_is_that_of_mini_batches():
    prepared = opened(small)
    run, part = prepared.run(0, 0), prepared.splits(0).valid
    together = predict(run, part, 8)
    run.scored_together = 0
    alone = predict(run, part, 8)
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


# --- channels last --------------------------------------------------------------------------------


class ByView(nn.Sequential):
    """A net that flattens in a way that channels which lie last do not allow."""

    def forward(self, x):
        return self[1](self[0](x).view(len(x), -1))


def pooled():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )


def by_view():
    return ByView(nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(3)), nn.Linear(32, 3))


def flattened():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))


def images(build):
    data = torch.randn(90, 1, 8, 8), torch.arange(90) % 3
    return prepare(StudyRef.of(advisor.Study("images", advisor.Task(build, data))))


@pytest.mark.parametrize(("build", "suits"), [(pooled, True), (by_view, False), (flattened, False)])
def test_channels_lie_last_where_that_is_faster_and_works(build, suits):
    assert images(build).shapes.channels_last is suits


def test_a_net_with_channels_last_is_trained_to_the_same_scores():
    prepared = images(pooled)
    curves = []
    for is_last in (True, False):
        run = prepared.run(0, 0)
        run.channels_last = is_last
        settings = TrainingSettings(1e-3, 1e-4, 16, 0, 3)
        curves.append([each.loss for each in train(run, settings, prepared.splits(0).valid)])
        is_so = run.model[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert is_so is is_last or run.model[0].weight.shape[1] == 1
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)


def test_what_a_technique_brings_that_cannot_be_computed_so_is_computed_as_it_was():
    run = images(pooled).run(0, 0)
    run.model = by_view()
    in_its_memory_format(run)
    assert run.model(run.example(4)[0]).shape == (4, 3)
