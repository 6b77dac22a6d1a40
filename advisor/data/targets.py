"""From labels to class numbers, or to numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from advisor.data.raw import Raw, Told, plural
from advisor.errors import InputError, listing

USUAL = ("target", "label", "class", "y")
FEW = 20  # distinct whole numbers that still look like classes
RARE = 10  # rows; a class below it is told about


@dataclass(frozen=True)
class Target:
    """All targets, train then valid then test: int64 (N,) with `classes`, or float32 (N,) or (N, k)
    without.
    """

    values: torch.Tensor
    classes: tuple[str, ...] | None
    scale: tuple[float, float] | None = None

    @property
    def numbers(self) -> np.ndarray[Any, Any] | None:
        """Class numbers as an array, None for a regression."""
        return None if self.classes is None else self.values.numpy()

    def standardized(self, pool: Any, told: Told) -> Target:
        """The same with mean 0 and deviation 1 on the rows `pool`."""
        known = self.values[torch.as_tensor(pool)].double()
        mean, deviation = known.mean().item(), known.std(correction=0).item() or 1.0
        told.note(
            f"target scaled to mean 0, deviation 1 (mean {mean:.6g}, deviation {deviation:.6g} outside the test rows)"
        )
        values = ((self.values.double() - mean) / deviation).float()
        return replace(self, values=values, scale=(mean, deviation))


def take_target(raws: Mapping[str, Raw], target: str | None, told: Told) -> dict[str, Raw]:
    """Tables without their target column, which becomes their labels.

    Raises:
        InputError: there is no such column, it is there twice, or it has empty cells.
    """
    train = raws["train"]
    if not isinstance(train.body, pd.DataFrame) or train.labels is not None:
        if target is not None and train.target != target:
            told.warn(
                f"target={target!r} is not used: the data have no column to choose, they come with their targets"
            )
        others = {split: raw for split, raw in raws.items() if split != "unlabeled"}
        unlabeled = {
            split: replace(raws[split], labels=None) for split in raws.keys() - others.keys()
        }
        return {split: _needs_labels(raw, train) for split, raw in others.items()} | unlabeled
    column = target if target is not None else _usual_column(train, told)
    return {split: _without(raw, column, split) for split, raw in raws.items()}


def _needs_labels(raw: Raw, train: Raw) -> Raw:
    if raw.labels is None and isinstance(raw.body, pd.DataFrame):
        raise InputError(
            f"{raw.name} is a table, and {train.name} is none; give all of them alike, as tables or as pairs (x, y)."
        )
    if raw.labels is None:
        raise InputError(
            f"{raw.name} has no targets; give a pair (x, y), or one sub-folder per class."
        )
    return raw


def _usual_column(raw: Raw, told: Told) -> str:
    columns = [str(column) for column in raw.body.columns]
    found = [column for column in columns if column.strip().lower() in USUAL]
    if len(found) != 1:
        raise InputError(
            f"which column of {raw.name} is to be predicted? Say target=… (--target …). Its columns are {listing(columns, 30)}."
        )
    told.note(f"{raw.name}: column {found[0]!r} is taken as the target")
    return found[0]


def _without(raw: Raw, column: str, split: str) -> Raw:
    table = raw.body
    if not isinstance(table, pd.DataFrame):
        return raw
    names = {str(name).strip(): name for name in table.columns}
    if column not in names:
        if split == "unlabeled" or raw.labels is not None:
            return raw
        close = difflib.get_close_matches(column, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(
            f"{raw.name} has no column {column!r}{hint} Its columns are {listing(names, 30)}."
        )
    features = table.drop(columns=names[column])
    if split == "unlabeled":
        return Raw(raw.name, features)
    twins = [
        name for name in names if re.fullmatch(rf"{re.escape(column)}\.\d+", name)
    ]  # how pandas reads a name given twice
    if twins:
        raise InputError(
            f"{raw.name} has {len(twins) + 1} columns called {column!r}; which is the target? Rename the others."
        )
    labels = _complete(table[names[column]], column, raw.name)
    return Raw(
        raw.name, features.reset_index(drop=True), labels.reset_index(drop=True).rename(column)
    )


def _complete(column: Any, name: str, table: str) -> Any:
    """The column with blanks stripped, as numbers if it holds numbers alone; every row must have a
    value.
    """
    if not is_numeric_dtype(column):
        words = column.astype(object)
        words = words.map(lambda value: value.strip() if isinstance(value, str) else value)
        words = words.where(~words.isin(["", "?"]), None).infer_objects()
        numbers = pd.to_numeric(words, errors="coerce")
        column = (
            numbers
            if not is_bool_dtype(words) and (numbers.notna() == words.notna()).all()
            else words
        )
    there = column.notna()
    if not there.all():
        row = int(np.argmin(there.to_numpy())) + 1
        count = plural(int((~there).sum()), "empty or NaN target")
        what = "remove or fill these rows, or give them as unlabeled data"
        raise InputError(f"column {name!r} of {table} has {count} (first in row {row}): {what}.")
    return column


def encode(raws: Mapping[str, Raw], kind: str | None, told: Told) -> Target:
    """The targets of train, valid and test as class numbers or as numbers.

    Raises:
        InputError: they do not fit `kind`, are all the same, not numbers, or a test row has a class
            that no other row has.
    """
    labels = {split: raws[split].labels for split in ("train", "valid", "test") if split in raws}
    for split, column in labels.items():
        _finite(column, raws[split].name)
    if any(isinstance(column, np.ndarray) for column in labels.values()):
        return _matrix(labels, raws, kind, told)
    columns: list[Any] = [column for split, column in labels.items() if split != "test"]
    known = _together(columns)
    named = getattr(labels["train"], "name", None)
    place = (
        f"target {named!r} of {raws['train'].name}"
        if named is not None
        else f"the target of {raws['train'].name}"
    )
    if _is_numbers(known, kind, place):
        values = np.concatenate(
            [_numbers(column, raws[split].name) for split, column in labels.items()]
        )
        if np.ptp(values) == 0:
            raise InputError(f"{place} is {values[0]:g} in every row; there is nothing to learn.")
        return Target(torch.from_numpy(values).float(), None)
    return _classes(labels, kind, place, told)


def _together(columns: list[pd.Series[Any]]) -> pd.Series[Any]:
    return pd.concat(columns, ignore_index=True)


def _numbers(column: Any, name: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise InputError(
            f"{name} has the target {column.iloc[row]!r} in row {row + 1}, but the other targets are numbers."
        )
    return values


def _finite(column: Any, name: str) -> None:
    """Refuse NaN and infinite targets."""
    values = column if isinstance(column, np.ndarray) else column.to_numpy()
    if values.dtype.kind == "O":
        bad: Any = np.asarray(pd.isna(values))
    else:
        bad = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    bad = bad.reshape(len(values), -1).any(axis=1)
    if bad.any():
        where = f"first at index {int(np.argmax(bad))}"
        raise InputError(
            f"{name} has {plural(int(bad.sum()), 'NaN or infinite target')} ({where}): remove or fill these rows."
        )


def _matrix(
    labels: Mapping[str, Any], raws: Mapping[str, Raw], kind: str | None, told: Told
) -> Target:
    """Targets of several columns: one-hot rows are classes, everything else is numbers."""
    widths = {column.shape[1] if column.ndim == 2 else 1 for column in labels.values()}
    if len(widths) > 1:
        raise InputError(
            f"y has {listing(sorted(widths))} columns in different splits; give the same number in each."
        )
    values = np.concatenate([np.asarray(column) for column in labels.values()])
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"y of {raws['train'].name} has {widths.pop()} columns of {values.dtype}; give numbers."
        )
    hot = bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())
    if kind != "regression" and hot:
        told.note("the target is one-hot: taken as class numbers")
        return _classes(
            {s: pd.Series(c.argmax(axis=1)) for s, c in labels.items()}, kind, "the target", told
        )
    if kind in ("classification", "binary"):
        raise InputError(
            f"kind={kind!r} needs one class per row, but y has shape {values.shape} and is not one-hot."
        )
    return Target(torch.from_numpy(values.astype(np.float32)), None)


def _is_numbers(labels: Any, kind: str | None, place: str) -> bool:
    """Whether this is a regression."""
    numeric = is_numeric_dtype(labels) and not is_bool_dtype(labels)
    if kind == "regression" and not numeric:
        wrong = labels[pd.to_numeric(labels, errors="coerce").isna()]
        if len(wrong):
            raise InputError(
                f"kind='regression' needs numbers, but {place} holds {listing(map(repr, wrong.unique()[:3]))}"
                f" ({plural(len(wrong), 'row')}); mend them, or leave kind out to predict classes."
            )
    if kind is not None or not numeric:
        return kind == "regression"
    distinct = labels.nunique()
    if distinct * 2 > len(labels):
        return True
    whole = not is_float_dtype(labels) or bool((labels % 1 == 0).all())
    return not whole or not (
        distinct <= FEW or (not is_float_dtype(labels) and distinct <= 0.05 * len(labels))
    )


def _classes(labels: Mapping[str, Any], kind: str | None, place: str, told: Told) -> Target:
    """Class numbers in the order of the labels (by number if all are numbers, else by alphabet)."""
    words = {split: _words(column) for split, column in labels.items()}
    train = set(words["train"])
    words = {
        split: column if split == "train" else _without_stops(column, train, told)
        for split, column in words.items()
    }
    classes = _ordered(set().union(*(column for split, column in words.items() if split != "test")))
    _checked(classes, words, kind, place)
    counts = pd.concat(list(words.values())).value_counts()
    for name in classes:
        if counts[name] < RARE:
            told.warn(f"class {name!r} has {plural(int(counts[name]), 'row')}")
    if all(_is_whole(name) for name in classes) and classes != tuple(map(str, range(len(classes)))):
        told.note(f"classes {listing(classes, 6)} are numbered 0 to {len(classes) - 1}")
    codes = pd.concat(list(words.values())).map(
        {name: number for number, name in enumerate(classes)}
    )
    return Target(torch.tensor(codes.to_numpy(np.int64)), classes)


def _checked(
    classes: tuple[str, ...], words: Mapping[str, Any], kind: str | None, place: str
) -> None:
    rows = sum(len(column) for column in words.values())
    if len(classes) < 2:
        raise InputError(
            f"{place} has one class only, {classes[0]!r}; there is nothing to tell apart."
        )
    if kind == "binary" and len(classes) != 2:
        raise InputError(
            f"kind='binary' needs 2 classes, but {place} has {len(classes)}: {listing(classes)}."
        )
    if len(classes) * 2 > rows:
        raise InputError(
            f"{place} has {len(classes):,} different labels in {plural(rows, 'row')} ({listing(classes, 4)}); "
            "classes need more rows each, and a regression needs numbers in every row."
        )
    unseen = _ordered(set(words.get("test", ())) - set(classes))
    if unseen:
        raise InputError(
            f"the test rows have classes that no other row has: {listing(unseen)}; {place} has {listing(classes)}."
        )


def _words(labels: Any) -> Any:
    """Labels as text, whole numbers without a decimal point."""
    if is_float_dtype(labels) and bool((labels % 1 == 0).all()):
        labels = labels.astype(np.int64)
    return labels.astype(object).map(lambda label: str(label).strip())


def _without_stops(labels: Any, known: set[str], told: Told) -> Any:
    """Labels that differ from those of the training rows by a full stop at the end lose it."""
    changed = {word: word.rstrip(".") for word in set(labels) - known if word.rstrip(".") in known}
    if changed:
        told.note(
            f"labels {listing(sorted(changed), 4)} lost the full stop that the training rows do not have"
        )
    return labels.replace(changed)


def _is_whole(word: str) -> bool:
    return word.lstrip("-").isdigit()


def _ordered(words: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(words, key=float))
    except ValueError:
        return tuple(sorted(words))
