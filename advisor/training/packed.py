"""Many small tensors as few large ones, which a file writes and reads in a fraction of the time."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

SMALL = 65_536
"""Numbers of a tensor that is packed with others at most; a larger one costs no more by itself."""
CONTAINERS = (dict, OrderedDict, list)
"""Classes whose entries are packed; everything else is kept as it is."""
KEYS = (str, int)
"""Classes of the keys of such entries."""
Place = tuple[str | int, ...]
"""The keys that lead to an entry, container by container."""


class Packing:
    """Takes the small tensors out of nested containers, which stay as they are.

    Attributes:
        tensors: those that were taken out, each once.
        places: the keys that lead to each entry that was taken out, and the number of its tensor.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.places: list[tuple[Place, int]] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._copies: dict[int, Any] = {}

    def without(self, value: Any, place: Place = ()) -> Any:
        """A value with None for each small tensor; containers that hold some are copies."""
        if type(value) not in CONTAINERS:
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = own = copy.copy(value)
            for key, each in list(entries(value)):
                if type(key) not in KEYS:
                    continue
                if is_small(each):
                    self.places.append(((*place, key), self._number(each)))
                    own[key] = None
                else:
                    own[key] = self.without(each, (*place, key))
        return self._copies[id(value)]

    def _number(self, tensor: Tensor) -> int:
        """The number of a tensor, which those have in common that are the same memory."""
        name = (tensor.data_ptr(), tensor.dtype, tensor.shape) if tensor.numel() else (id(tensor),)
        if name not in self._numbers:
            self._numbers[name] = len(self.tensors)
            self.tensors.append(tensor)
        return self._numbers[name]

    def joined(self) -> dict[str, Any]:
        """The tensors as one of each type, with a text of what tells them apart."""
        kinds: dict[torch.dtype, list[int]] = {}
        for number, each in enumerate(self.tensors):
            kinds.setdefault(each.dtype, []).append(number)
        flat = [
            torch.cat([self.tensors[number].reshape(-1) for number in numbers])
            for numbers in kinds.values()
        ]
        shapes = [tuple(each.shape) for each in self.tensors]
        # Torch reads a text in no time, and thousands of small values one by one.
        parts = {"places": self.places, "shapes": shapes, "numbers": list(kinds.values())}
        return {"flat": flat, "parts": json.dumps(parts)}


def packed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with their small tensors packed, as plain values and tensors; see `unpacked`."""
    packing = Packing()
    return {"tensors": packing.without(dict(values)), "packed": packing.joined()}


def unpacked(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `packed` was given, each tensor in memory of its own; they may have been kept
    without being packed, as versions before 0.3 did.
    """
    values: dict[str, Any] = kept["tensors"]
    joined = kept.get("packed")
    if joined is not None:
        parts = json.loads(joined["parts"])
        tensors = separate(joined["flat"], parts["numbers"], parts["shapes"])
        for place, number in parts["places"]:
            holder: Any = values
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = tensors[number]
    return dict(values)


def separate(
    flat: Sequence[Tensor], numbers: Sequence[Sequence[int]], shapes: Sequence[Sequence[int]]
) -> dict[int, Tensor]:
    """Tensors of these shapes by their numbers, from one of each type."""
    tensors = {}
    for whole, own in zip(flat, numbers, strict=True):
        sizes = [torch.Size(shapes[number]).numel() for number in own]
        for number, part in zip(own, whole.split(sizes), strict=True):
            tensors[number] = part.reshape(shapes[number]).clone()
    return tensors


def entries(container: Any) -> Any:
    """The keys and entries of a container."""
    return enumerate(container) if isinstance(container, list) else container.items()


def is_small(value: Any) -> bool:
    """Whether a value is a plain tensor that is as good in another place of the memory."""
    if type(value) is not Tensor or value.numel() > SMALL or value.requires_grad:
        return False
    is_plain = value.layout is torch.strided and value.device.type == "cpu"
    return is_plain and not value.is_quantized and value.is_contiguous() and not is_marked(value)


def is_marked(tensor: Tensor) -> bool:
    """Whether a tensor stands for other numbers than its memory has, or has attributes."""
    return tensor.is_conj() or tensor.is_neg() or bool(vars(tensor))
