"""A comparison in the database: it goes on, answers again, and counts."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import torch
from torch import nn

import advisor
from advisor.comparing import measured
from advisor.store.query import read
from advisor.work import executors

URL = "sqlite:///studies.db"


def narrow():
    return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))


def wide():
    return nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 2))


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def compare(blobs):
    """Compare `narrow` with another net on the same data."""

    def compare(other=wide, seed=0, **settings):
        nets = {"narrow": narrow, "other": other}
        studies = [
            advisor.Study(name, advisor.Task(net, blobs), epochs=2, seed=seed)
            for name, net in nets.items()
        ]
        settings = {"seeds": 3, "storage": URL, "workers": 0, **settings}
        return advisor.compare(*studies, **settings)

    return compare


def test_the_seeds_of_a_side_are_trained_together(compare, monkeypatch):
    sizes, work = [], executors.work_on_stack

    def watched(stack):
        sizes.append(len(stack.jobs))
        return work(stack)

    monkeypatch.setattr(executors, "work_on_stack", watched)
    together = compare()
    assert sizes == [3, 3]  # measuring seeds; choosing ones are too few for two workers
    monkeypatch.setattr(measured, "why_no_stack", lambda *_: "a test wants it so")
    alone = compare(storage="sqlite:///alone.db")
    assert len(sizes) == 2
    for one, other in zip(together.sides, alone.sides, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


class Stopped(BaseException):
    """Ends a comparison wherever it is."""


def test_a_comparison_that_was_stopped_goes_on_and_gives_the_same_numbers(compare):
    whole = compare(storage="sqlite:///whole.db")

    seen = []

    def stop(event):
        seen.append(event)
        if event.stage == "confirm" and event.done >= 5:
            raise Stopped

    with pytest.raises(Stopped):
        compare(on=stop)
    _, before = read(URL, "SELECT COUNT(*) FROM advisor_confirmations")
    trained = []
    again = compare(on=lambda event: trained.append(event) if event.stage == "confirm" else None)
    assert before[0][0] == 5
    _, after = read(URL, "SELECT COUNT(*) FROM advisor_confirmations")
    assert len(trained) == after[0][0] - 5
    assert [side.scores for side in again.sides] == [side.scores for side in whole.sides]
    assert again.gains == whole.gains


def test_a_comparison_that_is_done_answers_at_once_and_more_pairs_go_on(compare):
    first = compare()
    told = []
    assert compare(on=told.append) == first
    assert [event.stage for event in told] == ["opened", "verdict"]
    more = compare(seeds=4, on=told.append)
    seeds = [event for event in told if event.stage == "confirm"]
    assert [event.text.rpartition("seed ")[2] for event in seeds] == ["4 of 4"] * 2
    assert more.sides[1].scores[:3] == first.sides[1].scores
    assert more.gains[0].needed is None, "no level is left for another look"
    assert len(more.sides[1].scores) == 4
    assert (more.comparison, more.verdicts) == (first.comparison, 1)
    # what has been measured is not judged again by less of it
    assert compare(seeds=3) == more
    (told,) = compare(seeds=6).warnings
    assert "No level is left for another look" in told


def test_verdicts_are_counted_by_the_rows_whatever_the_name_and_the_seed(compare):
    def other():
        return nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 2))

    places = [
        compare().verdicts,
        compare(name="mine").verdicts,  # the same question
        compare(other, name="yours").verdicts,
        compare(seed=1).verdicts,
    ]
    assert places == [1, 1, 2, 3]
    _, rows = read(URL, "SELECT DISTINCT rows FROM advisor_verdicts")
    assert len(rows) == 1


def test_a_name_that_was_used_for_something_else_is_refused(compare):
    compare(name="mine")
    with pytest.raises(advisor.InputError, match=r"'mine' was begun differently.*wide"):
        compare(narrow, name="mine")


def test_a_database_of_an_older_version_gets_the_tables(compare, blobs):
    task = advisor.Task(narrow, blobs)
    study = advisor.Study("small", task, trials=1, epochs=1, seeds=3, only={"activation": []})
    advisor.tune(study, storage=URL, workers=0)
    with closing(sqlite3.connect("studies.db")) as old:
        old.execute("DROP TABLE advisor_comparisons")
        old.execute("DROP TABLE advisor_verdicts")
        old.execute("DROP TABLE advisor_measured_rows")
    assert compare().verdicts == 1
    _, rows = read(URL, "SELECT evidence, verdict FROM advisor_comparisons")
    assert len(rows) == 1


def test_a_study_and_a_comparison_cannot_share_a_name(compare, blobs):
    compare(name="mine")
    study = advisor.Study("mine", advisor.Task(narrow, blobs), trials=1, epochs=1)
    with pytest.raises(advisor.InputError, match="has a comparison 'mine'"):
        advisor.tune(study, storage=URL, workers=0)


def test_workers_give_the_numbers_of_this_process(compare):
    one = compare(storage="sqlite:///one.db")
    two = compare(storage="sqlite:///two.db", workers=1)
    assert [side.scores for side in one.sides] == [side.scores for side in two.sides]


def test_findings_that_come_with_a_side_are_told(compare):
    def started_too_large():
        net = wide()
        torch.nn.init.normal_(net[0].weight, std=40)
        torch.nn.init.normal_(net[2].weight, std=40)
        return net

    found = compare(started_too_large)
    assert found.gains[0].came
    assert set(found.gains[0].came) <= set(found.sides[1].findings)
