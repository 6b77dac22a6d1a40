"""The digest of tensors by which a folder recognizes its data, as `train.py` computes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def digest_of(tensors: Iterable[Tensor]) -> str:
    """A digest of numbers, with their shapes and types."""
    hasher = hashlib.sha256()
    for tensor in tensors:
        hasher.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        numbers = tensor.contiguous().reshape(-1)
        hasher.update(numbers.view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
