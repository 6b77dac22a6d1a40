"""How a study keeps to its time."""

import math
import time

import pytest

from advisor.search.deadline import Deadline, Pace, kept_of
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


def test_a_search_without_a_limit_never_gives_way():
    assert not Deadline().gives_way(math.inf)


def test_a_search_gives_way_when_trainings_turn_out_to_be_slow():
    deadline = Deadline(ends=time.monotonic() + 1000, limit=1000, share=0.4, least=15)
    assert not deadline.gives_way(10.0)
    assert Deadline(deadline.ends - 500, 1000, 0.4, 15).gives_way(35.0)
