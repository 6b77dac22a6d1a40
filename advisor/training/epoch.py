"""One epoch of a learning curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training brought.

    Attributes:
        epoch: its number, from 1.
        score: the metric on the validation rows after it.
        loss: the mean training loss in it.
        seconds: how long it took.
        early_loss: the mean training loss just before step 20, in the epoch that holds this step,
            else None.
    """

    epoch: int
    score: float
    loss: float
    seconds: float
    early_loss: float | None = None
