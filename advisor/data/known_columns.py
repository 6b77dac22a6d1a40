"""The columns of a table as they were read, to be compared with the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Cells = np.ndarray[Any, Any]  # float64 with NaN for gaps, or the number of each row's level

# Columns that are looked at, which takes a second; few tables that people make have more.
MOST_COLUMNS = 200


@dataclass(frozen=True)
class KnownColumns:
    """The columns of a table as they were read.

    Attributes:
        numbers: cells by name, float64 with NaN for gaps.
        levels: the number of each row's level by name, of columns of categories.
        dates: names of the columns that hold dates; of a table, they are among `numbers`.
    """

    numbers: Mapping[str, Cells] = field(default_factory=dict)
    levels: Mapping[str, Cells] = field(default_factory=dict)
    dates: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of all columns, as far as they are looked at."""
        return [*self.numbers, *self.levels][:MOST_COLUMNS]
