"""What every kind of input has in common, and inputs that are tensors or Datasets already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from advisor.data.dataset_rows import Collated, Read, Stored
from advisor.data.datasets import as_inputs, split_item, untouched_randomness
from advisor.data.layout import Rows
from advisor.data.raw import Raw, Told, plural
from advisor.data.splits import DatasetPart, Part, TensorPart
from advisor.errors import InputError, listing
from advisor.nested import elements, gathered, ids_in, mapped


class Body(ABC):
    """The inputs of all rows, whose structure (columns, vocabulary, sizes) is fixed by the rows
    that are not test rows.
    """

    vocabulary: tuple[str, ...] | None = None
    ids: int | None = None

    @abstractmethod
    def view(self, train: Rows) -> Part:
        """All rows without targets; means, deviations and medians are those of the rows `train`."""

    def keys(self) -> Any:
        """One hashable value per row, equal for equal raw inputs; None where rows cannot be
        compared.
        """
        return None

    def limited(self, rows: int) -> Body:
        """The same inputs with at most `rows` ids."""
        del rows
        return self


class Arrays(Body):
    """Tensors as the user gave them, but for their dtype."""

    def __init__(self, raws: Sequence[Raw], told: Told) -> None:
        _same_shapes(raws)
        for raw in raws:
            _finite(raw)
        if any(tensor.dtype == torch.uint8 for raw in raws for tensor in elements(raw.body)):
            told.note("inputs of bytes (uint8) are taken as pixels and divided by 255")
        self.inputs = gathered(torch.cat, [as_inputs(raw.body) for raw in raws])
        self.ids = ids_in(self.inputs)
        tensors = elements(self.inputs)
        if self.ids is not None:
            told.note(
                "inputs of integers are kept as ids (int64); give floats if they are quantities"
            )
        if any(
            tensor.dtype == torch.int64 and tensor.numel() and tensor.min() < 0
            for tensor in tensors
        ):
            told.warn(
                "inputs of integers hold negative numbers, which are no ids: give floats if they are quantities"
            )

    def view(self, train: Rows) -> Part:
        """The tensors as they are."""
        del train
        return TensorPart(self.inputs)

    def keys(self) -> Any:
        """The bytes of each row."""
        rows = zip(*(tensor.numpy() for tensor in elements(self.inputs)), strict=True)
        return [hash(tuple(part.tobytes() for part in row)) for row in rows]


def _same_shapes(raws: Sequence[Raw]) -> None:
    shapes = {
        raw.name: listing(mapped(lambda tensor: tuple(tensor.shape[1:]), raw.body)) for raw in raws
    }
    first = next(iter(shapes))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise InputError(
                f"one row of {name} has shape {shape}, but one row of {first} has {shapes[first]}; make them equal."
            )


def _finite(raw: Raw) -> None:
    for tensor in elements(raw.body):
        if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum())):
            continue
        bad = ~torch.isfinite(tensor)
        if bad.any():
            row = int(bad.reshape(len(tensor), -1).any(dim=1).int().argmax())
            raise InputError(
                f"the inputs of {raw.name} hold {plural(int(bad.sum()), 'NaN or infinite value')} (first in the row at index "
                f"{row}): remove or fill them."
            )


class Items(Body):
    """Datasets that are read anew for every batch."""

    def __init__(self, raws: Mapping[str, Raw], told: Told) -> None:
        self.sources = [_rows(raw, count_inputs(raws["train"])) for raw in raws.values()]
        with untouched_randomness():
            counts = [
                source.ids if isinstance(source, Collated) else ids_in(source.take([0])[0])
                for source in self.sources
            ]
        self.ids = max((count for count in counts if count is not None), default=None)
        drawn = [split for split in ("valid", "test") if split not in raws]
        if drawn and not isinstance(raws["train"].body, Collated):
            told.warn(
                f"rows for {' and '.join(drawn)} are drawn from the same Dataset as train, with its random transforms if it "
                f"has any; give {' and '.join(f'{split}=…' for split in drawn)} without them"
            )

    def view(self, train: Rows) -> Part:
        """The Datasets as they are."""
        del train
        return DatasetPart(self.sources)


def _rows(raw: Raw, inputs: int) -> Stored | Read | Collated:
    if isinstance(raw.body, tuple):
        return Stored(as_inputs(raw.body), len(raw))
    return (
        raw.body if isinstance(raw.body, Collated) else Read(raw.name, raw.body, inputs, raw.target)
    )


def count_inputs(raw: Raw) -> int:
    """How many positional inputs a row has."""
    if isinstance(raw.body, tuple):
        return len(raw.body)
    with untouched_randomness():
        return len(
            (
                raw.body.batch([0])
                if isinstance(raw.body, Collated)
                else split_item(raw.body[0], target=raw.target)
            )[0]
        )
