"""What each measured row adds to a score is kept, so that more pairs train only what is new."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from torch import nn

import advisor
from advisor.events import NOTE
from advisor.randomness import mix
from advisor.store import confirmed_seeds
from advisor.store.confirmed_seeds import Confirmation
from advisor.store.query import read
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.metrics import METRICS
from advisor.verdict.candidates import Candidate
from advisor.verdict.fresh_run import SeedPlace
from advisor.verdict.fresh_seeds import FreshSeedRuns
from advisor.work.job import Job, Outcome


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 2))


@pytest.fixture
def ask(blobs, tmp_path):
    """Ask about one small study with so many seeds: the answer, its measuring trainings, notes."""
    only = {"activation": ["elu"], "initializer": [], "pretraining": []}
    task = advisor.Task(net, blobs, metric="auc")
    study = advisor.Study("rows", task, trials=2, epochs=1, only=only)

    def ask(seeds, name):
        events = []
        storage = str(tmp_path / name)
        found = advisor.tune(
            replace(study, seeds=seeds), storage=storage, workers=0, on=events.append
        )
        trained = [event.text for event in events if ": measuring seed" in event.text]
        return found, trained, [event.text for event in events if event.stage == NOTE]

    return ask


def sizes(path):
    sql = "SELECT seed, part, measured, length(numbers) + length(added) FROM advisor_measured_rows"
    return read(f"sqlite:///{path}", sql)[1]


def test_a_second_look_trains_what_is_new_and_says_what_it_would_say_with_nothing_kept(
    ask, tmp_path, monkeypatch
):
    first, trained, _ = ask(3, "kept.db")
    assert len(trained) == 6
    found, trained, told = ask(4, "kept.db")
    assert [text.rpartition("seed ")[2] for text in trained] == ["4 of 4"] * 2
    assert not [text for text in told if "again" in text]
    assert found.gain.looks == [3, 4]
    assert {part for _, part, *_ in sizes(tmp_path / "kept.db")} == {"test", "held out"}

    # Of the same rows nothing is kept here.
    monkeypatch.setattr(confirmed_seeds, "MOST_BYTES", 100)
    other, trained, _ = ask(3, "large.db")
    assert len(trained) == 6
    assert vars(other.gain.test) == vars(first.gain.test)
    assert not sizes(tmp_path / "large.db")
    other, trained, told = ask(4, "large.db")
    assert len(trained) == 8
    (again,) = [text for text in told if "again" in text]
    assert again.startswith("6 trainings of measuring seeds are done again, as their answers")
    plain = [{**vars(gain), "test": vars(gain.test)} for gain in (found.gain, other.gain)]
    assert plain[0] == plain[1]


def test_what_needs_no_rows_is_neither_trained_nor_applied_again():
    known, new = (
        Candidate({"activation": name}, {"training.lr": 0.1}, None) for name in ("elu", "tanh")
    )

    def seed(phase):
        label, params = known.label, known.json_params()
        test = 0.9 if phase == "measure" else None
        return Confirmation(phase, label, params, mix(0, phase, 0), 0.9, 1.0, test)

    def run(jobs, is_late, spare):
        ran.append([fresh.label for fresh in jobs])
        return [(fresh, Outcome(ended=Ended.FAILED)) for fresh in jobs]

    ran = []
    records = SimpleNamespace(
        confirmations=lambda: [seed("choose"), seed("measure")],
        seeds_with_rows=list,
        save_confirmation=lambda *_: False,
        reading=lambda part: nullcontext(),
    )
    job = Job(None, "", None, {}, 0, 0, 8, 0, 1)
    accuracy, silent = Criterion(METRICS["accuracy"]), lambda *_: None
    place = SeedPlace(0, accuracy, SimpleNamespace(run=run), records, silent, silent)
    runs = FreshSeedRuns(place, lambda arm: job)
    assert runs.with_effect([known, new]) == [known, new]
    assert ran.pop() == [new.label], "what was trained had its effect"
    assert runs.score("measure", [known], range(1))[0][0].score == 0.9
    assert ran == [[]]
    runs.score("measure", [known], range(1), needs_rows=True)
    assert ran[-1] == [known.label], "its rows are not there"
