"""Rows are drawn number by number as scikit-learn draws them."""

import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from advisor.data.draws import draw_any, draw_in_proportion, draws_of_groups

COUNTS = [[50, 50], [3, 97], [2, 2, 2], [7, 11, 13, 17, 101], [1000, 3, 5, 700]]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("fraction", [0.2, 0.25, 1 / 3, 0.5])
@pytest.mark.parametrize("count", [3, 10, 997])
def test_any_rows(count, fraction, seed):
    kept, drawn = draw_any(count, fraction, np.random.RandomState(seed))
    theirs = train_test_split(np.arange(count), test_size=fraction, random_state=seed)
    assert [kept.tolist(), drawn.tolist()] == [each.tolist() for each in theirs]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.2, 0.25, 1 / 3, 0.5])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_rows_of_each_class_in_proportion(counts, fraction, seed):
    labels = np.random.RandomState(9).permutation(np.repeat(np.arange(len(counts)) * 3, counts))
    try:
        theirs = train_test_split(
            np.arange(len(labels)), test_size=fraction, random_state=seed, stratify=labels
        )
    except ValueError:
        with pytest.raises(ValueError, match="classes"):
            draw_in_proportion(labels, fraction, np.random.RandomState(seed))
        return
    ours = draw_in_proportion(labels, fraction, np.random.RandomState(seed))
    assert [each.tolist() for each in ours] == [each.tolist() for each in theirs]


@pytest.mark.parametrize("seed", range(5))
def test_whole_groups(seed):
    groups = np.random.RandomState(seed).randint(0, 12, 200) * 5
    splitter = GroupShuffleSplit(7, test_size=0.25, random_state=seed)
    theirs = list(splitter.split(groups, groups=groups))
    ours = list(draws_of_groups(groups, 0.25, 7, np.random.RandomState(seed)))
    assert len(ours) == len(theirs) == 7
    for mine, other in zip(ours, theirs, strict=True):
        assert [each.tolist() for each in mine] == [each.tolist() for each in other]


def test_nothing_is_left_of_one_row():
    with pytest.raises(ValueError, match="none would be left"):
        draw_any(1, 0.2, np.random.RandomState(0))
