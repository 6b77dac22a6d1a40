"""What each measured row adds to a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RowValues:
    """What each of some rows adds to a score, so that the mean over them is the score.

    Attributes:
        rows: their numbers among all rows of the data, ascending `(N,)`.
        added: what each of them adds, averaged over the last epochs `(N,)`; NaN where the metric
            cannot be taken apart on these rows.
    """

    rows: NDArray[np.int64]
    added: NDArray[np.float64]
