"""A study whose data do not fit into its time is done on a share of the rows."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import advisor
from advisor.search import share
from advisor.search.plan import Plan
from advisor.search.share import EpochRows, EpochTime
from advisor.store.database import Database
from advisor.verdict.recommendation import Recommendation

ROWS = 4000


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3))


def asked(name="large", trials=3, minutes=5.0):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 4, generator=generator)
    task = advisor.Task(net, (rows, rows[:, :3].argmax(1)), batch=64)
    only = {"activation": ["relu"]}
    return advisor.Study(name, task, trials=trials, minutes=minutes, epochs=1, seeds=3, only=only)


@pytest.fixture
def slow(monkeypatch):
    """A machine on which an epoch of a few rows takes long, whatever the clock says."""
    timed = EpochTime(EpochRows(100, 30), epoch=0.5, around=0.0)
    monkeypatch.setattr(share, "timed_epoch", lambda *given: timed)


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path / 'a.db'}"


def answer_and_notes(storage, **how):
    notes = []
    answer = advisor.tune(asked(**how), storage=storage, workers=0, on=lambda e: notes.append(e))
    return answer, [event.text for event in notes]


def test_a_study_without_room_for_all_rows_says_how_many_it_is_done_on(slow, storage):
    answer, notes = answer_and_notes(storage)
    told = [text for text in notes if "1,000 of 2,400 training rows" in text]
    assert len(told) == 1
    assert "--minutes" in told[0]
    plain = json.loads(answer.to_json())
    assert plain["train_rows"] == {"used": 1000, "of": 2400}
    assert any("1,000 of 2,400 training rows" in text for text in answer.warnings)
    again = Recommendation.from_json(answer.to_json())
    assert again.train_rows == answer.train_rows
    # what scores are fewer rows as well, and the interval says of how many
    assert 0 < answer.gain.rows < ROWS / 2


def test_a_measuring_seed_is_replayed_on_the_same_rows(slow, storage):
    answer, _ = answer_and_notes(storage)
    assert answer.train().score == answer.recommended.scores[0]


def test_a_study_that_goes_on_keeps_its_rows_on_any_machine(slow, storage, monkeypatch):
    first, _ = answer_and_notes(storage)
    monkeypatch.undo()
    more, notes = answer_and_notes(storage, trials=5, minutes=9.0)
    assert more.train_rows == first.train_rows
    assert not any("training rows, and" in text for text in notes)
    with Database(storage, ("activation",)) as database:
        assert Plan.from_json(database.study("large").plan()).rows == 1000


def test_data_that_fit_are_used_as_a_whole(storage):
    answer, notes = answer_and_notes(storage)
    assert json.loads(answer.to_json())["train_rows"] is None
    assert not any("training rows" in text for text in (*notes, *answer.warnings))


def test_plans_of_earlier_versions_mean_all_rows(storage):
    answer_and_notes(storage)
    with Database(storage, ("activation",)) as database:
        plain = database.study("large").plan()
    assert "rows" not in plain
    assert Plan.from_json(plain).rows is None


STUDY = """
import advisor
from torch import nn


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 2))


task = advisor.Task(net, data="rows.csv", target="label", batch=64)
only = {"activation": ["relu"]}
study = advisor.Study("large", task, trials=3, minutes=5, epochs=1, seeds=3, only=only)
"""


def test_an_export_replays_its_rows_and_keeps_the_others_for_a_final_training(
    slow, storage, tmp_path, monkeypatch
):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 4, generator=generator).tolist()
    lines = [",".join([*map(str, row), str(int(row[0] > row[1]))]) for row in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,d,label", *lines]))
    (tmp_path / "study.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    advisor.tune("study.py", storage=storage, workers=0)
    folder = advisor.export("large", tmp_path / "out", storage=storage)
    kept = load_file(tmp_path / "out" / "rows.safetensors")
    assert folder is not None
    assert len(kept["train"]) == 1000
    assert len(torch.cat(list(kept.values())).unique()) == ROWS
    assert json.loads((tmp_path / "out" / "recommendation.json").read_text())["train_rows"]
