"""Which weights a model's constructor loads: those that two seeds leave the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from advisor.model.preserve import random_states
from advisor.randomness import isolated

FEW = 16
"""A weight with so few different numbers is a pattern, such as an identity, and was not loaded."""


def loaded_names(build: Callable[[int], nn.Module], device: torch.device) -> frozenset[str]:
    """Names of the weights that `build(seed)` makes the same for two seeds.

    There are none where the constructor sets a seed of its own, for then all weights are the same.
    Raises what `build` raises.
    """
    with isolated(0):
        one = build(0)
        after_one = random_states(device)
        other = build(1)
        after_other = random_states(device)
    # Different seeds leave each generator in another state, unless it was seeded anew; a list
    # holds only how far one got.
    for state, other_state in zip(after_one, after_other, strict=True):
        if not isinstance(state, list) and state == other_state:
            return frozenset()
    weights = dict(nn.Module.named_parameters(other))
    names = []
    for name, weight in nn.Module.named_parameters(one):
        same = weights.get(name)
        if same is None or same.shape != weight.shape or weight.ndim < 2:
            continue
        if torch.equal(weight, same) and _is_varied(weight):
            names.append(name)
    return frozenset(names)


def _is_varied(weight: torch.Tensor) -> bool:
    """Whether a weight has more than a few different numbers."""
    return len(weight.detach().unique()) > min(FEW, weight.numel() // 2)
