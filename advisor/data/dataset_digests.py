"""Digests of Datasets that are read anew for every batch: of what they hold, and of some items."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.digests import digest_of_rows, digest_of_words
from advisor.nested import tensors_in
from advisor.randomness import isolated

# Items that are read, each twice from one random state.
PROBES = 8

# Files of a list of files whose sizes are asked for.
SIZES = 256

# How many objects inside objects are opened: the transforms of a Dataset in a Subset of a Subset.
DEPTH = 4

# What has attributes, and holds no objects of a Dataset.
NOT_OPENED = (
    type, FunctionType, ModuleType, torch.Tensor, np.ndarray, pd.DataFrame, pd.Series,
)  # fmt: skip

# Parts of a whole path that stay when the data are moved: a file's name, and often its class.
PARTS_OF_PATH = 2


def digest_of_dataset(dataset: Any, inputs_of: Callable[[int], Any]) -> str:
    """A digest of a Dataset whose items are random, or too many to keep.

    It is made of the arrays, words and file names that the Dataset holds, and of a few items that
    are drawn from fixed random states. What is another each time does not count.

    Arguments:
        dataset: a map-style Dataset.
        inputs_of: gives the inputs in the item of some number.
    """
    held = [f"{name} {_digest_of_held(value)}" for name, value in _inside(dataset, DEPTH, set())]
    return digest_of_words([len(dataset), *held, *_probed(inputs_of, len(dataset))])


def code_of_dataset(dataset: Any) -> tuple[object, ...]:
    """The classes and functions that a Dataset is made of, with those of the objects inside it.

    They are the class of the Dataset and of each object that it holds, and functions that it holds.
    """
    code: list[object] = [type(dataset)]
    for _, value in _inside(dataset, DEPTH, set()):
        code.append(value if isinstance(value, (type, FunctionType)) else type(value))
    return tuple(dict.fromkeys(code))


def _probed(inputs_of: Callable[[int], Any], length: int) -> Iterator[str]:
    """The digests of a few items that are the same when they are drawn again."""
    for row in _spread(length, PROBES):
        digests = []
        # An item that cannot be read is an error when it is trained on, and not here.
        with suppress(Exception):
            for _ in range(2):
                with isolated(row):
                    digests.append(_digest_of_item(inputs_of(row)))
        if len(digests) == 2 and digests[0] == digests[1]:
            yield digests[0]


def _digest_of_item(inputs: Any) -> str:
    """A digest of all tensors in an item, whatever objects hold them."""
    tensors = [tensor.detach().cpu().to_dense() for tensor in tensors_in(inputs)]
    return digest_of_rows([tensor.reshape(1, -1) for tensor in tensors])


def _inside(owner: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The attributes of an object, and those of the objects inside it, by their names."""
    if not depth or id(owner) in seen or isinstance(owner, NOT_OPENED):
        return
    seen.add(id(owner))
    for name, value in sorted(getattr(owner, "__dict__", {}).items()):
        yield name, value
        # A Dataset may hold several arrays, or several Datasets.
        parts = [value]
        if isinstance(value, (list, tuple, Mapping)) and not _is_list_of_words(value):
            inside = value.values() if isinstance(value, Mapping) else value
            parts = list(inside)[:SIZES]
            yield from ((name, part) for part in parts)
        for part in parts:
            yield from _inside(part, depth - 1, seen)


def _digest_of_held(value: Any) -> str:
    """The digest of an array, a table, or a list of numbers, words or file names; else empty."""
    if isinstance(value, torch.Tensor) and value.ndim and value.layout is torch.strided:
        return digest_of_rows(value.detach().cpu())
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biufc":
        return digest_of_words([value.dtype, value.shape, _hashed(value)])
    if isinstance(value, (pd.DataFrame, pd.Series)):
        with suppress(TypeError):  # cells that are lists
            return _hashed(pd.util.hash_pandas_object(value).to_numpy())
    if _is_list_of_words(value):
        return digest_of_words([*map(_without_place, value), *_sizes(value)])
    return ""


def _hashed(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _is_list_of_words(value: Any) -> bool:
    """Whether a value is a list of numbers, words or file names, or of tuples of them."""
    return isinstance(value, (list, tuple)) and bool(value) and all(map(_is_plain, value))


def _is_plain(value: Any) -> bool:
    """Whether a value is a number or a word, or a tuple of them."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, (str, int, float)) for part in parts)


def _without_place(value: Any) -> Any:
    """A whole path without the folders that are others when the data are moved; else the value."""
    if isinstance(value, tuple):
        return tuple(map(_without_place, value))
    if isinstance(value, str) and os.path.isabs(value):
        return value.split(os.sep)[-PARTS_OF_PATH:]
    return value


def _sizes(values: Sequence[Any]) -> Iterator[int]:
    """The bytes of some of the files among the values, spread over them."""
    for row in _spread(len(values), SIZES):
        value = values[row]
        path = value[0] if isinstance(value, tuple) and value else value
        if isinstance(path, str) and os.path.isfile(path):
            yield os.path.getsize(path)


def _spread(length: int, count: int) -> list[int]:
    """At most `count` numbers below `length`, evenly spread."""
    return sorted({int(number) for number in np.linspace(0, length - 1, count)})
