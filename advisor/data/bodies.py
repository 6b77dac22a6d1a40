"""What every kind of input has in common, and inputs that are tensors or Datasets already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import ConcatDataset, Dataset, TensorDataset

from advisor.data.items import as_input, split_item, untouched_randomness
from advisor.data.parts import DatasetPart, Part, TensorPart
from advisor.data.raw import Raw, Told, plural
from advisor.data.splitting import Rows
from advisor.errors import InputError, listing


class Body(ABC):
    """The inputs of all rows, whose structure (columns, vocabulary, sizes) is fixed by the rows that are not test rows."""

    vocabulary: tuple[str, ...] | None = None
    ids: int | None = None

    @abstractmethod
    def view(self, train: Rows) -> Part:
        """All rows without targets; means, deviations and medians are those of the rows `train`."""

    def keys(self) -> Any:
        """One hashable value per row, equal for equal raw inputs; None where rows cannot be compared."""
        return None

    def limited(self, rows: int) -> Body:
        """The same inputs with at most `rows` ids."""
        del rows
        return self


class Arrays(Body):
    """Tensors as the user gave them, but for their dtype."""

    def __init__(self, raws: Sequence[Raw], told: Told) -> None:
        _same_shapes(raws)
        columns = list(zip(*(raw.body for raw in raws), strict=True))
        for raw in raws:
            _finite(raw)
        if any(tensor.dtype == torch.uint8 for column in columns for tensor in column):
            told.note("inputs of bytes (uint8) are taken as pixels and divided by 255")
        self.tensors = tuple(torch.cat([as_input(tensor) for tensor in column]) for column in columns)
        self.ids = _ids(self.tensors)
        if self.ids is not None:
            told.note("inputs of integers are kept as ids (int64); give floats if they are quantities")
        if any(tensor.dtype == torch.int64 and tensor.numel() and tensor.min() < 0 for tensor in self.tensors):
            told.warn("inputs of integers hold negative numbers, which are no ids: give floats if they are quantities")

    def view(self, train: Rows) -> Part:
        """The tensors as they are."""
        del train
        return TensorPart(self.tensors)

    def keys(self) -> Any:
        """The bytes of each row."""
        rows = zip(*(tensor.numpy() for tensor in self.tensors), strict=True)
        return [hash(tuple(part.tobytes() for part in row)) for row in rows]


def _same_shapes(raws: Sequence[Raw]) -> None:
    shapes = {raw.name: listing(tuple(tensor.shape[1:]) for tensor in raw.body) for raw in raws}
    first = next(iter(shapes))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise InputError(f"one row of {name} has shape {shape}, but one row of {first} has {shapes[first]}; make them equal.")


def _finite(raw: Raw) -> None:
    for tensor in raw.body:
        if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum())):
            continue
        bad = ~torch.isfinite(tensor)
        if bad.any():
            row = int(bad.reshape(len(tensor), -1).any(dim=1).int().argmax())
            raise InputError(
                f"the inputs of {raw.name} hold {plural(int(bad.sum()), 'NaN or infinite value')} (first in the row at index "
                f"{row}): remove or fill them."
            )


def _ids(tensors: tuple[torch.Tensor, ...]) -> int | None:
    """How many ids the integer inputs hold."""
    whole = [tensor for tensor in tensors if tensor.dtype == torch.int64 and tensor.numel()]
    return max(int(tensor.max()) for tensor in whole) + 1 if whole else None


class Items(Body):
    """Datasets that are read anew for every batch."""

    def __init__(self, raws: Mapping[str, Raw], told: Told) -> None:
        datasets = [_as_dataset(raw) for raw in raws.values()]
        self.dataset: Dataset[Any] = ConcatDataset(datasets)
        with untouched_randomness():
            self.inputs = len(split_item(datasets[0][0])[0])
            self.ids = _ids(DatasetPart(self.dataset, self.inputs).take(torch.arange(1))[0])
        drawn = [split for split in ("valid", "test") if split not in raws]
        if drawn:
            told.warn(
                f"rows for {' and '.join(drawn)} are drawn from the same Dataset as train, with its random transforms if it "
                f"has any; give {' and '.join(f'{split}=…' for split in drawn)} without them"
            )

    def view(self, train: Rows) -> Part:
        """The Dataset as it is."""
        del train
        return DatasetPart(self.dataset, self.inputs)


def _as_dataset(raw: Raw) -> Dataset[Any]:
    """The Dataset, or one of the tensors beside it; each item of those ends in a label, which is known elsewhere."""
    if isinstance(raw.body, tuple):
        return TensorDataset(*raw.body, torch.zeros(len(raw)))
    dataset: Dataset[Any] = raw.body
    return dataset
