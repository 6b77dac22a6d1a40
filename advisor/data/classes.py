"""What a model is to predict, as numbers, and how labels become class numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_float_dtype, is_object_dtype

from advisor.data.labels import strata_of_labels
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes, plural
from advisor.errors import InputError, listing, short
from advisor.readable import rounded

# Rows below which the user is warned about a class or category.
RARE = 10


@dataclass(frozen=True)
class Target:
    """All targets, train then valid then test: int64 (N,) with `classes`, else float32 (N,) or
    (N, k).

    Attributes:
        values: the targets.
        classes: the names of the classes, of which each row has one; else None.
        scale: the mean and the deviation by which numbers were standardized, or None.
        column_scales: the means and the deviations of several columns of numbers, or None.
        labels: the names of the k labels, of which a row has any number: 1 where it has one, else
            0; None for classes and numbers.
    """

    values: torch.Tensor
    classes: tuple[str, ...] | None
    scale: tuple[float, float] | None = None
    column_scales: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    labels: tuple[str, ...] | None = None

    @property
    def what(self) -> str:
        """`classes`, `labels` or `numbers`."""
        if self.classes is not None:
            return "classes"
        return "numbers" if self.labels is None else "labels"

    @property
    def strata(self) -> np.ndarray[Any, Any] | None:
        """A number for each row; rows of one number are split in proportion. None for numbers."""
        if self.classes is not None:
            return self.values.numpy()
        return None if self.labels is None else strata_of_labels(self.values.numpy() > 0)

    @property
    def outputs(self) -> int:
        """The number of classes or labels, or of target columns for numbers."""
        if self.classes is not None:
            return len(self.classes)
        return self.values.shape[1] if self.values.ndim == 2 else 1

    def shares(self, rows: RowNumbers) -> dict[str, float]:
        """By class or label, the share of some rows that have it; empty for numbers."""
        values = self.values[torch.as_tensor(rows)]
        if self.classes is not None:
            counts = torch.bincount(values, minlength=len(self.classes)).double() / len(values)
            return dict(zip(self.classes, counts.tolist(), strict=True))
        if self.labels is not None:
            return dict(zip(self.labels, values.double().mean(0).tolist(), strict=True))
        return {}

    def _standardized_columns(self, pool: torch.Tensor, notes: Notes) -> Target:
        """A copy whose columns have mean 0 and deviation 1 in the values `pool`."""
        notes.note(
            f"the {pool.shape[1]} target columns are each scaled to mean 0, deviation 1; "
            "errors are in these deviations"
        )
        deviations = pool.std(0, correction=0)
        deviations = torch.where(deviations > 0, deviations, 1.0)
        scaled = (self.values.double() - pool.mean(0)) / deviations
        scales = tuple(pool.mean(0).tolist()), tuple(deviations.tolist())
        return replace(self, values=scaled.float(), column_scales=scales)

    def standardized(self, pool: RowNumbers, notes: Notes) -> Target:
        """A copy whose values have mean 0 and deviation 1 on the rows `pool`, column by column."""
        values = self.values[torch.as_tensor(pool)].double()
        if values.ndim == 2:
            return self._standardized_columns(values, notes)
        mean, deviation = values.mean().item(), values.std(correction=0).item() or 1.0
        # Digits beyond their standard errors would be other ones on other rows.
        error = deviation / math.sqrt(values.numel())
        of_rows = f"mean {rounded(mean, error)}, deviation {rounded(deviation, error)}"
        notes.note(f"target scaled to mean 0, deviation 1 ({of_rows} outside the test rows)")
        scaled = ((self.values.double() - mean) / deviation).float()
        return replace(self, values=scaled, scale=(mean, deviation))


def encode_classes(labels: Mapping[str, Any], kind: str | None, place: str, notes: Notes) -> Target:
    """Class numbers in the order of the labels (by number if all are numbers, else by alphabet)."""
    # The rows outside test say which classes there are.
    words = {split: _to_words(column) for split, column in labels.items()}
    train_words = set(words["train"].unique())
    pool_words = train_words
    for split, column in words.items():
        if split != "train":
            words[split] = _without_stops(column, train_words, notes)
        if split != "test":
            pool_words = pool_words | set(words[split].unique())
    classes = _ordered(pool_words)
    _check_classes(classes, words, kind, place)

    # Rare classes and class numbers other than the labels are worth a sentence.
    every_word: Any = pd.concat(list(words.values()))
    # Each word is looked at once, however many rows it has.
    places, distinct = pd.factorize(every_word)
    counts = dict(zip(distinct, np.bincount(places).tolist(), strict=True))
    for name in classes:
        if counts[name] < RARE:
            notes.warn(f"class {name!r} has {plural(counts[name], 'row')}")
    numbers = {name: number for number, name in enumerate(classes)}
    are_whole = all(name.lstrip("-").isdigit() for name in classes)
    if are_whole and classes != tuple(map(str, numbers.values())):
        notes.note(f"classes {listing(classes, 6)} are numbered 0 to {len(classes) - 1}")
    codes = np.array([numbers[word] for word in distinct], np.int64)[places]
    return Target(torch.from_numpy(codes), classes)


def _check_classes(
    classes: tuple[str, ...], words: Mapping[str, Any], kind: str | None, place: str
) -> None:
    """Raises `InputError` when the classes cannot be learned."""
    rows = sum(len(column) for column in words.values())
    if len(classes) < 2:
        raise InputError(
            f"{place} has one class only, {short(classes[0])!r}; there is nothing to tell apart."
        )
    if kind == "binary" and len(classes) != 2:
        raise InputError(
            f"kind='binary' needs 2 classes, but {place} has {len(classes)}: {listing(classes)}."
        )
    if len(classes) * 2 > rows:
        raise InputError(
            f"{place} has {len(classes):,} different labels in {plural(rows, 'row')} "
            f"({listing(classes, 4)}); classes need more rows each, a regression needs numbers in "
            "every row, and --task multilabel takes cells such as a|b as labels."
        )
    # A class that only test rows have could never be predicted.
    unseen = _ordered(set(words["test"].unique() if "test" in words else ()) - set(classes))
    if unseen:
        raise InputError(
            f"the test rows have classes that no other row has: {listing(unseen)}; {place} has "
            f"{listing(classes)}."
        )


def _to_words(labels: Any) -> Any:
    """Labels as text, whole numbers without a decimal point."""
    if is_float_dtype(labels) and bool((labels % 1 == 0).all()):
        labels = labels.astype(np.int64)
    if is_object_dtype(labels):
        return labels.map(lambda label: str(label).strip())

    # Equal labels share one text, which takes less memory than a text for each row.
    codes, distinct = pd.factorize(labels)
    words = [str(label).strip() for label in distinct.astype(object)]
    return pd.Series(np.array(words, dtype=object)[codes])


def _without_stops(labels: Any, train_words: set[str], notes: Notes) -> Any:
    """Labels that differ from those of the training rows by a full stop at the end lose it."""
    changes = {}
    for word in set(labels.unique()) - train_words:
        if word.rstrip(".") in train_words:
            changes[word] = word.rstrip(".")
    if changes:
        notes.note(
            f"labels {listing(sorted(changes), 4)} lost the full stop that the training rows do "
            "not have"
        )
    return labels.replace(changes)


def _ordered(words: set[str]) -> tuple[str, ...]:
    """Words by number if all are numbers, else by alphabet."""
    try:
        return tuple(sorted(words, key=float))
    except ValueError:
        return tuple(sorted(words))
