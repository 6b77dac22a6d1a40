"""Rows that belong together, and rows in time: how they are read, split and told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from advisor.data import Source, open_source
from advisor.errors import InputError
from advisor.training.answers import numbers_of

ROWS = 240


def table() -> pd.DataFrame:
    """Visits of 24 patients on 120 days, in no order; `a` is the row's own number."""
    draw = np.random.default_rng(0)
    patient = np.arange(ROWS) % 24
    day = pd.Timestamp("2021-01-01") + pd.to_timedelta(draw.permutation(ROWS) // 2, unit="D")
    return pd.DataFrame(
        {
            "a": draw.normal(size=ROWS),
            "b": draw.normal(size=ROWS),
            "patient": [f"p{number}" for number in patient],
            "day": day.strftime("%Y-%m-%d"),
            "ill": patient % 3 == 0,
        }
    )


def rows_of(source: Source, seed: int) -> list[np.ndarray]:
    splits = source.splits(seed)
    return [part.rows.numpy() for part in (splits.train, splits.valid, splits.test)]


def said(source: Source, *words: str) -> bool:
    sentences = source.notes + source.warnings
    return any(all(word in sentence for word in words) for sentence in sentences)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_rows_of_a_group_are_in_one_split_for_every_seed_and_the_group_is_no_input(kind):
    data = table().drop(columns="day")
    if kind == "regression":
        data["ill"] = data["a"] + data["b"]
    source = open_source(data=data, target="ill", kind=kind, group="patient")
    assert source.facts.inputs == ((2,),)
    patients = data["patient"].to_numpy()
    drawn = set()
    for seed in range(6):
        train, valid, test = rows_of(source, seed)
        assert sorted([*train, *valid, *test]) == list(range(ROWS))
        groups = [set(patients[rows]) for rows in (train, valid, test)]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert 0.1 <= len(valid) / ROWS <= 0.3
        assert 0.1 <= len(test) / ROWS <= 0.3
        drawn.add(frozenset(groups[1]))
    assert len(drawn) > 3
    assert said(source, "'patient'", "belong together", "test 5")


def test_groups_are_stratified_where_that_is_possible_and_each_class_can_be_learned():
    # The rare class has five groups of very different sizes.
    sizes = [40, 2, 5, 9, 3] + [8] * 30
    group = np.repeat(np.arange(len(sizes)), sizes)
    y = (group < 5).astype(int)
    x = np.random.default_rng(0).normal(size=(len(y), 3)).astype("float32")
    source = open_source(data=(x, y), group=group)
    for seed in range(8):
        train, valid, test = rows_of(source, seed)
        assert y[train].any()
        assert len(train) > 0.4 * len(y)
        assert len(valid)
        assert len(test)


@pytest.mark.parametrize("form", ["table", "array", "numbers", "dictionary", "items", "loader"])
def test_rows_in_time_are_trained_on_the_past_for_every_seed_whatever_holds_the_times(form):
    data = table().drop(columns="patient")
    days = pd.to_datetime(data["day"])
    number = (days - days.min()).dt.days.to_numpy()
    x = data[["a", "b"]].to_numpy(np.float32, copy=True)
    y = data["ill"].to_numpy(np.int64)
    items = Items(x, y, number)
    given = {
        "table": {"data": data, "target": "ill", "time": "day"},
        "array": {"data": (x, y), "time": days},
        "numbers": {"data": (x, y), "time": number.tolist()},
        "dictionary": {"data": ({"x": x, "day": number}, y), "time": "day"},
        "items": {"data": items, "time": "day"},
        "loader": {"data": DataLoader(items, batch_size=4), "time": "day"},
    }[form]
    source = open_source(**given)
    assert source.facts.inputs == ((2,),)
    for seed in (0, 7):
        train, valid, test = rows_of(source, seed)
        assert number[train].max() < number[valid].min()
        assert number[valid].max() < number[test].min()
        assert (len(train), len(valid), len(test)) == (144, 48, 48)
    first = "96" if form in ("numbers", "dictionary", "items", "loader") else "2021-04-07"
    assert said(source, "split by", f"test rows from {first}")


class Items(Dataset):
    """Items with the time of a row beside its input and label."""

    def __init__(self, x, y, day):
        self.x, self.y, self.day = x, y, day

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return {"x": self.x[index], "day": self.day[index], "y": self.y[index]}


class Named(Items):
    """Items whose group is a word."""

    def __getitem__(self, index):
        return {**super().__getitem__(index), "day": f"day {self.day[index]}"}


def test_words_in_items_group_rows_too():
    x, y = np.random.default_rng(0).normal(size=(60, 2)).astype("float32"), np.arange(60) % 2
    day = np.arange(60) // 5
    source = open_source(data=Named(x, y, day), group="day")
    assert source.facts.inputs == ((2,),)
    train, valid, test = (set(day[rows]) for rows in rows_of(source, 3))
    assert not train & valid
    assert not train & test


def test_rows_of_one_time_are_on_one_side_of_a_cut():
    year = np.repeat([2019, 2020, 2021], [100, 7, 20])
    x = np.random.default_rng(0).normal(size=(127, 3)).astype("float32")
    train, valid, test = rows_of(open_source(data=(x, x[:, 0]), time=year), 0)
    assert [set(year[rows]) for rows in (train, valid, test)] == [{2019}, {2020}, {2021}]


def test_time_and_groups_together_split_by_time_and_say_which_groups_are_on_both_sides():
    source = open_source(data=table(), target="ill", group="patient", time="day")
    assert said(source, "24 groups of 'patient'", "say little about new groups")
    assert len(set(source.groups[rows_of(source, 0)[2]])) > 10


def test_the_numbers_of_rows_follow_a_collate_fn_that_sorts_them():
    lengths = torch.arange(40) % 7 + 1
    group = torch.arange(40) % 20

    def by_length(items):
        items = sorted(items, key=lambda item: -int(item[0][0]))
        return torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])

    x = torch.stack([lengths.float(), group.float()], dim=1)
    loader = DataLoader(TensorDataset(x, torch.arange(40) * 1.5), collate_fn=by_length)
    source = open_source(data=loader, group=group)
    test, seen = source.splits(0).test, []
    for index in torch.arange(len(test)).split(4):
        seen.append(test.take(index)[0][0])
    taken, numbers = torch.cat(seen), numbers_of(test, 4)
    assert torch.equal(x[numbers], taken)
    assert torch.equal(torch.from_numpy(source.groups)[numbers], group[numbers])
    assert not torch.equal(numbers, numbers_of(test, 1))


def test_groups_and_times_are_part_of_what_a_study_is_made_of():
    data = table()
    found = []
    for keys in ({}, {"group": "patient"}, {"time": "day"}):
        source = open_source(data=data, target="ill", **keys)
        found.append(set(source.digests(source.splits(0))))
    assert found[1] - found[0] == {"the groups of rows"}
    assert found[2] - found[0] == {"the times of rows"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"group": "patiant"}, ("no 'patiant'", "Did you mean 'patient'?")),
        ({"group": "ill"}, ("is what is to be predicted",)),
        ({"time": "patient"}, ("'p0'", "neither numbers nor dates")),
        ({"group": [1, 2, 3]}, ("group=… has 3 entries", "240 rows")),
        ({"group": [7] * ROWS}, ("too few groups", "--group")),
        ({"time": [7] * ROWS}, ("too few different times", "--time")),
        ({"time": [None, *range(1, ROWS)]}, ("missing in 1 row", "row 1")),
        ({"time": np.zeros((ROWS, 2))}, ("one entry per row", "(240, 2)")),
        ({"time": [[1, 2], [3]]}, ("one entry per row", "different lengths")),
        ({"group": {"a": 1}}, ("one entry per row", "dict")),
        ({"time": [1j] * ROWS}, ("1j", "neither numbers nor dates")),
        ({"time": [{}] * ROWS}, ("{}", "neither numbers nor dates")),
        ({"group": pd.Series([[1]] * ROWS)}, ("holds lists",)),
    ],
)
def test_a_group_or_time_that_cannot_split_rows_is_refused_with_what_to_do(keys, words):
    with pytest.raises(InputError) as caught:
        open_source(data=table(), target="ill", **keys)
    for word in words:
        assert word in str(caught.value)


def test_a_group_of_rows_without_names_asks_for_an_array():
    x = np.zeros((40, 2), "float32")
    with pytest.raises(InputError, match="give an array with one entry per row"):
        open_source(data=(x, np.arange(40) % 2), group="patient")


def test_rows_of_the_user_s_own_that_are_not_later_or_of_new_groups_are_told():
    data = table()
    halves = {"train": data[:120], "test": data[120:].reset_index(drop=True)}
    source = open_source(data=halves, target="ill", time="day")
    assert said(source, "test rows of 120 are no later than the last row to train on")
    source = open_source(data=halves, target="ill", group="patient")
    assert said(source, "groups of 'patient' with rows to train on also have rows")
    whole = {**halves, "valid": data[:60]}
    assert said(open_source(data=whole, target="ill", time="day"), "splits nothing")


def test_few_groups_of_test_rows_are_told():
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    source = open_source(data=(x, x[:, 0]), group=np.arange(40) % 5)
    assert said(source, "the test rows are of 1 group only")
