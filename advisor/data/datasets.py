"""Reads a map-style Dataset: whether its items are random, and all of them at once if not."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from advisor.data.items import LABEL_NAMES, describe_item, may_hold, split_item, words_in
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, explain, listing
from advisor.nested import elements, gathered
from advisor.randomness import preserved
from advisor.values import MOST_COUNTED

ItemSplit = partial[tuple[tuple[Any, ...], Any]]  # `split_item` for the items of one Dataset

# Bytes of items above which a Dataset is read anew for every batch.
MEMORY = 2 * 2**30

# Items read twice to see whether they are random: a flip with probability 1/10 is overlooked in 1
# of 600 cases.
PROBES = 32


def read_dataset(
    dataset: Dataset[Any],
    name: str,
    notes: Notes,
    inputs: int | None = None,
    target: str | None = None,
) -> Raw:
    """A Dataset as tensors if it gives the same items each time and fits into memory, else as it
    is.

    Arguments:
        dataset: a map-style Dataset.
        name: what messages call it.
        notes: gets a sentence on how it is read.
        inputs: None for labelled items, or the number of inputs in items that may have no label.
        target: the label's key or position in an item.

    Raises:
        InputError: the Dataset has no length, is empty, or its items are not tensors, arrays or
            numbers of one shape.
    """
    length = length_of(dataset, name)
    with preserved():
        # The first item says what all are made of.
        item = item_at(dataset, 0, name)
        first, label = split_item(item, inputs, target)
        is_labelled = inputs is None
        if is_labelled and (not first or label is None):
            raise InputError(
                f"{name}: an item of the Dataset must be (x, y) or a dictionary with its label "
                f"under {', '.join(LABEL_NAMES[:-1])} or y, got {describe_item(item)}."
            )
        words = words_in(item)
        if words:
            notes.note(f"{name}: {listing(words)} of each item is no number, and no input")
        split = partial(split_item, inputs=len(first), target=target)
        if isinstance(dataset, TensorDataset):
            parts, labels = split(dataset.tensors)
            return Raw(name, parts, to_labels(labels) if is_labelled else None)

        # What is random or too large is read for each batch, everything else once.
        used_target = target if may_hold(item, target) else None
        size = sum(tensor.nbytes for tensor in elements(collate([first], name))) * length
        why = ""
        if size > MEMORY:
            why = f"larger than {MEMORY / 2**30:.0f} GiB"
        elif _is_random(dataset, length, name):
            why = "random"
        if not why:
            notes.note(f"{name}: read all {plural(length, 'item')} of the Dataset into memory once")
            rows, labels = _read_all(dataset, length, name, split, is_labelled)
            return Raw(name, rows, labels, target=used_target)
        notes.note(
            f"{name}: the items of the Dataset are {why}, so they are read anew for every batch"
        )
        labels = _read_labels(dataset, length, name, split) if is_labelled else None
        return Raw(name, dataset, labels, target=used_target)


def _read_all(
    dataset: Dataset[Any], length: int, name: str, split: ItemSplit, is_labelled: bool
) -> tuple[tuple[Any, ...], Any]:
    """The inputs of all items as tensors, and their labels, None without any."""
    rows = []
    labels = []
    for i in range(length):
        row, label = split(item_at(dataset, i, name))
        rows.append(row)
        labels.append(label)
    stacked_labels = _stack_labels(labels, name) if is_labelled else None
    return collate(rows, name), stacked_labels


def length_of(dataset: Dataset[Any], name: str) -> int:
    """How many items a Dataset has. Raises `InputError` when it has no length, or no items."""
    is_sized = hasattr(dataset, "__len__") and not isinstance(dataset, IterableDataset)
    if not is_sized:
        raise InputError(
            f"{name}: {type(dataset).__name__} is not a map-style Dataset; give one with a length "
            "and indexes."
        )
    length = _counted(dataset, name)
    if length == 0:
        raise InputError(f"{name}: the Dataset has no items.")
    return length


def _counted(dataset: Dataset[Any], name: str) -> int:
    """What the user's `__len__` gives, which may raise anything, or be no whole number."""
    try:
        length = len(dataset)  # type: ignore[arg-type]  # the lines above saw that it has a length
    except Exception as error:
        raise InputError(
            f"{name}: len() of the {type(dataset).__name__} fails: {explain(error)}. Its __len__ "
            "must return the number of items, a whole one."
        ) from error
    if length > MOST_COUNTED:
        raise InputError(
            f"{name}: the {type(dataset).__name__} says that it has {length} items, more than can "
            f"be counted ({MOST_COUNTED}); its __len__ must return how many items there are."
        )
    return length


def item_at(dataset: Dataset[Any], index: int, name: str) -> Any:
    """One item. Raises `InputError` when the Dataset cannot read it."""
    try:
        return dataset[index]
    except Exception as error:  # the user's Dataset may raise anything
        raise InputError(
            f"{name}: item {index} of the Dataset cannot be read: {type(error).__name__}: {error}"
        ) from error


def collate(rows: list[tuple[Any, ...]], name: str) -> tuple[Any, ...]:
    """One tensor, or one structure of tensors, per input. Raises `InputError` when the rows do not
    fit together.
    """
    stack = partial(_stack, name=name)
    try:
        return tuple(gathered(stack, list(column)) for column in zip(*rows, strict=True))
    except ValueError as error:
        raise InputError(
            f"{name}: the items of the Dataset do not fit together: {error}. Make them alike."
        ) from error


def _stack(values: list[Any], name: str) -> torch.Tensor:
    """The elements that stand in one place of several items, as one tensor."""
    # What torch cannot stack, or does not make a tensor of, is an error that says why.
    why = f"they hold {type(values[0]).__name__}"
    stacked = None
    try:
        stacked = default_collate(
            [torch.as_tensor(v) if isinstance(v, (list, tuple)) else v for v in values]
        )
    except (RuntimeError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
    if isinstance(stacked, torch.Tensor):
        return stacked
    raise InputError(
        f"{name}: the items of the Dataset do not fit together ({why}); give each as tensors, "
        "arrays or numbers of the same shape (pad or resize them, turn images into tensors), or "
        "give a DataLoader with a collate_fn that makes batches of them."
    )


def _stack_labels(values: list[Any], name: str) -> Any:
    """A Series or an array (N, k) of labels."""
    return pd.Series(values) if isinstance(values[0], str) else to_labels(_stack(values, name))


def _probes(length: int) -> list[int]:
    """The numbers of `PROBES` items, spread over the Dataset."""
    return sorted({int(i) for i in np.linspace(0, length - 1, PROBES)})


def _is_random(dataset: Dataset[Any], length: int, name: str) -> bool:
    """Whether an item differs when it is read again."""
    read = partial(item_at, dataset, name=name)
    return not all(_are_equal(read(i), read(i)) for i in _probes(length))


def _are_equal(one: Any, two: Any) -> bool:
    """Whether two items have the same structure and equal elements in it."""
    answers: list[bool] = []

    def compare(pair: list[Any]) -> None:
        """Keep whether two elements are equal."""
        first, second = pair
        if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
            answers.append(torch.equal(first, second))
        else:
            answers.append(bool(np.array_equal(np.asarray(first), np.asarray(second))))

    try:
        gathered(compare, [one, two])
    except ValueError:
        return False
    return all(answers)


def _read_labels(dataset: Dataset[Any], length: int, name: str, split: ItemSplit) -> Any:
    """All labels: from the attribute `targets` that image Datasets have if it agrees with the
    items, else item by item.
    """
    targets: Any = getattr(dataset, "targets", None)
    has_one_each = targets is not None and len(targets) == length

    def label_at(row: int) -> Any:
        return split(item_at(dataset, row, name))[1]

    if has_one_each and all(_are_equal(targets[i], label_at(i)) for i in _probes(length)):
        return to_labels(torch.as_tensor(np.asarray(targets)))
    return _stack_labels([label_at(i) for i in range(length)], name)


def to_labels(values: torch.Tensor) -> Any:
    """A tensor of labels as a pandas Series, or as an array (N, k)."""
    array = values.detach().cpu().numpy()
    return pd.Series(array) if array.ndim == 1 else array
