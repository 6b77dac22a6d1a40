"""A dry run says what would be tried and about how long it takes, and writes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.store.query import read

ONLY = {"activation": ["elu", "relu"], "initializer": ["he"], "pretraining": [], "embedding": []}


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def study(data, task=None, **settings):
    settings = {"trials": 4, "epochs": 5, "seeds": 3, "only": ONLY, **settings}
    task = task or advisor.Task(net, data, batch=4)
    return advisor.Study("looked-at", task, **settings)


def test_a_dry_run_tells_what_the_study_then_does(blobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = study(blobs)
    found = json.loads(advisor.dry_run(asked, workers=0).to_json())
    assert not [*tmp_path.iterdir()]  # no database, and no folder for one
    assert found["slots"]["activation"] == ["keep", "elu"]
    (skip,) = [skip for skip in found["skipped"] if skip["slot"] == "activation"]
    assert skip["technique"] == "relu"
    assert "has it already" in skip["why"]
    assert (found["arms"], found["begun"], found["trials"]) == (4, None, 4)
    assert found["rates"]["training.lr"] == {"first": 0.001, "low": 0.0001, "high": 0.1}
    assert found["epochs"] == {"low": 5, "high": 5}
    assert found["trainings"]["measuring"] == {"low": 6, "high": 6}
    assert "steps of 4 rows" in found["measured_by"]

    # The study that follows is the one that was told.
    answer = advisor.tune(asked, storage="a.db", workers=0)
    assert {skip.technique for skip in answer.skipped} >= {"relu"}
    tables = read("sqlite:///a.db", "SELECT count(*) FROM advisor_curves")[1]
    searched = found["trainings"]["search"]
    assert searched["low"] / 2 <= tables[0][0] / 5 <= 2 * searched["high"]
    measured = read(
        "sqlite:///a.db", "SELECT count(*) FROM advisor_confirmations WHERE phase = 'measure'"
    )
    assert measured[1][0][0] >= found["trainings"]["measuring"]["low"]
    assert found["seconds"]["low"] > 0

    # A study that was begun is told as it stands, and its file stays as it is.
    before = hashlib.sha256((tmp_path / "a.db").read_bytes()).digest()
    files = sorted(path.name for path in tmp_path.iterdir())
    again = advisor.dry_run(replace(asked, trials=9), storage="a.db", workers=0)
    assert again.begun == 4
    other = study(blobs, advisor.Task(net, blobs, batch=8))
    with pytest.raises(InputError, match="was begun differently: batch was 4 and is 8"):
        advisor.dry_run(other, storage="a.db", workers=0)
    assert hashlib.sha256((tmp_path / "a.db").read_bytes()).digest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_the_time_grows_with_the_data_and_shrinks_with_workers(blobs):
    x, y = blobs
    small = advisor.dry_run(study(blobs), workers=0)
    large = advisor.dry_run(study((x.repeat(8, 1), y.repeat(8))), workers=0)
    assert large.clocked.epoch > 3 * small.clocked.epoch
    from advisor.verdict.forecast import times

    one = times(small.amount, small.epochs, small.clocked.epoch, 1)
    two = times(small.amount, small.epochs, small.clocked.epoch, 2)
    assert two.high == pytest.approx(one.high / 2)


@pytest.mark.proof
def test_free_epochs_are_those_that_the_pilot_settles_on(blobs, tmp_path, monkeypatch):
    from advisor.search import tried_pilot
    from advisor.search.pilot import pilot
    from advisor.work.crews import crew

    monkeypatch.setattr(tried_pilot, "TRIED_SECONDS", 1000.0)  # however busy this machine is
    asked = study(blobs, advisor.Task(net, blobs, batch=64), epochs=None)
    found = advisor.dry_run(asked, workers=0)
    assert found.epochs.low == found.about.epochs == found.epochs.high
    assert found.clocked.by == f"a training of {found.about.epochs} epochs"
    with crew(0, print) as workforce:
        plan, _ = pilot(found.prepared, found.plan, tmp_path, workforce)
    assert plan.rungs[-1] == found.about.epochs

    # A training that would take long is not tried.
    monkeypatch.setattr(tried_pilot, "TRIED_SECONDS", 0.0)
    guessed = advisor.dry_run(asked, workers=0)
    assert guessed.epochs.low < guessed.about.epochs < guessed.epochs.high
    assert guessed.seconds.low < guessed.about.seconds < guessed.seconds.high


def test_a_loop_of_the_users_own_is_measured_by_one_epoch(blobs, tmp_path):
    told = str(tmp_path / "epochs")

    def fit(run):
        optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr)
        for epoch in range(run.epochs):
            with open(told, "a") as file:
                file.write(f"{epoch}")
            for x, y in run.loader(run.train):
                optimizer.zero_grad()
                run.loss(run.model(x), y).backward()
                optimizer.step()
            yield

    found = advisor.dry_run(study(blobs, advisor.Task(net, blobs, fit=fit, lr=0.01)), workers=0)
    assert found.clocked.by == "one epoch"
    assert found.clocked.epoch > 0
    assert (tmp_path / "epochs").read_text() == "0"


def test_a_model_that_cannot_be_trained_is_told_without_a_time(blobs):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.steps = net(), 0

        def forward(self, x):
            if torch.is_grad_enabled() and len(x) == 4 and self.training:
                raise ArithmeticError("not today")
            return self.inner(x)

    found = advisor.dry_run(study(blobs, advisor.Task(Odd, blobs, batch=4)), workers=0)
    assert found.seconds is None
    assert "ArithmeticError: not today" in found.clocked.by


def test_trainings_whose_length_is_not_known_are_counted_from_few_to_all(blobs):
    from advisor.verdict.forecast import Span, amount_of

    found = advisor.dry_run(study(blobs, trials=60), workers=0)
    searched = amount_of(found.plan, found.prepared.study, Span(0, 0), 20).search
    assert searched.high == 60
    assert searched.low < 30


def test_the_command_shows_it_and_gives_it_as_json(advise, write, tmp_path):
    write("net.py", "from torch import nn\n\ndef net():\n    return nn.Linear(1, 2)\n")
    rows = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(60))
    write("d.csv", "x,y\n" + rows)
    words = ("tune", "--model", "net.py:net", "--data", "d.csv", "--target", "y", "--dry-run")
    words = (
        *words,
        "--workers",
        "0",
        "--only",
        "initializer=he",
        "--quiet",
    )
    shown = advise(*words)
    assert shown.code == 0, shown.err
    assert "what would be tried (nothing was written)" in shown.out
    assert "about" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    plain = json.loads(advise(*words, "--json").out)
    assert plain["slots"]["initializer"] == ["keep", "he"]
    assert not (tmp_path / "studies").exists()
