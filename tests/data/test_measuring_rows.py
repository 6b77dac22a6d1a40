"""The rows that a measuring seed trains on, and those that it holds out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from advisor.data import open_source

CHOSE = 0
ROWS = 120


def arrays(first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows whose input is their own number."""
    numbers = torch.arange(first, last)
    return numbers.float()[:, None], numbers % 2


class Reread(Dataset):
    """Items that are read anew each time: their number is drawn beside noise."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int):
        number = self.first + index
        return torch.tensor([float(number), float(torch.rand(()))]), number % 2


def loader(first: int, last: int) -> DataLoader:
    x, _ = arrays(first, last)
    return DataLoader(TensorDataset(x, x[:, 0] * 1.5), collate_fn=backwards_of_numbers)


def backwards_of_numbers(items):
    items = sorted(items, key=lambda item: -float(item[0][0]))
    return torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])


GIVEN = {
    "rows": {"data": arrays(0, ROWS)},
    "few rows": {"data": arrays(0, 12)},
    "own test": {"train": arrays(0, 90), "test": arrays(90, ROWS)},
    "own valid": {"train": arrays(0, 90), "valid": arrays(90, ROWS)},
    "own valid and test": {
        "train": arrays(0, 70), "valid": arrays(70, 90), "test": arrays(90, ROWS)
    },
    "groups": {"data": arrays(0, ROWS), "group": np.arange(ROWS) // 6},
    "Datasets": {"train": Reread(0, 90), "valid": Reread(90, ROWS)},
    "collate_fn": {"data": loader(0, ROWS)},
}  # fmt: skip


def rows_of(splits):
    total = torch.arange(10_000)
    parts = (splits.train, splits.valid, splits.test)
    return [set((total[: len(p)] if p.rows is None else p.rows).tolist()) for p in parts]


@pytest.mark.parametrize("name", GIVEN)
def test_rows_that_chose_never_measure_and_are_trained_on_unless_they_are_the_users_own(name):
    source = open_source(**GIVEN[name])
    rest, chose, test = rows_of(source.splits(CHOSE))
    trained, most = (rest, 0.25) if "valid" in name or name == "Datasets" else (rest | chose, 0.5)
    held = []
    for seed in range(1, 7):
        train, out, measured = rows_of(source.measuring_splits(CHOSE, seed))
        assert measured == test
        assert not out & chose
        assert not train & out
        assert train | out == trained
        assert 0 < len(out) <= most * len(rest) + 1
        if source.groups is not None:
            groups = [set(source.groups[list(rows)]) for rows in (train, out, measured)]
            assert not groups[1] & (groups[0] | groups[2])
        held.append(frozenset(out))
    assert len(set(held)) > 1, "each seed draws its own"
    assert held[0] == frozenset(rows_of(source.measuring_splits(CHOSE, 1))[1])


@pytest.mark.parametrize(
    "keys", [{"time": np.arange(ROWS)}, {"group": np.repeat([0, 1, 2], ROWS // 3)}]
)
def test_nothing_is_held_out_of_rows_in_time_nor_of_a_single_group(keys):
    source = open_source(data=arrays(0, ROWS), **keys)
    rest, chose, test = rows_of(source.splits(CHOSE))
    for seed in (3, 4):
        train, out, measured = rows_of(source.measuring_splits(CHOSE, seed))
        assert (train, out, measured) == (rest | chose, set(), test)


def test_rows_that_no_collate_fn_can_join_are_neither_trained_on_nor_held_out():
    source = open_source(train=loader(0, 90), valid=loader(90, ROWS))
    rest, chose, _ = rows_of(source.splits(CHOSE))
    train, out, _ = rows_of(source.measuring_splits(CHOSE, 1))
    assert train | out == rest
    assert not (train | out) & chose
    part = source.measuring_splits(CHOSE, 1).train
    index = torch.tensor([5, 0, 9])
    (inputs,), _ = part.take(index)
    assert inputs[:, 0].long().tolist() == part.rows[part.order(index)].tolist()
