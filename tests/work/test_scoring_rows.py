"""How many rows are scored at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import advisor
from advisor.data.splits import DatasetPart
from advisor.training.loop import predict
from advisor.work.prepare import prepare
from advisor.work.scoring_rows import MOST, NUMBERS, rows_scored_together
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
    assert opened(build, **study).scored_together == rows


def test_rows_that_are_read_one_by_one_are_scored_as_they_are_trained_on():
    rows = DatasetPart([range(64)])
    assert rows_scored_together(small(), (torch.randn(32, 4),), rows) == 0


def test_the_score_is_that_of_mini_batches():
    prepared = opened(small)
    run, part = prepared.run(0, 0), prepared.splits(0).valid
    together = predict(run, part, 8)
    run.scored_together = 0
    alone = predict(run, part, 8)
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)
