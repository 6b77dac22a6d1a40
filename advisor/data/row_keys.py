"""Takes out of the data what says which rows belong together, and when each row was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.formats.columns import ColumnKind, kind_of, to_numbers
from advisor.data.layout import Layout, RowKeys, RowNumbers, Times
from advisor.data.notes import Notes, plural
from advisor.data.raw import SPLITS, Raw, RawKind
from advisor.errors import InputError, listing, near

# What the rows have a key for, as the options call it.
GROUP, TIME = "group", "time"

# Groups of test rows below which the user is warned.
FEW_GROUPS = 5

# Days are counted from here, as `to_numbers` does.
FIRST_DAY = pd.Timestamp(0)


@dataclass(frozen=True)
class KeyColumn:
    """The cells that were found for one option.

    Attributes:
        option: `group` or `time`.
        name: how a message calls the cells: the column, the key, or the option.
        cells: the cells of each split that has them, as a pandas Series.
    """

    option: str
    name: str
    cells: Mapping[str, Any]


def names_of(*keys: Any) -> tuple[str, ...]:
    """The keys that are names, and no arrays."""
    return tuple(key for key in keys if isinstance(key, str))


def take_column(
    raws: Mapping[str, Raw], option: str, key: Any
) -> tuple[dict[str, Raw], KeyColumn | None]:
    """The rows without the column or key that an option names, and its cells.

    Arguments:
        raws: the rows by split, with `train`; the targets are taken out of them already.
        option: `group` or `time`.
        key: the name of a column or key, an array with one entry per row of train, or None.

    Raises:
        InputError: there is no such column or key, or the array has another number of rows.
    """
    if key is None:
        return dict(raws), None
    train = raws["train"]
    if not isinstance(key, str):
        cells = _as_cells(key)
        if len(cells) != len(train):
            raise InputError(
                f"{option}=… has {len(cells):,} entries, but {train.name} has "
                f"{plural(len(train), 'row')} with a target; give one entry for each."
            )
        return dict(raws), KeyColumn(option, f"{option}=…", {"train": cells})

    # Other splits may lack the column; it only has to be there where rows are drawn.
    left: dict[str, Raw] = {}
    found = {}
    for split, raw in raws.items():
        left[split], cells = _without(raw, key)
        if cells is not None:
            found[split] = cells
    if "train" not in found:
        raise InputError(_no_such_key(train, option, key))
    return left, KeyColumn(option, repr(key), found)


def row_keys(
    raws: Mapping[str, Raw], group: KeyColumn | None, time: KeyColumn | None, notes: Notes
) -> RowKeys:
    """The groups and times of all rows, numbered as the splits are.

    Raises:
        InputError: a row has no time, or times are neither numbers nor dates.
    """
    sizes = {split: len(raws[split]) for split in SPLITS if split in raws}
    groups = None if group is None else _groups(group, sizes, notes)
    times = None if time is None else _times(time, sizes)
    return RowKeys(groups, times)


def note_times(
    layout: Layout, drawn: tuple[RowNumbers, RowNumbers], time: KeyColumn, notes: Notes
) -> None:
    """Sentences on how rows were split by time, `drawn` being the rows of train and valid."""
    times, (train, valid) = layout.keys.times, drawn
    if times is None:
        return
    cuts = []
    if layout.valid is None:
        cuts.append(f"validation rows from {_moment(time, times[valid].min())}")
    if layout.drew_test:
        cuts.append(f"test rows from {_moment(time, times[layout.test].min())}")
    if cuts:
        notes.note(f"the rows are split by {time.name}, no input: {', '.join(cuts)}")
    else:
        notes.warn(f"{time.name} splits nothing, as you gave validation and test rows yourself")

    _warn_of_early(times, train, {"validation": valid, "test": layout.test}, time.name, notes)


def _warn_of_early(
    times: Times, train: RowNumbers, scored: Mapping[str, RowNumbers], name: str, notes: Notes
) -> None:
    """A warning of rows to be scored, of the user's own splits, that are no later than train."""
    for split, rows in scored.items():
        early = int((times[rows] <= times[train].max()).sum())
        if early:
            notes.warn(
                f"{plural(early, f'{split} row')} of {len(rows):,} are no later than the last row "
                f"to train on, by {name}"
            )


def note_groups(
    layout: Layout, drawn: tuple[RowNumbers, RowNumbers], group: KeyColumn, notes: Notes
) -> None:
    """Sentences on how groups were split, `drawn` being the rows of train and valid."""
    groups = layout.keys.groups
    if groups is None:
        return
    parts = {"train": drawn[0], "valid": drawn[1], "test": layout.test}
    numbers = {name: np.unique(groups[rows]) for name, rows in parts.items()}
    counts = [f"{name} {len(own)}" for name, own in numbers.items()]
    notes.note(
        f"rows of one {group.name}, no input, belong together: groups of {', '.join(counts)}"
    )
    if len(numbers["test"]) < FEW_GROUPS:
        notes.warn(
            f"the test rows are of {plural(len(numbers['test']), 'group')} only, so they say "
            "little about new groups"
        )

    _warn_of_shared(numbers, group.name, notes)


def _warn_of_shared(numbers: Mapping[str, RowNumbers], name: str, notes: Notes) -> None:
    """A warning of groups on both sides, where rows are split by time or by the user."""
    scored = np.union1d(numbers["valid"], numbers["test"])
    shared = np.intersect1d(numbers["train"], scored)
    if len(shared):
        notes.warn(
            f"{plural(len(shared), 'group')} of {name} with rows to train on also have rows to "
            "validate or test on, so the scores say little about new groups"
        )


def _without(raw: Raw, key: str) -> tuple[Raw, Any]:
    """A split without a column or key, and the cells that it had there, None without any."""
    if raw.kind is RawKind.TABLE:
        names = {str(name).strip(): name for name in raw.inputs.columns}
        if key not in names:
            return raw, None
        cells = raw.inputs[names[key]].reset_index(drop=True)
        return replace(raw, inputs=raw.inputs.drop(columns=names[key])), cells
    if key in raw.keys:
        return raw, pd.Series(raw.keys[key])
    if raw.kind is RawKind.ARRAYS:
        first, *others = raw.inputs
        if isinstance(first, Mapping) and key in first:
            inputs = {name: value for name, value in first.items() if name != key}
            return replace(raw, inputs=(inputs, *others)), _as_cells(first[key])
    return raw, None


def _no_such_key(train: Raw, option: str, key: str) -> str:
    """The message about a column or key that the training rows do not have."""
    what = f"{option}={key!r} (--{option} {key})"
    names: list[str] | None = None
    if train.kind is RawKind.TABLE:
        names = [str(name).strip() for name in train.inputs.columns]
    elif train.kind is RawKind.ARRAYS and isinstance(train.inputs[0], Mapping):
        names = list(map(str, train.inputs[0]))
    if key == train.target:
        return f"{what}: {key!r} is what is to be predicted; name another column."
    if names is None:
        return (
            f"{what}: the rows of {train.name} have no names for their parts; give an array with "
            f"one entry per row, Task({option}=…), or items that are dictionaries."
        )
    return f"{what}: {train.name} has no {key!r}.{near(key, names)} It has {listing(names, 30)}."


def _as_cells(values: Any) -> Any:
    """An array, tensor, list or column as a pandas Series.

    Raises `InputError` where it has not one entry for each row.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    what = "group=… and time=… need one entry per row, got"
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} lists of different lengths.") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{what} {type(values).__name__} of shape {array.shape}.")
    return pd.Series(array)


def _groups(group: KeyColumn, sizes: Mapping[str, int], notes: Notes) -> RowNumbers:
    """The number of each row's group; a row without a group is one of its own."""
    cells = []
    for split, size in sizes.items():
        cells.append(group.cells.get(split, pd.Series([None] * size, dtype=object)).astype(object))
    try:
        numbers, distinct = pd.factorize(pd.concat(cells, ignore_index=True))
    except TypeError as error:
        what = f"group={group.name} holds lists or the like"
        raise InputError(f"{what}; give words or numbers.") from error

    # A gap is no group of all rows that have it.
    is_alone = numbers < 0
    numbers[is_alone] = len(distinct) + np.arange(int(is_alone.sum()))

    # A missing entry in a column that the split has is worth a sentence.
    missing = sum(int(own.isna().sum()) for own in group.cells.values())
    if missing:
        notes.warn(f"{plural(missing, 'row')} without a {group.name}: each is a group of its own")
    return np.asarray(numbers, np.int64)


def _times(time: KeyColumn, sizes: Mapping[str, int]) -> Times:
    """A number for each row's time, NaN in splits that have none."""
    times = []
    for split, size in sizes.items():
        cells = None if split == "unlabeled" else time.cells.get(split)
        times.append(np.full(size, np.nan) if cells is None else _numbers(time, cells))
    return np.concatenate(times)


def _numbers(time: KeyColumn, cells: Any) -> Times:
    """The times of one split as numbers, dates as days since 1970."""
    kind = kind_of(cells)
    if kind not in (ColumnKind.NUMBER, ColumnKind.DATE) or cells.dtype.kind == "c":
        shown = listing(dict.fromkeys(map(repr, cells.dropna().head(3))))
        raise InputError(
            f"time={time.name} holds {shown}, which are neither numbers nor dates that can be "
            "read; give a column of one of them (2024-02-29 is read everywhere)."
        )
    numbers = np.asarray(to_numbers(cells, kind), np.float64)
    if np.isnan(numbers).any():
        row = int(np.argmax(np.isnan(numbers))) + 1  # as a person counts
        count = plural(int(np.isnan(numbers).sum()), "row")
        raise InputError(
            f"time={time.name} is missing in {count} (first in row {row}): fill or remove them."
        )
    return numbers


def _moment(time: KeyColumn, number: float) -> str:
    """A time as a person reads it."""
    if kind_of(time.cells["train"]) is not ColumnKind.DATE:
        return f"{number:.12g}"
    moment = FIRST_DAY + pd.Timedelta(days=number)
    return str(moment.date() if moment == moment.normalize() else moment.floor("s"))
