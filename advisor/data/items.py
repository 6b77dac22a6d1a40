"""One item or batch of a Dataset: what of it is input and what is the label, and the dtypes that
models expect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from advisor.errors import InputError, listing, near
from advisor.nested import is_structure, mapped

# Dtypes of real numbers that become float32.
FLOATS = (torch.float64, torch.float16, torch.bfloat16)

# The keys or attributes under which items and batches have their label.
LABEL_NAMES = ("labels", "label", "target", "targets", "y")


def as_input(value: Any) -> Any:
    """A model's only input as models expect it: float32; bytes are pixels in [0, 1], other integers
    int64 ids.

    One number per row, (N,), becomes (N, 1) for a linear layer; one id per row stays (N,), as an
    embedding takes it.
    """
    if not isinstance(value, torch.Tensor):
        inside = is_structure(value) or isinstance(value, Mapping)
        return mapped(as_one_of_several, value) if inside else value
    tensor = as_one_of_several(value)
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.float32)
    return tensor.unsqueeze(1) if tensor.ndim == 1 and tensor.is_floating_point() else tensor


def as_one_of_several(value: Any) -> Any:
    """One of several inputs: its dtype as models expect it, but (N,) stays (N,), as a DataLoader
    gives it, and a mask a mask.
    """
    if not isinstance(value, torch.Tensor) or value.dtype == torch.bool:
        return value
    if value.dtype == torch.uint8:
        return value.to(torch.float32) / 255
    if value.dtype in FLOATS:
        return value.to(torch.float32)
    if value.is_floating_point() or value.is_complex():
        return value
    return value.to(torch.int64)


def as_inputs(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Positional inputs as models expect them."""
    if len(inputs) == 1:
        return (as_input(inputs[0]),)
    return tuple(mapped(as_one_of_several, value) for value in inputs)


def split_item(
    item: Any, inputs: int | None = None, target: str | None = None
) -> tuple[tuple[Any, ...], Any]:
    """`(inputs, label)` of an item or batch: `(x, y)`, `((x1, x2), y)`, `(x1, x2, y)`, or a
    dictionary that holds the label.

    Words and None are no inputs.

    Arguments:
        item: what a Dataset or a `collate_fn` gives.
        inputs: how many inputs there are, for items that may have no label; None takes the last
            element as the label.
        target: the label's key, or its position; None takes the one key of `LABEL_NAMES` that is
            there.

    Raises:
        InputError: a dictionary has no key `target`, or several that may be the label's.
    """
    if isinstance(item, Mapping):
        label_key = _label_key(item, target)
        named = {}
        for key, value in item.items():
            if key != label_key and not _is_word(value):
                named[key] = value
        return (named,), None if label_key is None else item[label_key]
    if not isinstance(item, (tuple, list)) or isinstance(item, PackedSequence):
        return (item,), _label_attribute(item, target)

    # The label is taken out first: by its position, all that is left are inputs.
    values = list(item)
    label = None
    if target is not None and _is_position(target, len(values)):
        label = values.pop(int(target))
    if values and is_structure(values[0]):
        values = [*values[0], *values[1:]]
    if label is not None:
        return tuple(values), label
    count = len(values) - 1 if inputs is None else inputs
    return tuple(values[:count]), values[count] if len(values) > count else None


def words_in(item: Any) -> list[str]:
    """The keys of an item that hold text or nothing, which no model takes."""
    if not isinstance(item, Mapping):
        return []
    return [str(key) for key, value in item.items() if _is_word(value)]


def describe_item(item: Any) -> str:
    """What an item without a label is, for an error message."""
    kind = type(item).__name__
    if not isinstance(item, Mapping):
        return kind
    return f"{kind} with the keys {listing(item)}; say which with target=… (--target)"


def may_hold(item: Any, target: str | None) -> bool:
    """Whether an item has keys or positions, of which `target` may be one."""
    has_positions = isinstance(item, (tuple, list)) and target is not None
    return isinstance(item, Mapping) or has_positions


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes))


def _is_position(target: str, length: int) -> bool:
    """Whether `target` is the index of one of `length` elements, written as text."""
    return re.fullmatch(r"-?\d+", target) is not None and -length <= int(target) < length


def _label_key(item: Mapping[str, Any], target: str | None) -> str | None:
    """The key of the label in an item, None without one."""
    if target is not None and target in item:
        return target
    keys = [key for key in item if str(key).lower() in LABEL_NAMES]
    if len(keys) > 1 or (target is not None and not keys):
        hint = "" if target is None else near(target, map(str, item))
        raise InputError(
            "which key of the items is the label? Say target=… (--target). "
            f"The keys are {listing(item)}.{hint}"
        )
    return keys[0] if keys else None


def _label_attribute(item: Any, target: str | None) -> Any:
    """The label that a batch object carries, such as a graph's `y`."""
    if isinstance(item, (torch.Tensor, np.ndarray)):
        return None
    names = LABEL_NAMES if not target else (target, *LABEL_NAMES)
    for name in names:
        if hasattr(item, name):
            return getattr(item, name)
    return None
