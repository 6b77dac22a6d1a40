"""Texts for values that hold no other objects: numbers, arrays, tensors, dates and the like."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import re
import sys
import typing
import uuid
from collections.abc import Sequence
from types import GenericAlias, UnionType
from typing import Any

from advisor.loading.own_modules import stable_name

SMALL = (type(None), bool, int, float, complex, bytes, type(...), type(NotImplemented))
"""Types of values whose text is made in no time."""

_PRINTED = (
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal,
    fractions.Fraction, uuid.UUID, range, GenericAlias, UnionType, typing.TypeVar,
)  # fmt: skip

# Types whose objects are written down exactly by `ascii`, however many a list has of them.
_FLAT = {int, float, bool, type(None), bytes, str}

# Small values of torch that print as what they are.
_TORCH_VALUES = ("dtype", "device", "Size", "layout", "memory_format", "finfo", "iinfo")


def leaf(value: Any) -> str | None:
    """The text of a value that holds no other objects; None where it holds some or is unknown."""
    kind = type(value)
    if kind in SMALL:
        text = hex(value) if kind is int else ascii(value)
        return f"{kind.__name__}:{text}"
    if isinstance(value, enum.Enum):
        return None
    if isinstance(value, _PRINTED):
        return f"{type_name(value)}:{value!r}"
    if isinstance(value, re.Pattern):
        return f"pattern:{value.pattern!r}:{value.flags}"
    if isinstance(value, bytearray):
        return f"bytearray:{_hash(value)}"
    if kind in (list, tuple) and len(value) > 1 and set(map(type, value)) <= _FLAT - {str}:
        return f"{kind.__name__}:{_hash(ascii(value).encode())}"
    return _array(value)


def type_name(value: object) -> str:
    """The module and the name of an object's class."""
    return f"{stable_name(type(value).__module__)}.{type(value).__qualname__}"


def shape_of(tensor: Any) -> str:
    """A tensor or array by its type, its elements' type and its shape alone."""
    return f"{type_name(tensor)}:{tensor.dtype}:{tuple(tensor.shape)}"


def is_random_state(value: object) -> bool:
    """Whether an object draws random numbers, and so is another one after each draw."""
    home = type(value).__module__
    name = type(value).__qualname__
    return (
        home == "random"
        or home.startswith("numpy.random")
        or (home.startswith("torch") and name == "Generator")
    )


def table_columns(value: Any) -> Sequence[Any] | None:
    """The index and the columns of a table of pandas as arrays; None where this is no table."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if isinstance(value, pandas.DataFrame):
        columns = [value.iloc[:, place].to_numpy() for place in range(value.shape[1])]
        return [value.index.to_numpy(), value.columns.to_numpy(), *columns]
    if isinstance(value, pandas.Series):
        return [value.index.to_numpy(), value.to_numpy()]
    return [value.to_numpy()] if isinstance(value, pandas.Index) else None


def is_iterator(value: object) -> bool:
    """Whether an object is used up by reading it."""
    return isinstance(value, collections.abc.Iterator)


def _array(value: Any) -> str | None:
    """The text of a tensor or an array, or of a number or type of these libraries."""
    home = type(value).__module__.partition(".")[0]
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Tensor):
        return _tensor(value, torch)
    if torch is not None and home == "torch" and type(value).__name__ in _TORCH_VALUES:
        return f"torch:{value!r}"
    if numpy is None:
        return None
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype != object:
        if not value.size:
            return shape_of(value)
        return shape_of(value) + _hash(numpy.ascontiguousarray(value).view(numpy.uint8).data)
    return f"numpy:{value!r}" if isinstance(value, numpy.dtype) else None


def _tensor(tensor: Any, torch: Any) -> str:
    """A tensor by its elements; one that learns, or has no plain elements, by its shape."""
    is_plain = tensor.layout == torch.strided and not tensor.is_quantized
    if tensor.requires_grad or not is_plain or tensor.device.type == "meta" or not tensor.numel():
        return shape_of(tensor)
    values = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().flatten()
    return shape_of(tensor) + _hash(values.view(torch.uint8).numpy().data)


def _hash(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()
