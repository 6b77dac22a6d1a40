"""How long trainings are: only where the order of the leading arms asks for it are they longer."""

from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from advisor.randomness import mix
from advisor.search import search as searching
from advisor.search.length import order_changes
from advisor.search.pilot import pilot
from advisor.search.plan import Plan, make_plan
from advisor.search.search import Search
from advisor.store.database import Database
from advisor.training.criterion import Criterion
from advisor.training.epoch import Epoch
from advisor.training.metrics import Metric
from advisor.work.executors import Crew, Serial
from advisor.work.job import Job, work
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

ACCURACY = Criterion(Metric("accuracy", lambda output, target: 0.0, True, 0.005))


def curve(*points, wobble=0.0):
    """A learning curve that comes to scores after 6 and 12 epochs, up and down by `wobble`."""
    scores = []
    for start, end in pairwise(points):
        scores += [start + (end - start) * min(1, step / 4) for step in range(1, 7)]
    scores = [score + wobble * (-1) ** place for place, score in enumerate(scores)]
    return [Epoch(place + 1, score, 1.0, 0.0) for place, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("baseline", "others", "changes", "why"),
    [
        (curve(0.2, 0.8, 0.9), [curve(0.3, 0.85, 0.95)], False, "the lead stays"),
        (curve(0.2, 0.8, 0.9), [curve(0.3, 0.85, 0.9)], True, "the lead goes"),
        (curve(0.2, 0.5, 0.9), [curve(0.3, 0.9, 0.97)], True, "most of the lead goes"),
        (curve(0.2, 0.8, 0.9), [curve(0.2, 0.8, 0.93)], True, "a lead comes"),
        (curve(0.2, 0.8, 0.8), [curve(0.3, 0.85, 0.8)], False, "a longer training brings nothing"),
        (curve(0.2, 0.8, 0.9), [], False, "there is nothing else"),
        (curve(0.2, 0.8, 0.9), [curve(0.3, 0.85, 0.95)[:8]], True, "an arm breaks"),
        (curve(0.2, 0.8, 0.9)[:8], [curve(0.3, 0.85, 0.9)], False, "the model itself breaks"),
        (
            curve(0.2, 0.8, 0.9),
            [curve(0.3, 0.815, 0.9, wobble=0.03)],
            False,
            "the lead that goes is within the noise",
        ),
        (
            curve(0.2, 0.7, 0.8),
            [curve(0.3, 0.86, 0.94), curve(0.3, 0.84, 0.96)],
            True,
            "two leading arms are in turned places",
        ),
    ],
)
def test_a_longer_training_must_pay_and_order_the_arms_otherwise(baseline, others, changes, why):
    curves = dict(enumerate([baseline, *others]))
    assert order_changes(ACCURACY, curves, 6) == changes, why


@contextmanager
def searched(ref, tmp_path, name, on=lambda event: None):
    """The search of a study whose model goes on improving, begun or gone on with."""
    prepared = prepare(ref)
    with (
        Database(f"sqlite:///{tmp_path}/{name}.db", prepared.host.built_in_slots) as database,
        Crew(Serial, 1) as crew,
        in_this_process(prepared),
    ):
        records, first = database.study(name), None
        folder = tmp_path / name
        recorded = records.plan()
        if recorded is None:
            plan, first = pilot(prepared, make_plan(prepared), folder, crew)
            direction = prepared.criterion.direction
            records.begin("accuracy", direction, plan.to_json(), ref.to_json())
        else:
            plan = Plan.from_json(recorded)
        search = Search(prepared, plan, records, crew, folder, on, first)
        yield search


@pytest.fixture
def few(study, monkeypatch):
    """A study with three techniques and short trainings, which the model as it is outlasts."""
    monkeypatch.setattr("advisor.work.task_facts.FULL_STEPS", 100)
    monkeypatch.setattr("advisor.work.task_facts.MOST_EPOCHS", 20)
    only = {"activation": ["elu", "tanh"], "initializer": ["he"], "pretraining": []}
    return StudyRef.of(study(epochs=None, trials=5, only=only))


def facts(search):
    """What a search has come to, without what the clock says."""
    trials = [
        (trial.params, trial.ended, trial.value, [(e.epoch, e.score, e.loss) for e in trial.curve])
        for trial in search.history.trials
    ]
    return replace(search.plan, absent=frozenset()), trials


@pytest.mark.parametrize("changes", [False, True])
def test_a_longer_full_training_is_that_of_the_leading_arms_and_else_leaves_no_trace(
    few, tmp_path, monkeypatch, changes
):
    monkeypatch.setattr(searching, "order_changes", lambda criterion, curves, epochs: changes)
    notes = []
    with searched(few, tmp_path, "one", lambda event: notes.append(event.text)) as search:
        usual = search.plan.epochs
        assert search.plan.longest == 4 * usual
        search.run()
        plan, opening = search.plan, search.history.trials[:4]
        assert plan == Plan.from_json(search.records.plan())
    assert plan.is_settled
    assert plan.epochs == (4 * usual if changes else usual)
    assert any(text.startswith(f"trials train for {plan.epochs} epochs: ") for text in notes)
    assert max(trial.epochs for trial in opening) == plan.epochs
    assert [trial.epochs for trial in opening if trial.is_complete].count(plan.epochs) >= 2

    # Every full trial is the training of its arm as if it had been asked for at once.
    prepared = prepare(few)
    for trial in opening:
        if trial.is_complete:
            seed = mix(prepared.study.seed, "search")
            job = Job(few, "again", prepared.digest, trial.params, seed, 0, plan.batch, 0, 0)
            again = work(replace(job, to_epoch=plan.epochs)).curve
            assert [e.score for e in again] == [e.score for e in trial.curve]
            # Trials of a rung are trained together, which rounds otherwise.
            assert [e.loss for e in again] == pytest.approx([e.loss for e in trial.curve], rel=1e-5)


def test_a_search_that_is_stopped_while_its_length_is_settled_goes_on_to_the_same_trials(
    few, tmp_path, monkeypatch
):
    monkeypatch.setattr(searching, "order_changes", lambda criterion, curves, epochs: True)
    with searched(few, tmp_path, "whole") as search:
        search.run()
        whole = facts(search)

    for place, stop_at in enumerate(["trial 2", "trials train for"]):

        def stop(event, stop_at=stop_at):
            if stop_at in event.text:
                raise KeyboardInterrupt

        name = f"stopped {place}"
        with searched(few, tmp_path, name, stop) as search, pytest.raises(KeyboardInterrupt):
            search.run()
        with searched(few, tmp_path, name) as search:
            search.run()
            assert facts(search) == whole, stop_at
