"""One listener is told what happens, typed and in order, and its faults end nothing."""

from __future__ import annotations

import pytest
from torch import nn

import advisor
from advisor.store.query import read
from advisor.user_code import Interrupted

FOUR = ["elu", "gelu", "silu", "tanh"]
ONLY = {"activation": FOUR, "initializer": [], "pretraining": [], "embedding": []}


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def study(data, **settings):
    settings = {"trials": 5, "epochs": 5, "seeds": 3, "only": ONLY, **settings}
    return advisor.Study("heard", advisor.Task(net, data, batch=4), **settings)


def of(kind, heard):
    return [event for event in heard if isinstance(event, kind)]


def test_a_listener_is_told_of_each_trial_each_seed_and_the_verdict(blobs, tmp_path):
    heard, again = [], []
    asked, place = study(blobs), str(tmp_path / "a.db")
    answer = advisor.tune(asked, storage=place, workers=0, on=heard.append)

    # The first and the last event, and what they say.
    opened, given = heard[0], heard[-1]
    assert isinstance(opened, advisor.StudyOpened)
    assert (opened.study, opened.metric, opened.direction) == ("heard", "accuracy", "maximize")
    assert sorted(opened.techniques["activation"]) == FOUR
    assert opened.settings["seed"] == 0
    assert isinstance(given, advisor.VerdictGiven)
    assert (given.verdict, given.evidence) == (answer.verdict, answer.evidence)
    assert given.answer is answer

    # Each trial is told once, with what the database has of it, also one that was cut.
    trials = of(advisor.TrialEnded, heard)
    url = f"sqlite:///{place}"
    query = "SELECT number, stage, state, score, activation FROM advisor_trials"
    rows = {row[0]: tuple(row[1:]) for row in read(url, query)[1]}
    assert sorted(trial.number for trial in trials) == sorted(rows)
    states = set()
    for trial in trials:
        stage, state, score, technique = rows[trial.number]
        assert (trial.stage, trial.score) == (stage, score)
        assert trial.choices["activation"] == technique
        assert (trial.ended is None) == (state == "COMPLETE")
        assert [epoch.epoch for epoch in trial.curve] == [*range(1, trial.epochs + 1)]
        assert set(trial.params) >= {"training.lr", "training.weight_decay"}
        states.add(trial.ended)
    assert states == {None, "outranked"}

    # Each seed, too; a pair has one place.
    seeds = of(advisor.SeedEnded, heard)
    query = "SELECT phase, arm, score, test FROM advisor_confirmations"
    assert sorted((one.phase, one.label, one.score, one.test) for one in seeds) == sorted(
        tuple(row) for row in read(url, query)[1]
    )
    measured = [one for one in seeds if one.phase == "measure"]
    assert {one.place for one in measured} == {0, 1, 2}

    # Asked again, nothing happens but the answer.
    advisor.tune(asked, storage=place, workers=0, on=again.append)
    assert [type(event) for event in again] == [advisor.StudyOpened, advisor.VerdictGiven]


def test_a_listener_that_raises_is_told_once_and_changes_nothing(blobs, tmp_path, capsys):
    def broken(event):
        broken.calls += 1
        raise SystemExit("no server")

    broken.calls = 0
    asked = study(blobs, trials=1, epochs=1)
    answer = advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=0, on=broken)
    said = capsys.readouterr()
    assert broken.calls > 3
    assert said.err.count("the listener of on= raised SystemExit: no server") == 1
    assert "broken, test_listening.py:" in said.err
    assert "at StudyOpened" in said.err
    assert said.out == ""
    quiet = advisor.tune(asked, storage=str(tmp_path / "b.db"), workers=0)
    assert (quiet.verdict, quiet.baseline.scores) == (answer.verdict, answer.baseline.scores)


def test_a_person_who_interrupts_a_listener_ends_the_study(blobs, tmp_path):
    def interrupted(event):
        raise Interrupted

    asked = study(blobs, trials=1, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=0, on=interrupted)


def test_a_comparison_tells_its_sides_its_seeds_and_its_verdict(blobs, tmp_path):
    def wide():
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    sides = [advisor.Study(f.__name__, advisor.Task(f, blobs), epochs=1) for f in (net, wide)]
    heard = []
    answer = advisor.compare(
        *sides, seeds=3, storage=str(tmp_path / "a.db"), workers=0, on=heard.append
    )
    opened, given = heard[0], heard[-1]
    assert isinstance(opened, advisor.StudyOpened)
    assert (opened.sides, opened.study) == (("net", "wide"), answer.comparison)
    seeds = of(advisor.SeedEnded, heard)
    assert {(one.phase, one.label) for one in seeds} == {
        (phase, side) for phase in ("choose", "measure") for side in ("net", "wide")
    }
    assert isinstance(given, advisor.VerdictGiven)
    assert (given.study, given.answer) == (answer.comparison, answer)


def test_a_listener_cannot_change_a_study(blobs, tmp_path):
    def meddling(event):
        if isinstance(event, advisor.TrialEnded | advisor.SeedEnded):
            event.choices.clear()
            event.params.clear()
            event.curve = ()

    asked = study(blobs, trials=2, epochs=1)
    found = advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=0, on=meddling)
    assert found.trials.total == 2
