"""How a study keeps to its time."""

import time

import pytest

from advisor.search.deadline import LAST_SECONDS, Deadline, Pace, kept_of
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.work.job import Outcome


def outcome(seconds, *epochs, ended=None):
    curve = [Epoch(number + 1, 0.5, 0.1, each) for number, each in enumerate(epochs)]
    return Outcome(curve=curve, seconds=seconds, ended=ended)


def test_a_full_training_takes_its_epochs_and_what_is_around_them():
    pace = Pace(epochs=5)
    assert pace.training == 0
    pace.add(outcome(3.0, 1.0, 1.0))
    pace.add(outcome(6.0, 1.0, 1.0, 1.0))
    pace.add(outcome(9.0, 9.0, ended=Ended.EARLY_LOSS))
    assert pace.training == pytest.approx(2.0 + 5 * 1.0)


@pytest.mark.parametrize(
    ("needed", "kept"),
    [(10, 24), (30, 30), (60, 45)],  # its share; what it needs; never more than three quarters
)
def test_the_search_gives_way_to_the_shortest_confirmation(needed, kept):
    assert kept_of(60, 0.4, needed) == kept


def paced(seconds):
    pace = Pace(epochs=1)
    pace.add(outcome(seconds, seconds))
    return pace


def test_a_search_without_a_limit_never_gives_way():
    assert not Deadline().gives_way(paced(1e9))


@pytest.mark.parametrize(
    ("left", "training", "gives_way"),
    [
        (1000, 10.0, False),
        (500, 10.0, False),  # sixteen trainings take less than the share of 400 s
        (390, 10.0, True),
        (500, 35.0, True),  # they have turned out to be slow
    ],
)
def test_a_search_gives_way_when_trainings_turn_out_to_be_slow(left, training, gives_way):
    deadline = Deadline(time.monotonic() + left, limit=1000, share=0.4, least=15)
    assert deadline.gives_way(paced(training)) is gives_way


@pytest.mark.parametrize(("computed", "times"), [(0.0, 1), (4.0, 1), (2.0, 2), (0.1, 8)])
def test_what_comes_last_takes_longer_where_others_use_the_processor(computed, times):
    pace = Pace(epochs=1)
    pace.add(Outcome(curve=[Epoch(1, 0.5, 0.1, 4.0)], seconds=4.0, computed=computed))
    assert pace.last == times * LAST_SECONDS
