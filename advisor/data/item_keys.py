"""Reads from the items of a Dataset what says which rows belong together and when they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from advisor.data.datasets import item_at, length_of
from advisor.randomness import preserved


@dataclass(frozen=True)
class WithoutKeys(Dataset[Any]):
    """The items of a Dataset without some of their keys, which are no inputs."""

    dataset: Any
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        item = self.dataset[index]
        return {key: value for key, value in item.items() if key not in self.keys}


def keys_of_items(dataset: Any, keys: Sequence[str], name: str) -> dict[str, list[Any]]:
    """The value of every item under each of some keys, by key; only of those that the first item
    has.

    Raises:
        InputError: an item cannot be read.
    """
    if not keys:
        return {}
    length = length_of(dataset, name)
    with preserved():
        first = item_at(dataset, 0, name)
        found = [key for key in keys if isinstance(first, Mapping) and key in first]
        values: dict[str, list[Any]] = {key: [] for key in found}
        for row in range(length if found else 0):
            item = item_at(dataset, row, name)
            for key in found:
                values[key].append(_plain(item[key]))
    return values


def _plain(value: Any) -> Any:
    """A number or word, also where it stands in a tensor or array of no dimensions."""
    return value.item() if getattr(value, "ndim", None) == 0 else value
