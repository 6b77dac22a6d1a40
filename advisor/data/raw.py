"""What was read, before it is split and turned into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from advisor.errors import InputError, listing
from advisor.nested import elements

SPLITS = ("train", "valid", "test", "unlabeled")

Labels = Any  # a pandas Series, or a numpy array (N, k)
Body = Any  # a DataFrame, a tuple of tensors (or of structures of them), a list of image files, or rows of a Dataset


@dataclass(frozen=True)
class Raw:
    """Rows as they were read, with one label per row or None.

    `texts` says that a table's one column surely holds texts, `target` that the labels are those
    that the user asked for.
    """

    name: str
    body: Body
    labels: Labels | None = None
    texts: bool = False
    target: str | None = None

    def __post_init__(self) -> None:
        names = (
            [str(name).strip() for name in self.body.columns]
            if isinstance(self.body, pd.DataFrame)
            else []
        )
        twice = (
            sorted({name for name in names if names.count(name) > 1})
            if len(set(names)) < len(names)
            else []
        )
        if twice:
            raise InputError(
                f"{self.name} has several columns of one name: {listing(twice)}. Rename them."
            )

    def __len__(self) -> int:
        return len(elements(self.body)[0] if isinstance(self.body, tuple) else self.body)


@dataclass
class Told:
    """Sentences for the user, in the order in which things happened."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Say once what was done."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def warn(self, sentence: str) -> None:
        """Say once what the user should know."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def shared_rows(
    keys: Sequence[Any] | np.ndarray[Any, Any],
    these: np.ndarray[Any, Any],
    those: np.ndarray[Any, Any],
) -> int:
    """How many of the rows `these` have a key that also stands in the rows `those`."""
    column = pd.Series(keys)
    return int(column.iloc[these].isin(column.iloc[those]).sum())


def plural(number: int, noun: str) -> str:
    """`1 row`, `2 rows`, `12,345 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
