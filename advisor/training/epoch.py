"""One point of a learning curve."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training brought; a learning curve is a sequence of these.

    Attributes:
        epoch: its number, from 1.
        score: the metric over the validation rows after the epoch.
        loss: mean training loss over the mini-batches of the epoch; where a loop of the user's own
            trains, the loss on the first validation rows.
        seconds: time that the epoch took, with its evaluation.
        early_loss: mean training loss of the ten steps up to step 20, in the epoch that holds this
            step, else None.
    """

    epoch: int
    score: float
    loss: float
    seconds: float
    early_loss: float | None = None


def number_in(score: Any) -> float | None:
    """A number, also in a tensor or an array of one; None where it is none."""
    if isinstance(score, (Tensor, np.ndarray)) and math.prod(score.shape) == 1:
        score = score.item()
    if isinstance(score, bool) or not isinstance(score, numbers.Real):
        return None
    return float(score)
