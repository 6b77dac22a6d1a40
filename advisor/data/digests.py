"""Digests of rows: the same for equal rows in every process, another for other rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

# Bytes of rows that are hashed at once, so that no copy of all rows is made where they have gaps.
BLOCK_BYTES = 2**24

# Bytes of the hash of one text.
TEXT_BYTES = 8


def digest_of_rows(inputs: Any, rows: slice = slice(None)) -> str:
    """A digest of neighbouring rows of tensors: of their values, dtypes and shapes, and of the
    names and the order of the tensors.

    Arguments:
        inputs: a tensor (N, …), or a structure of tensors.
        rows: which of the N rows.
    """
    digest = hashlib.sha256()
    for piece in _pieces(inputs, rows):
        digest.update(piece)
    return digest.hexdigest()


def digest_of_words(words: Iterable[object]) -> str:
    """A digest of words, which may hold any character, in their order."""
    return hashlib.sha256(repr([str(word) for word in words]).encode()).hexdigest()


def text_keys(texts: Iterable[str]) -> np.ndarray[Any, Any]:
    """One number for each text, int64 (N,), equal for equal texts and the same in every process."""
    # A surrogate, which a damaged file may hold, cannot be encoded otherwise.
    hashes = []
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        hashes.append(hashlib.blake2b(content, digest_size=TEXT_BYTES).digest())
    return np.frombuffer(bytearray().join(hashes), np.int64)


def _pieces(value: Any, rows: slice) -> Iterable[Any]:
    """The bytes of some rows, each tensor's after its name, dtype and shape."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield f"{key!r}:".encode()
            yield from _pieces(part, rows)
    elif isinstance(value, torch.Tensor):
        tensor = value[rows].detach()
        yield f"{tensor.dtype} {tuple(tensor.shape)};".encode()
        for block in _blocks(tensor):
            # Every dtype can be read as bytes, also those that NumPy does not have.
            yield block.contiguous().view(-1).view(torch.uint8).numpy()
    else:
        yield f"{len(value)}(".encode()
        for part in value:
            yield from _pieces(part, rows)


def _blocks(tensor: torch.Tensor) -> Iterable[torch.Tensor]:
    """The rows of a tensor, a few at a time where they must be copied to be hashed."""
    if tensor.is_contiguous() or not len(tensor):
        yield tensor
        return
    rows = max(1, BLOCK_BYTES * len(tensor) // max(1, tensor.nbytes))
    for first in range(0, len(tensor), rows):
        yield tensor[first : first + rows]
