"""Items of a map-style Dataset: what is input and what is target, whether they are random, and
reading them all.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from advisor.data.raw import Raw, Told, plural
from advisor.errors import InputError, listing, near
from advisor.nested import elements, gathered, is_structure, mapped

Split = partial[tuple[tuple[Any, ...], Any]]  # `split_item` for these items

MEMORY = 2 * 2**30  # bytes; a Dataset above it is read anew for every batch
PROBES = 32  # a flip with probability 1/10 is overlooked in 1 of 600 cases

FLOATS = (torch.float64, torch.float16, torch.bfloat16, torch.bool)
LABELS = ("labels", "label", "target", "targets", "y")
"""Under which key or attribute items and batches have their label."""


def as_input(value: Any) -> Any:
    """A model's only input as models expect it: float32; bytes are pixels in [0, 1], other integers
    int64 ids.

    One number per row, (N,), becomes (N, 1) for a linear layer; one id per row stays (N,), as an
    embedding takes it.
    """
    if not isinstance(value, torch.Tensor):
        return (
            mapped(as_given, value) if is_structure(value) or isinstance(value, Mapping) else value
        )
    tensor = as_given(value)
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.float32)
    return tensor.unsqueeze(1) if tensor.ndim == 1 and tensor.is_floating_point() else tensor


def as_given(value: Any) -> Any:
    """One of several inputs: its dtype as models expect it, but (N,) stays (N,), as a DataLoader
    gives it, and a mask a mask.
    """
    if not isinstance(value, torch.Tensor) or value.dtype == torch.bool:
        return value
    if value.dtype == torch.uint8:
        return value.to(torch.float32) / 255
    if value.dtype in FLOATS:
        return value.to(torch.float32)
    return value if value.is_floating_point() or value.is_complex() else value.to(torch.int64)


def as_inputs(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Positional inputs as models expect them."""
    return (
        (as_input(inputs[0]),)
        if len(inputs) == 1
        else tuple(mapped(as_given, value) for value in inputs)
    )


def split_item(
    item: Any, inputs: int | None = None, target: str | None = None
) -> tuple[tuple[Any, ...], Any]:
    """`(inputs, label)` of an item or batch: `(x, y)`, `((x1, x2), y)`, `(x1, x2, y)`, or a
    dictionary that holds the label.

    `inputs` says how many there are, for items that may have no label; None takes the last element
    as the label. `target` is the label's key, or its position; None takes the one key of `LABELS`
    that is there. Words and None are no inputs.
    """
    if isinstance(item, Mapping):
        key = _label_key(item, target)
        return (
            {k: v for k, v in item.items() if k != key and not _is_word(v)},
        ), None if key is None else item[key]
    if not isinstance(item, (tuple, list)) or isinstance(item, PackedSequence):
        return (item,), _label_inside(item, target)
    words = list(item)
    label = (
        words.pop(int(target)) if target is not None and _is_position(target, len(words)) else None
    )
    if words and is_structure(words[0]):
        words = [*words[0], *words[1:]]
    if label is not None:
        return tuple(words), label
    count = len(words) - 1 if inputs is None else inputs
    return tuple(words[:count]), words[count] if len(words) > count else None


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes))


def _is_position(target: str, length: int) -> bool:
    return re.fullmatch(r"-?\d+", target) is not None and -length <= int(target) < length


def _label_key(item: Mapping[str, Any], target: str | None) -> str | None:
    if target is not None and target in item:
        return target
    found = [key for key in item if str(key).lower() in LABELS]
    if len(found) > 1 or (target is not None and not found):
        raise InputError(
            f"which key of the items is the label? Say target=… (--target). The keys are {listing(item)}."
            + (near(target, map(str, item)) if target is not None else "")
        )
    return found[0] if found else None


def _label_inside(item: Any, target: str | None) -> Any:
    """The label that a batch object carries, such as a graph's `y`."""
    if isinstance(item, (torch.Tensor, np.ndarray)):
        return None
    return next(
        (getattr(item, name) for name in (target, *LABELS) if name and hasattr(item, name)), None
    )


def read_dataset(
    dataset: Dataset[Any],
    name: str,
    told: Told,
    inputs: int | None = None,
    target: str | None = None,
) -> Raw:
    """A Dataset as tensors if it gives the same items each time and fits into memory, else as it
    is.

    `inputs` is None for labelled items, or the number of inputs in items that may have no label.

    Raises:
        InputError: the Dataset has no length, is empty, or its items are not tensors, arrays or
            numbers of one shape.
    """
    length = length_of(dataset, name)
    with untouched_randomness():
        return _read(
            dataset,
            name,
            told,
            partial(split_item, inputs=inputs, target=target),
            inputs is None,
            length,
        )


def _read(
    dataset: Dataset[Any], name: str, told: Told, split: Split, labelled: bool, length: int
) -> Raw:
    item = _item(dataset, 0, name)
    first, label = split(item)
    if labelled and (not first or label is None):
        raise InputError(
            f"{name}: an item of the Dataset must be (x, y) or a dictionary with its label under {', '.join(LABELS[:-1])} or y, "
            f"got {_about(item)}."
        )
    if isinstance(item, Mapping) and (
        words := [str(key) for key, value in item.items() if _is_word(value)]
    ):
        told.note(f"{name}: {listing(words)} of each item is no number, and no input")
    split = partial(split, inputs=len(first))
    size = sum(tensor.nbytes for tensor in elements(collate([first], name))) * length
    if isinstance(dataset, TensorDataset):
        parts, labels = split(dataset.tensors)
        return Raw(name, parts, None if not labelled else to_labels(labels))
    if size > MEMORY or _is_random(dataset, length):
        why = f"larger than {MEMORY / 2**30:.0f} GiB" if size > MEMORY else "random"
        told.note(
            f"{name}: the items of the Dataset are {why}, so they are read anew for every batch"
        )
        return Raw(
            name,
            dataset,
            None if not labelled else _labels(dataset, length, name, split),
            target=_used(split, item),
        )
    told.note(f"{name}: read all {plural(length, 'item')} of the Dataset into memory once")
    rows = [split(_item(dataset, i, name)) for i in range(length)]
    labels = None if not labelled else _stack_labels([label for _, label in rows], name)
    return Raw(name, collate([row for row, _ in rows], name), labels, target=_used(split, item))


def _used(split: Split, item: Any) -> str | None:
    """The `target` that was asked for, if the items have it."""
    target: str | None = split.keywords["target"]
    inside = isinstance(item, Mapping) or (isinstance(item, (tuple, list)) and target is not None)
    return target if inside else None


def _about(item: Any) -> str:
    kind = type(item).__name__
    return (
        f"{kind} with the keys {listing(item)}; say which with target=… (--target)"
        if isinstance(item, Mapping)
        else kind
    )


def length_of(dataset: Dataset[Any], name: str) -> int:
    """How many items a Dataset has. Raises `InputError` where it has no length, or none."""
    sized = hasattr(dataset, "__len__") and not isinstance(dataset, IterableDataset)
    if not sized:
        raise InputError(
            f"{name}: {type(dataset).__name__} is not a map-style Dataset; give one with a length and indexes."
        )
    length = len(dataset)  # type: ignore[arg-type]  # asked above
    if length == 0:
        raise InputError(f"{name}: the Dataset has no items.")
    return length


def _item(dataset: Dataset[Any], index: int, name: str) -> Any:
    try:
        return dataset[index]
    except Exception as error:
        raise InputError(
            f"{name}: item {index} of the Dataset cannot be read: {type(error).__name__}: {error}"
        ) from error


def collate(rows: list[tuple[Any, ...]], name: str) -> tuple[Any, ...]:
    """One tensor, or one structure of tensors, per input."""
    try:
        return tuple(
            gathered(partial(_stack, name=name), list(column)) for column in zip(*rows, strict=True)
        )
    except ValueError as error:
        raise InputError(
            f"{name}: the items of the Dataset do not fit together: {error}. Make them alike."
        ) from error


def _stack(values: list[Any], name: str) -> torch.Tensor:
    why = f"they hold {type(values[0]).__name__}"
    try:
        stacked = default_collate(
            [torch.as_tensor(v) if isinstance(v, (list, tuple)) else v for v in values]
        )
    except (RuntimeError, TypeError, ValueError) as error:
        stacked, why = None, str(error).splitlines()[0]
    if isinstance(stacked, torch.Tensor):
        return stacked
    raise InputError(
        f"{name}: the items of the Dataset do not fit together ({why}); give each as tensors, arrays or numbers of the same "
        "shape (pad or resize them, turn images into tensors), or give a DataLoader with a collate_fn that makes batches of them."
    )


def _stack_labels(values: list[Any], name: str) -> Any:
    """A Series or an array (N, k) of labels."""
    return pd.Series(values) if isinstance(values[0], str) else to_labels(_stack(values, name))


def _is_random(dataset: Dataset[Any], length: int) -> bool:
    places = sorted({int(i) for i in np.linspace(0, length - 1, PROBES)})
    return not all(_same(dataset[i], dataset[i]) for i in places)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, Mapping):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    return bool(np.array_equal(np.asarray(one), np.asarray(two)))


def _labels(dataset: Dataset[Any], length: int, name: str, split: Split) -> Any:
    """All labels: from the attribute `targets` that image Datasets have if it tells the truth, else
    item by item.
    """
    known = getattr(dataset, "targets", None)
    places = sorted({int(i) for i in np.linspace(0, length - 1, PROBES)})
    if (
        known is not None
        and len(known) == length
        and all(_same(known[i], split(dataset[i])[1]) for i in places)
    ):
        return to_labels(torch.as_tensor(np.asarray(known)))
    return _stack_labels([split(dataset[i])[1] for i in range(length)], name)


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
