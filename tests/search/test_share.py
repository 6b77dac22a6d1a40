"""On how many rows a study with a time limit is done."""

import pytest

from advisor.search.share import EpochRows, EpochTime, rounded_down, rows_in_time

ALL = EpochRows(600_000, 200_000)
TIMED = EpochTime(EpochRows(3_000, 1_000), epoch=0.01, around=0.1)


@pytest.mark.parametrize(
    ("seconds", "epochs", "rows"),
    [
        (11.0, 5, None),  # all rows take 0.1 + 5 * 2 s
        (10.0, 5, 590_000),
        (1.1, 5, 59_000),  # beside a third as many that are scored
        (1.1, 10, 29_000),
        (0.01, 5, 1_000),  # never fewer: the search gives way
    ],
)
def test_rows_give_way_until_a_training_takes_as_long_as_it_may(seconds, epochs, rows):
    assert rows_in_time(TIMED, ALL, seconds, epochs, fewest=1_000) == rows


def test_few_rows_are_all_kept():
    assert rows_in_time(TIMED, EpochRows(900, 300), 0.01, 5, fewest=1_000) is None


@pytest.mark.parametrize(("rows", "rounded"), [(0, 0), (7, 7), (999, 990), (53_571, 53_000)])
def test_a_number_of_rows_is_told_in_two_digits(rows, rounded):
    assert rounded_down(rows) == rounded


def test_as_many_rows_of_the_users_own_score_as_train_where_there_are_few():
    assert EpochRows(600_000, 20_000).share(6_000) == EpochRows(6_000, 6_000)
    assert EpochRows(600_000, 20_000).share(60_000) == EpochRows(60_000, 10_000)
