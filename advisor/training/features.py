"""The inputs of any model as one table of numbers, for simple models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from advisor.nested import elements

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import StandardScaler

MOST_NUMBERS = 1024
"""Numbers of a row; neighbouring numbers of larger rows are averaged."""
MOST_IDS = 10_000
"""Different ids of one input that are counted, the most frequent ones."""

Table = Any  # a NumPy array (N, F), or a sparse matrix of SciPy


@dataclass(frozen=True)
class Features:
    """How rows become numbers: learned on the rows to train on, then used for all.

    Attributes:
        most_numbers, most_ids: the most columns for the numbers and for the ids of one input.
        scaler: brings numbers to mean 0 and deviation 1.
        bags: for each input of ids, the weights of its ids.
    """

    most_numbers: int
    most_ids: int
    scaler: StandardScaler
    bags: tuple[TfidfVectorizer, ...]

    @classmethod
    def fitted(cls, inputs: Any, most_numbers: int, most_ids: int) -> Features:
        """Features that are learned on inputs of some rows.

        Raises `TypeError` where an input is no tensor.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer  # it takes more than a second
        from sklearn.preprocessing import StandardScaler

        numbers, ids = separated(inputs, most_numbers)
        scaler = StandardScaler()
        if numbers is not None:
            scaler.fit(numbers)
        bags = []
        for rows in ids:
            # An id is a token of its own; what it stands for does not matter.
            bag = TfidfVectorizer(analyzer=_unchanged, max_features=most_ids, sublinear_tf=True)
            bags.append(bag.fit(rows))
        return cls(most_numbers, most_ids, scaler, tuple(bags))

    def table(self, inputs: Any, dense: bool) -> Table:
        """The features of some rows; ids alone give a sparse matrix, unless `dense`."""
        numbers, ids = separated(inputs, self.most_numbers)
        counted = [bag.transform(rows) for bag, rows in zip(self.bags, ids, strict=True)]
        if numbers is None and len(counted) == 1 and not dense:
            return counted[0]
        tables = [each.toarray().astype(np.float32) for each in counted]
        if numbers is not None:
            tables.insert(0, self.scaler.transform(numbers).astype(np.float32))
        return np.concatenate(tables, axis=1)


def separated(inputs: Any, most: int) -> tuple[Table | None, list[list[list[int]]]]:
    """The numbers of some rows as one table (None without any), and the ids of each input of ids.

    Raises `TypeError` where an input is no tensor.
    """
    tables, ids = [], []
    for element in elements(inputs):
        if not isinstance(element, Tensor):
            raise TypeError(f"an input is {type(element).__name__}, no tensor")
        rows = element.detach().cpu()
        if rows.is_floating_point() or rows.dtype == torch.bool:
            tables.append(averaged(rows.float(), most).numpy())
        else:
            ids.append(rows.reshape(len(rows), -1).tolist())
    return (np.concatenate(tables, axis=1) if tables else None), ids


def averaged(rows: Tensor, most: int) -> Tensor:
    """Rows `(N, F)` of at most `most` numbers; of larger ones, means of neighbours."""
    flat = rows.reshape(len(rows), -1)
    if flat.shape[1] <= most:
        return flat
    # An image stays one, so that neighbours above and below are averaged, too.
    if rows.ndim == 4 and rows.shape[1] < most:
        side = max(1, int((most / rows.shape[1]) ** 0.5))
        height, width = (min(size, side) for size in rows.shape[2:])
        return F.adaptive_avg_pool2d(rows, (height, width)).reshape(len(rows), -1)
    return F.adaptive_avg_pool1d(flat[:, None], most)[:, 0]


def _unchanged(tokens: Sequence[int]) -> Sequence[int]:
    return tokens
