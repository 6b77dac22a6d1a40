"""A share of the rows is drawn in proportion."""

import numpy as np
import pytest
import torch

from advisor.data.layout import RowKeys, lay_out
from advisor.data.share import drawn_of, strata_of
from advisor.data.source import open_source

ROWS = 4000


def inputs(rows=ROWS):
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))


def classes():
    """Nine tenths of class 0, a tenth of class 1, and three rows of class 2."""
    target = (torch.arange(ROWS) % 10 == 0).long()
    target[[5, 15, 25, 35, 45, 55]] = 2
    return target


def shares(target):
    return torch.bincount(target, minlength=3) / len(target)


def test_classes_keep_their_shares_and_none_is_lost():
    source = open_source(data=(inputs(), classes()), seed=1)
    some = source.on_rows(300, 1)
    for splits in (some.splits(1), some.splits(2), some.measuring_splits(1, 7)):
        assert len(splits.train) == 300
        assert len(splits.valid) == 100
        assert torch.allclose(shares(splits.train.target), shares(classes()), atol=0.01)
    test = some.splits(1).test
    assert len(test) == 300  # a share would be 100, of which there are enough to score more
    assert 2 in test.target


def test_the_same_seed_draws_the_same_rows_which_no_other_part_has():
    source = open_source(data=(inputs(), classes()), seed=1)
    one, other = (source.on_rows(500, 1).splits(3) for _ in range(2))
    assert torch.equal(one.train.rows, other.train.rows)
    every = torch.cat([one.train.rows, one.valid.rows, one.test.rows])
    assert len(every.unique()) == len(every)
    assert not torch.equal(one.train.rows, source.on_rows(500, 2).splits(3).train.rows)
    whole = source.splits(3)
    assert set(one.test.rows.tolist()) <= set(whole.test.rows.tolist())


def test_all_rows_come_back():
    source = open_source(data=(inputs(), classes()), seed=1)
    some = source.on_rows(500, 1)
    assert some.on_rows(None, 1) is source
    assert source.on_rows(len(source.splits(1).train), 1) is source
    assert len(some.whole().train) == ROWS
    assert some.facts.sizes["train"] == 500
    assert some.digests(source.splits(1)) == source.digests(source.splits(1))


def test_numbers_keep_their_distribution():
    values = torch.randn(ROWS, generator=torch.Generator().manual_seed(1)).exp()
    source = open_source(data=(inputs(), values), kind="regression", seed=1)
    drawn, every = source.on_rows(300, 1).splits(1).train.target, source.splits(1).train.target
    places = torch.tensor([0.1, 0.5, 0.9])
    assert torch.allclose(drawn.quantile(places), every.quantile(places), atol=0.15, rtol=0.15)


def test_groups_stay_on_one_side_and_each_keeps_its_share():
    groups = np.arange(ROWS) % 40
    source = open_source(data=(inputs(), classes()), group=groups, seed=1)
    splits = source.on_rows(600, 1).splits(1)
    sides = [set(groups[part.rows.numpy()]) for part in (splits.train, splits.valid, splits.test)]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]
    assert set.union(*sides) == set(range(40))


def test_later_rows_validate_and_no_part_of_the_time_is_left_out():
    times = np.arange(ROWS, dtype=float)
    source = open_source(data=(inputs(), classes()), time=times, seed=1)
    splits = source.on_rows(300, 1).splits(1)
    ends = [times[part.rows.numpy()] for part in (splits.train, splits.valid, splits.test)]
    assert ends[0].max() < ends[1].min()
    assert ends[1].max() < ends[2].min()
    early = times[source.splits(1).train.rows.numpy()]
    assert np.histogram(ends[0], 5, (0, early.max()))[0].min() > 45  # of 60 each


def test_rows_of_the_user_are_thinned_apart():
    data = {"train": (inputs(), classes()), "valid": (inputs(), classes())}
    source = open_source(**data, test=(inputs(), classes()), seed=1)
    splits = source.on_rows(300, 1).splits(1)
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [300, 300, 300]
    assert splits.train.rows.max() < ROWS <= splits.valid.rows.min()


@pytest.mark.parametrize("count", [3, 50, 399, 400, 500])
def test_as_many_rows_are_drawn_as_are_asked_for(count):
    strata = np.repeat([0, 1, 2], [1, 9, 390])
    drawn = drawn_of(np.arange(400) + 7, strata, count, seed=0)
    assert len(drawn) == min(count, 400)
    assert np.all(np.diff(drawn) > 0)
    assert set(strata[drawn - 7]) == {0, 1, 2}


def test_strata_are_classes_within_tenths_of_the_time():
    source = open_source(data=(inputs(), classes()), seed=1)
    layout = lay_out({"train": ROWS}, None, 0, RowKeys(None, np.arange(ROWS, dtype=float)))
    strata = strata_of(layout.train, source._target, layout.keys.times)
    assert len(np.unique(strata[: ROWS // 20])) <= 3
    assert len(np.unique(strata)) >= 20
