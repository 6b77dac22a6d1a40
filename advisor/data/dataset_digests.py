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
    held = list(_held(dataset, DEPTH, set()))
    return digest_of_words([len(dataset), *held, *_probed(inputs_of, len(dataset))])


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


def _held(owner: Any, depth: int, seen: set[int]) -> Iterator[str]:
    """Digests of what an object holds in its attributes, and in the objects inside them."""
    if not depth or id(owner) in seen or isinstance(owner, (type, FunctionType, ModuleType)):
        return
    seen.add(id(owner))
    for name, value in sorted(getattr(owner, "__dict__", {}).items()):
        digest = _digest_of_held(value)
        if digest:
            yield f"{name} {digest}"
            continue
        # A Dataset may hold several arrays, or several Datasets.
        parts = value.values() if isinstance(value, Mapping) else value
        several = isinstance(value, (list, tuple, Mapping))
        for part in list(parts)[:SIZES] if several else [value]:
            yield _digest_of_held(part)
            yield from _held(part, depth - 1, seen)


def _digest_of_held(value: Any) -> str:
    """The digest of an array, a table, or a list of numbers, words or file names; else empty."""
    if isinstance(value, torch.Tensor) and value.ndim and value.layout is torch.strided:
        return digest_of_rows(value.detach().cpu())
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biufc":
        return digest_of_words([value.dtype, value.shape, _hashed(value)])
    if isinstance(value, (pd.DataFrame, pd.Series)):
        with suppress(TypeError):  # cells that are lists
            return _hashed(pd.util.hash_pandas_object(value).to_numpy())
    if isinstance(value, (list, tuple)) and value and all(map(_is_plain, value)):
        return digest_of_words([*map(_without_place, value), *_sizes(value)])
    return ""


def _hashed(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


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
