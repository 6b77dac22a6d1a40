"""What was read, before it is split and turned into tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pandas as pd

from advisor.errors import InputError, listing
from advisor.nested import elements

# The splits of the data, in the order in which their rows are numbered.
SPLITS = ("train", "valid", "test", "unlabeled")


class RawKind(Enum):
    """What the inputs of a split are, as an error message says it."""

    TABLE = "a table or texts"
    IMAGES = "images"
    ARRAYS = "arrays"
    DATASET = "a Dataset"


Labels = Any  # a pandas Series, or a numpy array (N, k)
RawInputs = Any  # a DataFrame, a tuple of (structures of) tensors, a list of image files, a Dataset


@dataclass(frozen=True)
class Raw:
    """Rows as they were read, with one label per row or None.

    Attributes:
        name: what an error message calls these rows.
        inputs: a table, tensors, image files or a Dataset.
        labels: one per row, or None.
        texts: whether a table's one column surely holds texts.
        target: the key or position of the labels that the user asked for, where the rows have it;
            of a table, the column that they come from.
        keys: what the items of a Dataset have under the keys of groups and times, one value per
            row.

    Raises:
        InputError: two columns of a table have one name.
    """

    name: str
    inputs: RawInputs
    labels: Labels | None = None
    texts: bool = False
    target: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, pd.DataFrame):
            return
        counts = Counter(str(name).strip() for name in self.inputs.columns)
        repeated = sorted(name for name, count in counts.items() if count > 1)
        if repeated:
            raise InputError(
                f"{self.name} has several columns of one name: {listing(repeated)}. Rename them."
            )

    @property
    def kind(self) -> RawKind:
        """What the inputs are."""
        if isinstance(self.inputs, pd.DataFrame):
            return RawKind.TABLE
        if isinstance(self.inputs, list):
            return RawKind.IMAGES
        return RawKind.ARRAYS if isinstance(self.inputs, tuple) else RawKind.DATASET

    def __len__(self) -> int:
        if isinstance(self.inputs, tuple):
            return len(elements(self.inputs)[0])
        return len(self.inputs)
