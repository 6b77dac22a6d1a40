"""Several labels a row: columns of 0 and 1, or words in one cell, as a matrix of 0 and 1."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from advisor.data.notes import Notes, plural
from advisor.errors import InputError, listing

# What stands between the labels of one cell, in the order in which they are looked for.
SEPARATORS = ("|", ";", ",", " ")

# Words of columns that say yes or no, with their numbers.
YES_OR_NO = {"yes": 1, "no": 0, "true": 1, "false": 0, "y": 1, "n": 0, "t": 1, "f": 0}

# The share of cells with such a sign that look like several labels each.
MANY_CELLS = 0.05

# Rows below which the user is warned about a label.
RARE = 10

# Rows that a set of labels needs to be split in proportion: one of five is a test row.
LEAST_OF_A_SET = 5


def holds_collections(column: Any) -> bool:
    """Whether the cells of a column are lists or sets, by the first of them."""
    return column.dtype == object and len(column) > 0 and is_collection(column.iloc[0])


def is_collection(cell: object) -> bool:
    """Whether a cell is a list, a set or an array, and no text."""
    return isinstance(cell, Collection) and not isinstance(cell, str | bytes | Mapping)


def numbers_in(column: Any, place: str) -> np.ndarray[Any, Any]:
    """A target column as numbers, with yes as 1 and no as 0.

    Raises:
        InputError: it holds other words.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    if bool(numbers.notna().all()):
        return np.asarray(numbers, np.float64)
    words = column.astype(str).str.strip().str.lower()
    if bool(words.isin(list(YES_OR_NO)).all()):
        return np.asarray(words.map(YES_OR_NO), np.float64)
    wrong = column[numbers.isna() & ~words.isin(list(YES_OR_NO))].iloc[0]
    raise InputError(
        f"{place} holds {wrong!r}: several target columns are all of 0 and 1 (or yes and no), or "
        "all of numbers. Name one column with words as the only target."
    )


def from_cells(
    columns: Mapping[str, Any], place: str, notes: Notes
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    """The names of all labels, and a matrix of 0 and 1, from cells such as `red|round`.

    Arguments:
        columns: a column of texts or lists by split, test last.
        place: what messages call the target.
        notes: gets a sentence on how the cells were read.

    Raises:
        InputError: no cell holds several labels, or a label stands in test rows only.
    """
    cells = _as_lists(columns, place, notes)
    # A matrix has a column for each label, in the order of the alphabet.
    sets = {split: [_words(cell) for cell in rows] for split, rows in cells.items()}
    names = _names_in(sets, place)
    place_of = {name: number for number, name in enumerate(names)}
    every_row = [row for rows in sets.values() for row in rows]
    matrix = np.zeros((len(every_row), len(names)))
    for number, row in enumerate(every_row):
        matrix[number, [place_of[word] for word in row]] = 1
    return names, matrix


def _as_lists(columns: Mapping[str, Any], place: str, notes: Notes) -> dict[str, list[Any]]:
    """The cells of each split as lists: texts are cut where a sign stands in any of them."""
    cells = {split: list(column) for split, column in columns.items()}
    every_cell = [cell for split in cells for cell in cells[split]]
    if is_collection(every_cell[0]):
        return cells
    separator = _separator(every_cell, place)
    notes.note(f"{place}: the labels of a row are cut at {separator!r}")
    return {split: [str(text).split(separator) for text in cells[split]] for split in cells}


def _names_in(sets: Mapping[str, Iterable[set[str]]], place: str) -> tuple[str, ...]:
    """All labels of the rows outside test. Raises `InputError` where a test row has another one, or
    there are fewer than two.
    """
    of_split = {split: set().union(*rows) for split, rows in sets.items()}
    tested = of_split.pop("test", set())
    known = set().union(*of_split.values())
    if tested - known:
        unseen = listing(sorted(tested - known), 6)
        raise InputError(f"the test rows have labels that no other row has: {unseen}.")
    if len(known) < 2:
        raise InputError(f"{place} has {plural(len(known), 'label')}; at least 2 are needed.")
    return tuple(sorted(known))


def note_several_words(column: Any, place: str, notes: Notes) -> None:
    """Warn where the cells of a target that is taken as classes look like several labels each."""
    texts = column.astype(str)
    for separator in SEPARATORS[:2]:
        count = int(texts.str.contains(separator, regex=False).sum())
        if count >= MANY_CELLS * len(texts):
            notes.warn(
                f"{place} has {separator!r} in {plural(count, 'row')}, and each whole cell is "
                "taken as one class; --task multilabel takes the words between as labels"
            )


def _separator(cells: Iterable[object], place: str) -> str:
    """The sign between the labels of a cell. Raises `InputError` where no cell has one."""
    texts = [str(cell) for cell in cells]
    for separator in SEPARATORS:
        if any(separator in text for text in texts):
            return separator
    raise InputError(
        f"kind='multilabel' needs several labels a row, and no cell of {place} holds "
        f"{listing(map(repr, SEPARATORS))}. Name several columns of 0 and 1 (--target A,B,C), or "
        "leave kind out."
    )


def _words(cell: Iterable[object]) -> set[str]:
    """The labels of one row, without blanks around them."""
    return {str(word).strip() for word in cell} - {""}


def check_labels(names: tuple[str, ...], matrix: np.ndarray[Any, Any], notes: Notes) -> None:
    """Warn of labels that few rows have, or all. Raises `InputError` where no label varies."""
    counts = matrix.sum(0)
    fixed = [name for name, count in zip(names, counts, strict=True) if count in (0, len(matrix))]
    if len(fixed) == len(names):
        raise InputError("each label has one value in every row; there is nothing to learn.")
    if fixed:
        notes.warn(f"labels with one value in every row: {listing(fixed, 6)}")
    few = [name for name, count in zip(names, counts, strict=True) if 0 < count < RARE]
    if few:
        notes.warn(f"labels with fewer than {RARE} rows: {listing(few, 6)}")


def strata_of_labels(has: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A number for each row by which rows are split in proportion.

    Rows with one set of labels share a number where they are enough; each other row has that of its
    rarest label.

    Arguments:
        has: whether a row has a label, (N, k).
    """
    _, numbers, counts = np.unique(has, axis=0, return_inverse=True, return_counts=True)
    numbers = numbers.reshape(-1)
    frequency = np.where(has, has.sum(0), len(has) + 1)
    rarest = np.where(has.any(1), frequency.argmin(1), has.shape[1])
    mixed = np.where(counts[numbers] >= LEAST_OF_A_SET, numbers, len(counts) + rarest)
    strata: np.ndarray[Any, Any] = np.unique(mixed, return_inverse=True)[1].reshape(-1)
    return strata
