"""Items of a map-style Dataset: what is input and what is target, whether they are random, and reading them all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from advisor.data.raw import Raw, Told, plural
from advisor.errors import InputError

MEMORY = 2 * 2**30  # bytes; a Dataset above it is read anew for every batch
PROBES = 32  # a flip with probability 1/10 is overlooked in 1 of 600 cases

FLOATS = (torch.float64, torch.float16, torch.bfloat16, torch.bool)


def as_input(tensor: Any) -> Any:
    """A batch as models expect it: float32; bytes are pixels in [0, 1], other integers int64 ids, and (N,) is (N, 1)."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    if tensor.ndim == 1:
        tensor = tensor.unsqueeze(1)
    if tensor.dtype == torch.uint8:
        return tensor.to(torch.float32) / 255
    if tensor.dtype in FLOATS:
        return tensor.to(torch.float32)
    return tensor if tensor.is_floating_point() else tensor.to(torch.int64)


def split_item(item: Any, inputs: int | None = None) -> tuple[tuple[Any, ...], Any]:
    """`(inputs, label)` of one item `(x, y)`, `((x1, x2), y)` or `(x1, x2, y)`.

    `inputs` says how many there are, for items that may have no label; None takes the last element as the label.
    """
    words = tuple(item) if isinstance(item, tuple | list) else (item,)
    if isinstance(words[0], tuple | list):
        words = (*words[0], *words[1:])
    count = len(words) - 1 if inputs is None else inputs
    return words[:count], words[count] if len(words) > count else None


def read_dataset(dataset: Dataset[Any], name: str, told: Told, inputs: int | None = None) -> Raw:
    """A Dataset as tensors if it gives the same items each time and fits into memory, else as it is.

    `inputs` is None for labelled items, or the number of inputs in items that may have no label.

    Raises:
        InputError: the Dataset has no length, is empty, or its items are not tensors, arrays or numbers of one shape.
    """
    length = _length(dataset, name)
    with untouched_randomness():
        return _read(dataset, name, told, inputs, length)


def _read(dataset: Dataset[Any], name: str, told: Told, inputs: int | None, length: int) -> Raw:
    first, label = split_item(_item(dataset, 0, name), inputs)
    if inputs is None and (not first or label is None):
        raise InputError(f"{name}: an item of the Dataset must be (x, y), got {type(dataset[0]).__name__}.")
    size = sum(tensor.nbytes for tensor in _collate([first], name)) * length
    if isinstance(dataset, TensorDataset):
        words, labels = split_item(dataset.tensors, len(first))
        return Raw(name, tuple(words), None if inputs is not None else to_labels(labels))
    if size > MEMORY or _is_random(dataset, length):
        why = f"larger than {MEMORY / 2**30:.0f} GiB" if size > MEMORY else "random"
        told.note(f"{name}: the items of the Dataset are {why}, so they are read anew for every batch")
        return Raw(name, dataset, None if inputs is not None else _labels(dataset, length, name))
    told.note(f"{name}: read all {plural(length, 'item')} of the Dataset into memory once")
    rows = [split_item(_item(dataset, i, name), len(first)) for i in range(length)]
    labels = None if inputs is not None else _stack_labels([label for _, label in rows], name)
    return Raw(name, _collate([row for row, _ in rows], name), labels)


def _length(dataset: Dataset[Any], name: str) -> int:
    sized = hasattr(dataset, "__len__") and not isinstance(dataset, IterableDataset)
    if not sized:
        raise InputError(f"{name}: {type(dataset).__name__} is not a map-style Dataset; give one with a length and indexes.")
    length = len(dataset)  # type: ignore[arg-type]  # asked above
    if length == 0:
        raise InputError(f"{name}: the Dataset has no items.")
    return length


def _item(dataset: Dataset[Any], index: int, name: str) -> Any:
    try:
        return dataset[index]
    except Exception as error:
        raise InputError(f"{name}: item {index} of the Dataset cannot be read: {type(error).__name__}: {error}") from error


def _collate(rows: list[tuple[Any, ...]], name: str) -> tuple[torch.Tensor, ...]:
    """One tensor per input."""
    return tuple(_stack(list(column), name) for column in zip(*rows, strict=True))


def _stack(values: list[Any], name: str) -> torch.Tensor:
    why = f"they hold {type(values[0]).__name__}"
    try:
        stacked = default_collate(values)
    except (RuntimeError, TypeError, ValueError) as error:
        stacked, why = None, str(error).splitlines()[0]
    if isinstance(stacked, torch.Tensor):
        return stacked
    raise InputError(
        f"{name}: the items of the Dataset do not fit together ({why}); give each as tensors, arrays or numbers of the "
        "same shape (pad or resize them, turn images into tensors)."
    )


def _stack_labels(values: list[Any], name: str) -> Any:
    """A Series or an array (N, k) of labels."""
    return pd.Series(values) if isinstance(values[0], str) else to_labels(_stack(values, name))


def _is_random(dataset: Dataset[Any], length: int) -> bool:
    places = sorted({int(i) for i in np.linspace(0, length - 1, PROBES)})
    return not all(_same(dataset[i], dataset[i]) for i in places)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    return bool(np.array_equal(np.asarray(one), np.asarray(two)))


def _labels(dataset: Dataset[Any], length: int, name: str) -> Any:
    """All labels: from the attribute `targets` that image Datasets have if it tells the truth, else item by item."""
    known = getattr(dataset, "targets", None)
    places = sorted({int(i) for i in np.linspace(0, length - 1, PROBES)})
    if known is not None and len(known) == length and all(_same(known[i], split_item(dataset[i])[1]) for i in places):
        return to_labels(torch.as_tensor(np.asarray(known)))
    return _stack_labels([split_item(dataset[i])[1] for i in range(length)], name)


def to_labels(values: torch.Tensor) -> Any:
    """A tensor of labels as a pandas Series, or as an array (N, k)."""
    array = values.detach().cpu().numpy()
    return pd.Series(array) if array.ndim == 1 else array


@contextmanager
def untouched_randomness() -> Iterator[None]:
    """What is drawn inside leaves the global random states as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
