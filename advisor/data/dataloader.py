"""Takes a torch DataLoader apart: its Dataset, the rows it draws from, and how it makes a batch."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, Subset, default_collate, default_convert

from advisor.data.dataset_rows import Collated, read_labels
from advisor.data.datasets import length_of, read_dataset, untouched_randomness
from advisor.data.raw import Raw, Told
from advisor.errors import InputError


def read_loader(
    loader: DataLoader[Any],
    name: str,
    told: Told,
    inputs: int | None = None,
    target: str | None = None,
) -> Raw:
    """The rows of a DataLoader: like its Dataset, unless it has a `collate_fn` of its own, which
    then makes every batch.

    Raises:
        InputError: its Dataset has no length or gives whole batches, or its `collate_fn` gives no
            labels.
    """
    if loader.batch_size is None and loader.batch_sampler is None:
        raise InputError(
            f"{name}: the DataLoader has batch_size=None, so its Dataset gives whole batches; give one of rows."
        )
    told.note(
        f"{name}: of the DataLoader, its Dataset and collate_fn are used; order and batch size are those of the study"
    )
    dataset = loader.dataset
    length_of(dataset, name)
    drawn = getattr(getattr(loader.batch_sampler, "sampler", loader.sampler), "indices", None)
    if drawn is not None:
        dataset = Subset(dataset, sorted({int(row) for row in drawn}))
    if loader.collate_fn in (default_collate, default_convert):
        return read_dataset(dataset, name, told, inputs, target)
    rows = Collated(name, dataset, loader.collate_fn, inputs, target)
    if inputs is not None:
        return Raw(name, rows)
    with untouched_randomness():
        rows, labels = read_labels(rows)
    return Raw(name, rows, labels, target=target)
