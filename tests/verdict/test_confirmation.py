"""The course of a confirmation: who chooses, who measures, on which rows, and how often."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import advisor
from advisor.api.tune import tune
from advisor.data.splits import TensorPart
from advisor.store.query import read
from advisor.training.criterion import Criterion
from advisor.training.metrics import METRICS
from advisor.verdict.candidates import Candidate, Candidates, FreshScore
from advisor.verdict.choosing import choose_arm, race
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.verdict.measuring import NO_BETTER, constant_to_beat, with_broken
from advisor.work import executors
from advisor.work import job as jobs
from advisor.work.progress import HELD_OUT, TEST

ACCURACY = Criterion(METRICS["accuracy"])


def net(outputs=2):
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, outputs))


def study(data, build=net, metric=None, **options):
    only = {"activation": ["elu"], "initializer": [], "pretraining": []}
    task = advisor.Task(build, data, metric=metric)
    options = {"trials": 3, "epochs": 3, "seeds": 3, "only": only, **options}
    return advisor.Study("small", task, **options)


def candidate(rate=0.001, **choices):
    arm = {"activation": "keep", "initializer": "keep", **choices}
    return Candidate(arm, {"training.lr": rate, "training.weight_decay": 0.0}, 0.9)


class Runs:
    """Gives the scores of arms, and counts the trainings."""

    def __init__(self, scores, together=False):
        self.scores, self.trained, self.together = scores, {}, together

    def are_together(self, arms, seeds):
        return self.together

    def score(self, phase, arms, seeds, of=None, needs_rows=False, later=None):
        found = []
        for arm in arms:
            key = arm.label, arm.params["training.lr"]
            self.trained.setdefault(key, set()).update(seeds)
            found.append([FreshScore(self.scores[key][seed], 1.0) for seed in seeds])
        return found


# --- choosing -------------------------------------------------------------------------------------


def test_a_large_gap_costs_three_choosing_seeds_for_two_arms_and_five_pairs():
    own, he = candidate(), candidate(initializer="he")
    runs = Runs({("keep", 0.001): (0.5, 0.51, 0.5), (he.label, 0.001): (0.9, 0.9, 0.91)})
    found = choose_arm(runs, Candidates(own, own, [he], []), ACCURACY, None, "any")
    assert (found.baseline, found.best, found.pairs) == (own, he, 5)
    assert sum(map(len, runs.trained.values())) == 6


def test_what_cannot_become_the_best_is_dropped_a_worse_rate_of_the_model_too_and_one_stays():
    own, low = candidate(0.001), candidate(0.0001)
    he, elu = candidate(initializer="he"), candidate(activation="elu")
    scores = {
        ("keep", 0.001): (0.80, 0.81, 0.80),
        ("keep", 0.0001): (0.30, 0.31, 0.30),
        (he.label, 0.001): (0.90, 0.91, 0.90),
        (elu.label, 0.001): (0.60, 0.61, 0.60),
    }
    runs = Runs(scores)
    race(runs, [own, low, he, elu], 2, 1.0)
    assert {key: len(seeds) for key, seeds in runs.trained.items()} == {
        ("keep", 0.001): 3,
        ("keep", 0.0001): 2,
        (he.label, 0.001): 3,
        (elu.label, 0.001): 2,
    }
    none = Runs(dict.fromkeys(scores, (None, None, None)))
    race(none, [own, low, he, elu], 2, 1.0)
    assert {len(seeds) for seeds in none.trained.values()} == {3}, "where all broke, all stay"
    together = Runs(scores, together=True)
    race(together, [own, low, he, elu], 2, 1.0)
    assert {len(seeds) for seeds in together.trained.values()} == {3}, "waiting would cost more"


# --- trainings that broke -------------------------------------------------------------------------


def scored(*values):
    return [FreshScore(value, 1.0) for value in values]


def test_a_collapse_is_counted_and_not_averaged():
    own, other = scored(0.9, 0.9, 0.1, 0.9, 0.9), scored(0.9, 0.91, 0.9, 0.9, 0.9)
    marked, same = with_broken([own, other], 1.0, 0.1)
    assert [result.why for result in marked] == ["", "", NO_BETTER, "", ""]
    assert marked[2].score is None
    assert same == other
    assert with_broken([own, other], 1.0, None) == [own, other]


def test_an_arm_that_is_always_at_chance_is_not_broken():
    chance, good = scored(0.1, 0.11, 0.1), scored(0.9, 0.9, 0.9)
    assert constant_to_beat([chance, good], 1.0, 0.1, 0.005) is None
    assert constant_to_beat([good, good], 1.0, 0.1, 0.005) == 0.1
    rare = scored(0.9, 0.1, 0.9)
    assert constant_to_beat([rare, good], 1.0, 0.1, 0.005) == 0.1
    # Where too few pairs would be left, only what has no score has broken.
    assert with_broken([chance, good], 1.0, 0.1) == [chance, good]


# --- rows -----------------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    """What every read of rows was for, with the rows; and the rows that gains were of."""
    seen = SimpleNamespace(reads=[], rows={}, measured=[])
    context = ["before"]
    train_into, take, score = jobs.train_into, TensorPart.take, FreshSeedRuns.score
    rows_of = FreshSeedRuns.rows

    work_on_stack = executors.work_on_stack

    def begin(job):
        context[0] = "measure" if job.measures else job.name.split("(")[-1][:6]

    def train(outcome, job, prepared):
        begin(job)
        try:
            train_into(outcome, job, prepared)
        finally:
            context[0] = "between"

    def train_together(stack):
        begin(stack.jobs[0])
        try:
            return work_on_stack(stack)
        finally:
            context[0] = "between"

    def watch(part, index):
        rows = index if part.rows is None else part.rows[index]
        seen.reads.append((context[0], set(rows.tolist())))
        return take(part, index)

    def watch_score(self, phase, arms, seeds, of=None, needs_rows=False, later=None):
        seen.measured += [(len(arms), len(seeds))] if phase == "measure" else []
        return score(self, phase, arms, seeds, of, needs_rows, later)

    def watch_rows(self, arm, seed):
        found = seen.rows[arm.label, seed] = rows_of(self, arm, seed)
        return found

    monkeypatch.setattr(jobs, "train_into", train)
    monkeypatch.setattr(executors, "work_on_stack", train_together)
    monkeypatch.setattr(TensorPart, "take", watch)
    monkeypatch.setattr(FreshSeedRuns, "score", watch_score)
    monkeypatch.setattr(FreshSeedRuns, "rows", watch_rows)
    return seen


def test_test_rows_are_read_by_trainings_that_measure_and_scored_by_the_same_epochs(
    blobs, watched, tmp_path
):
    found = tune(study(blobs, epochs=6), storage=str(tmp_path / "a.db"), workers=0)
    test = set(next(iter(watched.rows.values()))[TEST].rows.tolist())
    assert len(test) == 24
    readers = [what for what, rows in watched.reads if rows & test]
    assert readers[0] == "measure"
    before = [what for what, _ in watched.reads[: [w for w, _ in watched.reads].index("measure")]]
    assert "choose" in before, "the seeds that choose come first, and read none"
    assert not {"choose", "before"} & set(readers)

    # One call fixes how many pairs there are, for both arms.
    assert watched.measured[0] == (2, 3)
    assert found.gain.seeds == 3
    sql = (
        "SELECT arm, seed, score, test FROM advisor_confirmations WHERE phase = 'measure'"
        " ORDER BY rowid"
    )
    rows = {(arm, seed): (score, on_test)
            for arm, seed, score, on_test in read(f"sqlite:///{tmp_path}/a.db", sql)[1]}  # fmt: skip
    seeds = list(dict.fromkeys(seed for _, seed in rows))
    for (arm, place), parts in watched.rows.items():
        assert not set(parts[HELD_OUT].rows.tolist()) & test
        for part, kept in zip((HELD_OUT, TEST), rows[arm, seeds[place]], strict=True):
            added = parts[part].added
            assert set(added) <= {0, 0.5, 1}, "right or wrong after the last third of six epochs"
            assert kept == pytest.approx(added.mean())


# --- answers --------------------------------------------------------------------------------------


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key != "seconds"}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def test_a_study_that_is_stopped_while_it_chooses_and_measures_gives_the_same_answer(
    blobs, tmp_path
):
    whole = tune(study(blobs), storage=str(tmp_path / "whole.db"), workers=0)

    def stop(event):
        if event.stage == "confirm":
            told.append("choosing" if "choosing" in event.text else "measuring")
            if len(told) in (1, 4, 7, 10):
                raise KeyboardInterrupt

    told, stopped, found = [], [], None
    while found is None:
        try:
            found = tune(study(blobs), storage=str(tmp_path / "stopped.db"), on=stop, workers=0)
        except KeyboardInterrupt:
            stopped.append(told[-1])
    assert set(stopped) == {"choosing", "measuring"}
    assert timeless(json.loads(found.to_json())) == timeless(json.loads(whole.to_json()))


def regression():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 4, generator=generator)
    return x, x.sum(1) + 0.1 * torch.randn(120, generator=generator)


def fails_on_few(output, target):
    if len(target) < 24:
        raise ValueError("too few rows")
    return float((output.argmax(-1) == target).float().mean())


@pytest.mark.parametrize(
    ("metric", "rows"), [("macro_f1", True), ("auc", True), (fails_on_few, False)]
)
def test_metrics_that_are_no_mean_over_rows_have_an_interval_for_rows_where_they_can(
    blobs, tmp_path, metric, rows
):
    found = tune(study(blobs, metric=metric), storage=str(tmp_path / "a.db"), workers=0)
    assert np.isfinite([found.gain.mean, found.gain.low, found.gain.high]).all()
    told = any("new seeds on these rows, and not for new rows" in w for w in found.warnings)
    assert (found.gain.rows > 0, told) == (rows, not rows)


def test_a_study_of_how_soon_a_score_is_reached_has_seeds_as_its_only_error(blobs, tmp_path):
    found = tune(study(blobs, reach=0.8), storage=str(tmp_path / "a.db"), workers=0)
    assert (found.gain.rows, found.gain.test) == (0, None)
    assert found.metric == "epochs to accuracy 0.8"
    own = found.baseline.scores
    assert len(own) == 3


def test_a_regression_is_measured_on_its_rows(tmp_path):
    asked = study(regression, build=lambda: net(1), metric="r2")
    found = tune(asked, storage=str(tmp_path / "a.db"), workers=0)
    assert found.gain.rows > 24
    assert found.gain.test.rows == 24
