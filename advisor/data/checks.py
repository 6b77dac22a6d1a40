"""What the user should know of their rows before a score is believed."""

from __future__ import annotations

import numpy as np
import torch

from advisor.data.classes import Target
from advisor.data.inputs import Inputs
from advisor.data.layout import Layout, RowNumbers
from advisor.data.leaks import note_times_and_groups, warn_of_leaks
from advisor.data.notes import Notes, plural


def warn_of_repeats(row_hashes: RowNumbers, layout: Layout, notes: Notes) -> None:
    """A warning of rows to be scored whose inputs also stand among the rows that train is drawn
    from.
    """
    learned = row_hashes[layout.train]
    for name, rows in (("test", layout.test), ("validation", layout.valid)):
        repeats = 0 if rows is None else int(np.isin(row_hashes[rows], learned).sum())
        if rows is not None and repeats:
            verb = "stands" if repeats == 1 else "stand"
            notes.warn(
                f"{plural(repeats, f'{name} row')} also {verb} in train (of {len(rows):,}): what a "
                "model remembers is scored as if it were new; remove the repeats if they are no "
                "rows of their own"
            )


def look_at_columns(
    inputs: Inputs,
    row_hashes: RowNumbers,
    target: Target,
    layout: Layout,
    rows: int,
    notes: Notes,
) -> None:
    """What the columns of a table say of the target, of time and of groups."""
    columns = inputs.known_columns
    if not columns.names and not columns.dates:
        return
    # A row that stands there twice proves nothing twice.
    pool = layout.labelled_pool
    pool = pool[np.sort(np.unique(row_hashes[pool], return_index=True)[1])]
    warn_of_leaks(columns, target, pool, rows, notes)
    if layout.valid is None or layout.drew_test:
        by_time, by_group = layout.keys.times is not None, layout.keys.groups is not None
        note_times_and_groups(columns, pool, by_time, by_group, notes)


def warn_of_missing_classes(target: Target, train: RowNumbers, notes: Notes) -> None:
    """A warning of each class that only rows outside train have."""
    train_values = target.values[torch.as_tensor(train)]
    for number, name in enumerate(target.classes or ()):
        if not (train_values == number).any():
            notes.warn(f"no row to train on has the class {name!r}")
