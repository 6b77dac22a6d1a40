"""What a model's constructor loads: weights that two seeds leave the same, and memory that others
have, too.
"""

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
        if same is None or same.shape != weight.shape or not _may_be_loaded(name, weight):
            continue
        if torch.equal(weight, same) and _is_varied(weight):
            names.append(name)
    return frozenset(names)


def _may_be_loaded(name: str, weight: torch.Tensor) -> bool:
    """Whether this may be a weight that its constructor would draw, or the scale of a
    normalization: a bias may be set by hand.
    """
    return weight.ndim > 1 or (weight.ndim == 1 and name.split(".")[-1] == "weight")


def _is_varied(weight: torch.Tensor) -> bool:
    """Whether a weight has more than a few different numbers."""
    return len(weight.detach().unique()) > min(FEW, weight.numel() // 2)


def own_storages(model: nn.Module) -> None:
    """Give a model memory of its own, so that its training changes no tensor that its constructor
    has taken from elsewhere, as `nn.Embedding.from_pretrained` does.

    Tensors that share memory go on sharing it.
    """
    own: dict[int, torch.UntypedStorage] = {}
    tensors = (*nn.Module.parameters(model), *nn.Module.buffers(model))
    for tensor in tensors:
        # Those that learn their shape, or compute themselves, have no memory that could be shared.
        is_plain = type(tensor) in (torch.Tensor, nn.Parameter) and not tensor.is_quantized
        is_plain = is_plain and tensor.layout is torch.strided and tensor.device.type != "meta"
        if not is_plain or not tensor.numel():
            continue
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address not in own:
            own[address] = storage.clone()
        place = (tensor.storage_offset(), tensor.shape, tensor.stride())
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        tensor.data = empty.set_(own[address], *place)
