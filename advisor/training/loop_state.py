"""What a loop of the user's own goes on from: plain values, and the random states."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

PLAIN = (Tensor, str, int, float, bool, bytes, type(None))
"""Kinds of values that a file of tensors gives back as they were."""


def plain_fault(value: Any, place: str = "state") -> str:
    """What in a state cannot be kept, and where; empty where all of it can."""
    if type(value) in PLAIN or isinstance(value, Tensor):
        return ""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif type(value) in (list, tuple):
        items = list(enumerate(value))
    else:
        return f"{type(value).__name__} in {place}"
    return next(
        (found for key, each in items if (found := plain_fault(each, f"{place}[{key!r}]"))), ""
    )


def random_states(generator: torch.Generator) -> dict[str, Any]:
    """Python's, NumPy's and torch's global random states, and that of a generator."""
    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    return {
        "python": [version, list(words), gauss],
        "numpy": {**numpy, "state": {**numpy["state"], "key": numpy["state"]["key"].tolist()}},
        "torch": torch.random.get_rng_state(),
        "order": generator.get_state(),
    }


def set_random_states(states: Mapping[str, Any], generator: torch.Generator) -> None:
    """Put all random states back to what `random_states` gave."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(states["numpy"])
    torch.random.set_rng_state(states["torch"])
    generator.set_state(states["order"])
