"""How much each row counts in training: by its class, or by a weight of its own."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.classes import Target
from advisor.data.dataset_rows import CollatedRows
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.data.row_keys import KeyColumn
from advisor.errors import InputError, listing, near

# The word that asks for weights by which every class counts alike.
BALANCED = "balanced"

# What the rows have a weight for, as the option calls it.
WEIGHTS = "weights"


@dataclass(frozen=True)
class Weights:
    """What the gradient of a row is multiplied by; 1 on average over the rows outside test.

    Attributes:
        of_rows: one for each row, (N,); None where rows have no weights of their own.
        of_classes: one for each class, (C,), or for each label of a row that has it, (k,); None
            where all count alike.
    """

    of_rows: torch.Tensor | None = None
    of_classes: torch.Tensor | None = None

    def at(self, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The weights of some rows `(B,)`, or of their labels `(B, k)`, with the targets of these
        rows.
        """
        if self.of_rows is not None:
            return self.of_rows[rows].to(target.device)
        assert self.of_classes is not None  # there are weights of one kind
        by_class = self.of_classes.to(target.device)
        if target.ndim == 1:
            return by_class[target]
        return torch.where(target > 0.5, by_class, 1.0)

    def subset(self, rows: RowNumbers) -> Weights:
        """The weights of some of the rows."""
        if self.of_rows is None:
            return self
        return replace(self, of_rows=self.of_rows[torch.as_tensor(rows)])


def is_of_rows(weights: Any) -> bool:
    """Whether weights are given row by row: by the name of a column or key, or as an array."""
    return weights is not None and not isinstance(weights, Mapping) and not is_balanced(weights)


def is_balanced(weights: Any) -> bool:
    """Whether every class is to count alike."""
    return isinstance(weights, str) and weights == BALANCED


def check_order(train: Raw, column: KeyColumn | None) -> None:
    """Raises `InputError` where rows with weights come in an order that is not known."""
    if column is not None and isinstance(train.inputs, CollatedRows):
        raise InputError(
            f"weights={column.name}: the collate_fn of {train.name} may change the order of rows, "
            "so that their weights are not known; give weights of classes, or a Dataset without "
            "collate_fn."
        )


def weights_for(
    weights: Any, column: KeyColumn | None, target: Target, pool: RowNumbers, notes: Notes
) -> Weights | None:
    """The weights that a task asks for, None without any.

    Arguments:
        weights: `balanced`, a weight by class, or something that gives `column`.
        column: the weights that the rows bring; None where they bring none.
        target: what is predicted.
        pool: the rows outside test.
        notes: gets a sentence on the weights.

    Raises:
        InputError: the weights do not fit the rows or the classes.
    """
    if weights is None:
        return None
    if column is not None:
        return weights_of_rows(column, len(target.values), pool, notes)
    return weights_of_classes(weights, target, target.shares(pool), notes)


def weights_of_rows(column: KeyColumn, rows: int, pool: RowNumbers, notes: Notes) -> Weights:
    """The weights that the rows bring, with the mean 1 over the rows `pool`; 1 for rows without.

    Arguments:
        column: the cells by split.
        rows: how many rows have a target, of which those of train come first.
        pool: the rows outside test.
        notes: gets a sentence on the weights.

    Raises:
        InputError: a weight is no number, not finite or below 0, or all are 0.
    """
    values = _numbers(column)
    # Only rows that are trained on need a weight.
    all_values = np.ones(rows)
    all_values[: len(values)] = values
    mean = all_values[pool].mean()
    if mean == 0:
        raise InputError(f"weights={column.name} is 0 in every row; nothing could be learned.")
    notes.note(
        f"rows are weighed by {column.name}, no input: from {values.min():.3g} to "
        f"{values.max():.3g}; scores count every row alike"
    )
    return Weights(of_rows=torch.from_numpy(all_values / mean).float())


def _numbers(column: KeyColumn) -> np.ndarray[Any, Any]:
    """The weights of the training rows. Raises `InputError` for one that is no number from 0 on."""
    cells = column.cells["train"]
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    is_bad = ~np.isfinite(values) | (values < 0)
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise InputError(
            f"weights={column.name} holds {cells.iloc[row]!r} in row {row + 1}; a weight is a "
            "number from 0 on."
        )
    return np.asarray(values)


def weights_of_classes(
    weights: str | Mapping[Any, Any], target: Target, shares: Mapping[str, float], notes: Notes
) -> Weights:
    """The weights of classes or labels that a task asks for.

    Arguments:
        weights: `balanced`, or a weight by class; a class that is not named has 1.
        target: what is predicted.
        shares: by class or label, its share of the rows outside test.
        notes: gets a sentence on the weights.

    Raises:
        InputError: the target is numbers, there is no such class, or a weight is no number above 0.
    """
    if target.what == "numbers":
        raise InputError(
            f"weights={weights!r}: the target is numbers and has no classes; name a column with a "
            "weight for each row (--weights COLUMN)."
        )
    own = _by_class(weights, target, shares)
    pairs = [f"{name} {weight:.3g}" for name, weight in zip(shares, own.tolist(), strict=True)]
    notes.note(
        f"weights in training, by {'label' if target.what == 'labels' else 'class'}: "
        f"{listing(pairs, 8)}; scores count every row alike"
    )
    return Weights(of_classes=own.float())


def _by_class(
    weights: str | Mapping[Any, Any], target: Target, shares: Mapping[str, float]
) -> torch.Tensor:
    """A weight for each class, with the mean 1 over rows; for each label that of its ones."""
    # A class without a row outside test counts as if it had one.
    least = 1 / max(2, len(target.values))
    share = torch.tensor([min(max(each, least), 1 - least) for each in shares.values()])
    if not isinstance(weights, Mapping):
        own = (1 - share) / share if target.what == "labels" else 1 / share
    else:
        given = _checked(weights, tuple(shares))
        own = torch.tensor([given.get(name, 1.0) for name in shares])
    return own if target.what == "labels" else own / (own * share).sum()


def _checked(weights: Mapping[Any, Any], names: tuple[str, ...]) -> dict[str, float]:
    """The weights by the names of classes. Raises `InputError` for another name or no number."""
    checked = {}
    for name, weight in weights.items():
        word = str(name)
        if word not in names:
            raise InputError(
                f"weights={dict(weights)!r}: there is no class {word!r}.{near(word, names)} The "
                f"classes are {listing(names, 20)}."
            )
        is_number = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
        if not is_number or not 0 < weight < math.inf:
            raise InputError(
                f"weights={dict(weights)!r}: the weight of {word!r} must be a number above 0."
            )
        checked[word] = float(weight)
    return checked
