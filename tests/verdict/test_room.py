"""What a confirmation has time for."""

import pytest

from advisor.verdict.room import (
    FEW_PAIRS,
    MOST_OTHERS,
    least_slots,
    others_in_time,
    pairs_in_time,
    slots_to_choose,
    slots_to_measure,
)


@pytest.mark.parametrize(
    ("workers", "slots"),
    # two seeds of three arms, a third one, and three of the best arm's rates; then five pairs
    [(1, 6 + 3 + 3 + 1.2 * 10), (2, 3 + 2 + 2 + 1.2 * 5), (8, 1 + 1 + 1 + 1.2 * 2)],
)
def test_the_shortest_confirmation_is_counted_by_what_waits_for_each_other(workers, slots):
    assert least_slots(workers) == pytest.approx(slots)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_arms_and_pairs_fit_into_the_slots_that_are_left(workers):
    for slots in range(int(least_slots(workers)) + 1, 80):
        others = others_in_time(slots, workers)
        if 1 < others < MOST_OTHERS:
            used = slots_to_choose(others, workers) + slots_to_measure(FEW_PAIRS, workers)
            assert used <= slots
        pairs = pairs_in_time(slots, workers)
        assert pairs == FEW_PAIRS or slots_to_measure(pairs, workers) <= slots


def test_there_are_never_fewer_than_one_arm_and_five_pairs():
    assert (others_in_time(0, 2), pairs_in_time(0, 2)) == (1, FEW_PAIRS)
    assert others_in_time(float("inf"), 2) == MOST_OTHERS
