"""Studies of worlds: their trainings are what the formulas say, and they go the real way to a verdict."""

from dataclasses import replace

import numpy as np
import pytest

import advisor
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef
from benchmarks.referee.drawn import Drawn, Training
from benchmarks.referee.kinds import World
from benchmarks.referee.simulated import rows_in, simulate, task_of
from benchmarks.referee.worlds import SD

WORLD = World("small", arms=2, test=40, pool=120, share=1 / 3, choosing=40)
MANY = World("many rows", arms=2, test=0, pool=1000, choosing=0, level=0.9)


def right(drawn, one, missed=None):
    return drawn.right(one, np.arange(drawn.rows), drawn.targets, missed)


def test_a_training_is_the_same_however_often_and_for_which_rows_it_is_asked():
    drawn, one = Drawn(1, 2.0, WORLD), Training(1, 0.01, 5)
    again = Drawn(1, 2.0, WORLD).right(one, np.arange(7, 20), drawn.targets[7:20])
    assert (right(drawn, one)[:, 7:20] == again).all()
    assert (right(drawn, one) != right(drawn, replace(one, seed=6))).any()


@pytest.mark.parametrize(("gain", "tied"), [(0.0, 0.0), (4.0, 0.0), (4.0, 0.6)])
def test_the_scores_of_many_studies_are_the_truth_on_average(gain, tied):
    off = []
    for number in range(120):
        drawn = Drawn(number, gain, replace(MANY, tied=tied), rate_loss=0.0)
        both = []
        for arm in (0, 1):
            held = np.random.default_rng(number).permutation(1000)[:300]
            missed = drawn.missed(arm, np.arange(1000), held) if tied else None
            one = Training(arm, 0.01, 0)
            both.append(right(drawn, one, missed)[:, held].mean() - drawn.mean_score(arm, 0.01))
        off.append(both[1] - both[0])
    assert np.mean(off) == pytest.approx(0, abs=4 * np.std(off) / np.sqrt(len(off)))
    assert np.std(off) > SD


def test_a_rate_that_is_not_the_best_costs_and_the_gain_is_that_of_the_first_technique():
    drawn = Drawn(3, 2.0, WORLD)
    for arm, gain in ((0, 0.0), (1, 2.0 * SD), (2, 0.0)):
        best = drawn.best_rate(arm)
        assert drawn.mean_score(arm, best) == pytest.approx(gain)
        assert drawn.mean_score(arm, 10 * best) == pytest.approx(gain - 0.01)


def test_a_training_that_breaks_answers_one_class():
    drawn = Drawn(4, 0.0, replace(WORLD, collapse=1.0))
    assert (right(drawn, Training(1, 0.01, 5)) == (drawn.targets == 0)).all()


@pytest.mark.parametrize(
    ("given", "drew_test"),
    [({}, True), ({"gave_valid": True}, True), ({"gave_valid": True, "gave_test": True}, False)],
)
def test_the_user_gives_what_the_world_says(given, drew_test):
    world = replace(WORLD, pool=160, **given) if drew_test and given else replace(WORLD, **given)
    study = advisor.Study("given", task_of(Drawn(0, 0.0, world)), epochs=1)
    prepared = prepare(StudyRef.of(study))
    assert prepared.source.drew_test is drew_test
    choosing = rows_in(prepared.splits(0).valid)
    one, other = (prepared.measuring_splits(seed) for seed in (1, 2))
    assert len(one.test) == world.test
    assert len(choosing) == world.choosing
    assert not set(rows_in(one.valid)) & set(choosing)
    assert set(rows_in(one.valid)) != set(rows_in(other.valid))
    assert (set(choosing) <= set(rows_in(one.train))) is not world.gave_valid


def test_a_study_goes_the_real_way_and_finds_a_large_gain():
    spec = replace(WORLD, test=200, pool=600, choosing=200)
    answer = simulate(Drawn(0, 8.0, spec), trials=10)
    assert answer.verdict == "change"
    assert answer.choice == "activation=t0"
    assert answer.truth == pytest.approx(8 * SD, abs=0.02)
    assert answer.low < answer.gain < answer.high
    assert answer.trainings > 2 * answer.pairs >= 10
