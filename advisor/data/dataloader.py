"""Takes a torch DataLoader apart: its Dataset, the rows it draws from, and how it makes a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch.utils.data import DataLoader, Subset, default_collate, default_convert

from advisor.data.dataset_rows import CollatedRows, read_labels
from advisor.data.datasets import length_of, read_dataset
from advisor.data.item_keys import WithoutKeys, keys_of_items
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.errors import InputError
from advisor.randomness import preserved


def read_loader(
    loader: DataLoader[Any],
    name: str,
    notes: Notes,
    inputs: int | None = None,
    target: str | None = None,
    row_keys: tuple[str, ...] = (),
) -> Raw:
    """The rows of a DataLoader: like its Dataset, unless it has a `collate_fn` of its own, which
    then makes every batch.

    Arguments:
        loader: any DataLoader of rows.
        name: what messages call it.
        notes: gets a sentence on what of it is used.
        inputs: None for labelled items, or the number of inputs in items that may have no label.
        target: the label's key or position in an item or batch.
        row_keys: the keys of items that say which rows belong together, and when they were.

    Raises:
        InputError: its Dataset has no length or gives whole batches, or its `collate_fn` gives no
            labels.
    """
    if loader.batch_size is None and loader.batch_sampler is None:
        raise InputError(
            f"{name}: the DataLoader has batch_size=None, so its Dataset gives whole batches; give "
            "one of rows."
        )
    notes.note(
        f"{name}: of the DataLoader, its Dataset and collate_fn are used; order and batch size are "
        "those of the study"
    )

    # A sampler over a part of the rows is how a loader says which rows are its own.
    dataset = loader.dataset
    length_of(dataset, name)
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    drawn = getattr(sampler, "indices", None)
    if drawn is not None:
        dataset = Subset(dataset, sorted({int(row) for row in drawn}))

    keys = keys_of_items(dataset, row_keys, name)
    if loader.collate_fn in (default_collate, default_convert):
        dataset = WithoutKeys(dataset, tuple(keys)) if keys else dataset
        return replace(read_dataset(dataset, name, notes, inputs, target), keys=keys)

    # A `collate_fn` of the user's own says itself what of an item the model gets.
    rows = CollatedRows(name, dataset, loader.collate_fn, inputs, target)
    if inputs is not None:
        return Raw(name, rows)
    with preserved():
        rows, labels = read_labels(rows)
    return Raw(name, rows, labels, target=target, keys=keys)
