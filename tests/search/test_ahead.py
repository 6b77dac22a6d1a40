"""Many combinations are begun while others are asked for, which changes nothing about them."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from advisor.search.plan import make_plan
from advisor.search.search import Search
from advisor.search.stages import begins_ahead
from advisor.search.trial import Round, Stage
from advisor.store.database import Database
from advisor.store.query import read
from advisor.training.epoch import Epoch
from advisor.work.executors import Crew
from advisor.work.job import LastSignal, Outcome
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

TRIALS = 190


class Quick(ThreadPoolExecutor):
    """Answers at once, or never again after so many jobs; notes which jobs were asked."""

    def __init__(self, most=10_000):
        super().__init__(8)
        self.most, self.asked, self.saved = most, [], threading.Lock()

    def submit(self, fn, /, *args):
        self.asked.append(args[0])
        if len(self.asked) > self.most:
            raise KeyboardInterrupt
        return super().submit(answer, args[0])


def answer(job):
    """What a training would bring, as far as its parameters decide."""
    rng = random.Random(repr(sorted(job.params.items())))
    time.sleep(rng.uniform(0, 0.01))
    quality = rng.uniform(0.5, 0.9)
    outcome = Outcome(costs={"training": 1.0}, signal=LastSignal())
    for number in range(job.from_epoch + 1, job.to_epoch + 1):
        score = quality * (1 - 0.5**number)
        outcome.curve.append(Epoch(number, 1 - score, 1 - score, score, 0.01))
    return outcome


@pytest.fixture
def searched(study, tmp_path, monkeypatch):
    """Search a study in a database with an executor, and give the rows of its trials."""
    # As a model that is too large to be computed together with others.
    monkeypatch.setattr(Search, "_pays", lambda self, copies: False)

    def searched(name, executor, together=80):
        prepared = prepare(StudyRef.of(study(trials=TRIALS, epochs=4, round=together)))
        plan = replace(make_plan(prepared), rungs=[1, 4])
        url = f"sqlite:///{tmp_path}/{name}.db"
        with (
            Database(url, tuple(prepared.host.slots)) as database,
            Crew(lambda: executor, 8) as crew,
        ):
            records, criterion = database.study("blobs"), prepared.criterion
            if records.plan() is None:
                records.begin(criterion.name, criterion.direction, plan.to_json(), None)
            search = Search(prepared, plan, records, crew, tmp_path, lambda event: None)
            search.run()
        columns = "number, state, score, activation, initializer, pretraining"
        return read(url, f"SELECT {columns} FROM advisor_trials ORDER BY number")[1]

    return searched


@pytest.fixture
def told(monkeypatch):
    """What is begun ahead, by its keys."""
    told, begin = [], Crew.begin_ahead
    monkeypatch.setattr(
        Crew, "begin_ahead", lambda crew, jobs: (told.extend(jobs), begin(crew, jobs))
    )
    return told


def test_trials_are_the_same_whether_they_are_begun_while_others_are_asked_for(
    searched, told, monkeypatch
):
    ahead = Quick()
    rows = searched("ahead", ahead)
    assert len(told) >= 80
    # No job is done twice.
    asked = [(job.name, job.from_epoch) for job in ahead.asked]
    assert len(asked) == len(set(asked))

    monkeypatch.setattr("advisor.search.search.begins_ahead", lambda current, study: False)
    assert searched("one by one", Quick()) == rows


def test_a_search_that_is_stopped_while_it_asks_goes_on_with_the_same_trials(searched):
    asked = Quick()
    rows = searched("whole", asked)
    combinations = [
        place for place, job in enumerate(asked.asked) if job.name == f"trial {TRIALS // 2}"
    ]
    with pytest.raises(KeyboardInterrupt):
        searched("stopped", Quick(most=combinations[0]))
    assert searched("stopped", Quick()) == rows


def test_trials_are_the_same_whether_workers_wait_at_a_rung_or_begin_with_what_is_sure_to_go_on(
    searched, told, monkeypatch
):
    filled = Quick()
    rows = searched("filled", filled, together=8)
    assert len(told) >= 20
    asked = [(job.name, job.from_epoch) for job in filled.asked]
    assert len(asked) == len(set(asked)), "no job is done twice"

    monkeypatch.setattr(Search, "_sure_jobs", lambda *arguments: ())
    assert searched("waited", Quick(), together=8) == rows


def test_only_many_combinations_without_a_limit_of_time_are_begun_ahead(study):
    many, few = Round(Stage.EXPLORE, 20, 64), Round(Stage.EXPLORE, 20, 8)
    assert begins_ahead(many, study())
    assert not begins_ahead(few, study())
    assert not begins_ahead(Round(Stage.OPEN, 0, 64), study())
    assert not begins_ahead(many, study(minutes=1))
