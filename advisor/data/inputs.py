"""What every kind of input has in common, and inputs that are tensors or Datasets already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from advisor.data.dataset_rows import CollatedRows, RowReader, row_reader
from advisor.data.digests import digest_of_rows
from advisor.data.items import as_inputs, as_one_of_several, split_item
from advisor.data.known_columns import MOST_COLUMNS, KnownColumns
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw, RawKind
from advisor.data.splits import DatasetPart, Part, TensorPart
from advisor.errors import InputError, listing
from advisor.nested import elements, gathered, ids_in, mapped
from advisor.randomness import preserved

# Dtypes that take less memory than those of models; batches are converted as they are taken.
NARROW = (torch.uint8, torch.bool, torch.int8, torch.int16, torch.int32, torch.float16)

# Notes about arrays of bytes, of integers, and of negative integers.
BYTES_ARE_PIXELS = "inputs of bytes (uint8) are taken as pixels and divided by 255"
INTEGERS_ARE_IDS = "inputs of integers are kept as ids (int64); give floats if they are quantities"
NEGATIVE_IDS = (
    "inputs of integers hold negative numbers, which are no ids: give floats if they are quantities"
)


class Inputs(ABC):
    """The inputs of all rows, whose structure (columns, vocabulary, sizes) is fixed by the rows
    that are not test rows.

    Attributes:
        vocabulary: the token of each id, for texts.
        ids: how many different ids the inputs may hold, or None without ids.
        columns: the names of a table's columns, those of numbers first; None for what is no table.
        pads_right: whether rows of ids have their padding behind the words.
    """

    vocabulary: tuple[str, ...] | None = None
    ids: int | None = None
    columns: tuple[str, ...] | None = None
    pads_right: bool = False

    @abstractmethod
    def part(self, train: RowNumbers) -> Part:
        """All rows without targets; means, deviations and medians are those of the rows `train`.

        Every part reads the same tensors.
        """

    @abstractmethod
    def digest(self, rows: slice) -> str:
        """A digest of some neighbouring rows, the same for equal rows in every process.

        `rows` are those of one split as the user gave them.
        """

    def keys(self) -> np.ndarray[Any, Any] | None:
        """One number per row, equal for equal raw inputs; None where rows cannot be compared."""
        return None

    @property
    def known_columns(self) -> KnownColumns:
        """The columns that can be compared with the target; none where rows are no rows of a
        table.
        """
        return KnownColumns()

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The user's code that reads rows anew for every batch, by what it is."""
        return {}

    def padded_right(self) -> Inputs:
        """These inputs with the padding of texts behind the words; others are as they are."""
        return self

    def limited(self, rows: int) -> Inputs:
        """These inputs with at most `rows` ids."""
        del rows
        return self


def hashes(values: Iterable[Hashable]) -> np.ndarray[Any, Any]:
    """The hash of each row's value as its key, int64 (N,)."""
    return np.fromiter(map(hash, values), np.int64)


class ArrayInputs(Inputs):
    """Tensors as the user gave them, shared with the user where their dtype allows it."""

    def __init__(self, raws: Sequence[Raw], notes: Notes) -> None:
        _check_shapes(raws)
        for raw in raws:
            _check_finite(raw)
        if any(tensor.dtype == torch.uint8 for raw in raws for tensor in elements(raw.inputs)):
            notes.note(BYTES_ARE_PIXELS)

        # Narrow tensors stay as they are, and each batch of them is converted.
        self._tensors = gathered(_joined, [raw.inputs for raw in raws])
        self._is_narrow = any(tensor.dtype in NARROW for tensor in elements(self._tensors))
        if not self._is_narrow:
            self._tensors = as_inputs(self._tensors)

        # Bytes are pixels; all other integers are ids.
        tensors = [tensor for tensor in elements(self._tensors) if tensor.dtype != torch.uint8]
        self.ids = ids_in(tensors)
        if self.ids is not None:
            notes.note(INTEGERS_ARE_IDS)
        for tensor in tensors:
            is_integer = tensor.dtype != torch.bool and not tensor.is_floating_point()
            if is_integer and tensor.numel() and bool(tensor.min() < 0):
                notes.warn(NEGATIVE_IDS)

    def part(self, train: RowNumbers) -> Part:
        """The tensors as they are."""
        del train
        return TensorPart(self._tensors, finish=as_inputs if self._is_narrow else None)

    def keys(self) -> np.ndarray[Any, Any]:
        """A hash of the bytes of each row."""
        arrays = [tensor.numpy() for tensor in elements(self._tensors)]
        rows = zip(*arrays, strict=True)
        return hashes(tuple(part.tobytes() for part in row) for row in rows)

    @property
    def known_columns(self) -> KnownColumns:
        """The columns of one matrix of floats, by their numbers from 0."""
        tensors = elements(self._tensors)
        is_matrix = len(tensors) == 1 and tensors[0].ndim == 2 and tensors[0].is_floating_point()
        # Wide matrices are pixels and the like.
        if not is_matrix or tensors[0].shape[1] > MOST_COLUMNS:
            return KnownColumns()
        return KnownColumns({f"{i}": column for i, column in enumerate(tensors[0].numpy().T)})

    def digest(self, rows: slice) -> str:
        """A digest of the tensors' values in some neighbouring rows."""
        return digest_of_rows(self._tensors, rows)


def _joined(tensors: list[torch.Tensor]) -> torch.Tensor:
    """One input of all splits; a narrow dtype is kept where all splits have it."""
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1 or dtypes.isdisjoint(NARROW):
        tensors = [as_one_of_several(tensor) for tensor in tensors]
    return tensors[0].contiguous() if len(tensors) == 1 else torch.cat(tensors)


def _check_shapes(raws: Sequence[Raw]) -> None:
    """Raises `InputError` when the rows of two splits differ in shape."""
    shapes = {}
    for raw in raws:
        shapes[raw.name] = listing(mapped(lambda tensor: tuple(tensor.shape[1:]), raw.inputs))
    first = raws[0].name
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise InputError(
                f"one row of {name} has shape {shape}, but one row of {first} has "
                f"{shapes[first]}; make them equal."
            )


def _check_finite(raw: Raw) -> None:
    """Raises `InputError` when an input holds NaN or infinite values."""
    for tensor in elements(raw.inputs):
        # A sum is finite only if all its terms are, and is faster than looking at each.
        if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum())):
            continue
        is_bad = ~torch.isfinite(tensor)
        if is_bad.any():
            row = int(is_bad.reshape(len(tensor), -1).any(dim=1).int().argmax())
            count = plural(int(is_bad.sum()), "NaN or infinite value")
            raise InputError(
                f"the inputs of {raw.name} hold {count} (first in the row at index {row}): remove "
                "or fill them."
            )


class DatasetInputs(Inputs):
    """Datasets that are read anew for every batch."""

    def __init__(self, raws: Mapping[str, Raw], notes: Notes) -> None:
        inputs = count_inputs(raws["train"])
        self._splits = tuple(raws)
        self._sources = [row_reader(raw, inputs) for raw in raws.values()]
        with preserved():
            counts = [_count_ids(source) for source in self._sources]
        self.ids = max((count for count in counts if count is not None), default=None)

        # Rows that are drawn from a random Dataset are random too, also when they are scored.
        drawn = [split for split in ("valid", "test") if split not in raws]
        if drawn and not isinstance(raws["train"].inputs, CollatedRows):
            notes.warn(
                f"rows for {' and '.join(drawn)} are drawn from the same Dataset as train, with "
                "its random transforms if it has any; give "
                f"{' and '.join(f'{split}=…' for split in drawn)} without them"
            )

    def part(self, train: RowNumbers) -> Part:
        """The Datasets as they are."""
        del train
        return DatasetPart(self._sources)

    def digest(self, rows: slice) -> str:
        """A digest of the Dataset that has these rows."""
        first = 0
        for source in self._sources:
            if first == rows.start:
                return source.digest()
            first += len(source)
        raise ValueError(f"no Dataset begins at row {rows.start}")

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The code of Datasets that are read anew, and of functions that make batches of them."""
        readers: dict[str, Sequence[object]] = {}
        for split, source in zip(self._splits, self._sources, strict=True):
            for name, reader in source.readers.items():
                readers[f"{name} of {split}"] = reader
        return readers


def _count_ids(source: RowReader) -> int | None:
    """How many ids the rows may hold, by all labelled rows of a `collate_fn`, else by the first."""
    if isinstance(source, CollatedRows):
        return source.ids
    return ids_in(source.take([0])[0])


def count_inputs(raw: Raw) -> int:
    """How many positional inputs a row has."""
    if raw.kind is RawKind.ARRAYS:
        return len(raw.inputs)
    with preserved():
        if isinstance(raw.inputs, CollatedRows):
            return len(raw.inputs.batch([0])[0])
        return len(split_item(raw.inputs[0], target=raw.target)[0])
