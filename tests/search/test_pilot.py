"""How long the model as it is is trained, and what a training costs by an estimate."""

import pytest
from torch import nn

from advisor.randomness import mix
from advisor.search.estimate import estimate
from advisor.search.pilot import pilot, still_improves
from advisor.search.plan import Plan, make_plan
from advisor.work.executors import Crew, Serial
from advisor.work.job import Job, work
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def test_the_estimate_of_a_training_is_the_same_every_time_and_grows_with_the_model(study, net):
    class Wide(net):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 4096), nn.Linear(4096, 2)

    one, wide = (prepare(StudyRef.of(study(build=build))) for build in (net, Wide))
    assert estimate(one, 3) == estimate(one, 3) == pytest.approx(3 * estimate(one, 1))
    assert estimate(wide, 3) > 1.2 * estimate(one, 3)


def test_where_the_model_goes_on_improving_the_search_may_train_longer(study, tmp_path):
    prepared = prepare(StudyRef.of(study(epochs=None)))
    planned, first = pilot(prepared, make_plan(prepared), tmp_path, Crew(Serial, 1))
    assert planned.epochs == prepared.epochs == len(first.curve)
    improves = still_improves(prepared.objective.metric, first, planned.epochs)
    assert improves
    assert planned.longest == 4 * prepared.epochs
    assert not planned.is_settled
    assert Plan.from_json(planned.to_json()) == planned


def test_where_no_order_is_seen_in_longer_trainings_the_pilot_doubles_and_is_the_first_trial(
    study, tmp_path
):
    ref = StudyRef.of(study(epochs=None, reach=0.95))
    prepared = prepare(ref)
    planned, first = pilot(prepared, make_plan(prepared), tmp_path, Crew(Serial, 1))
    epochs = planned.epochs
    assert planned.is_settled
    assert epochs > prepared.epochs
    assert [epoch.epoch for epoch in first.curve] == list(range(1, epochs + 1))
    is_longest = 2 * epochs > 4 * prepared.epochs
    assert is_longest or not still_improves(prepared.objective.metric, first, epochs)

    params = {**planned.baseline, **planned.defaults_of(planned.baseline)}
    seed = mix(prepared.study.seed, "search")
    again = work(Job(ref, "again", prepared.digest, params, seed, 0, planned.batch, 0, epochs))
    assert [(e.score, e.loss) for e in again.curve] == [(e.score, e.loss) for e in first.curve]


def test_a_number_of_epochs_that_the_user_gave_is_kept(study, tmp_path):
    prepared = prepare(StudyRef.of(study(epochs=3)))
    planned, first = pilot(prepared, make_plan(prepared), tmp_path, Crew(Serial, 1))
    assert (planned.epochs, len(first.curve)) == (3, 3)
