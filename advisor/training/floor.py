"""What a simple model reaches on the rows that the user's model is scored on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Simple(StrEnum):
    """A model that anybody gets without designing one."""

    MAJORITY = "majority"
    """The share of each class, or the mean, for every row."""
    LINEAR = "linear"
    """A logistic regression, or a ridge regression of numbers."""
    TREES = "boosted trees"
    """Gradient boosting."""


MEANINGS = {
    Simple.MAJORITY: "one answer for all rows",
    Simple.LINEAR: "linear model",
    Simple.TREES: "boosted trees",
}
"""What each of them is called in a line for people."""


@dataclass(frozen=True)
class Floor:
    """The score of a simple model, by the metric of the study.

    Attributes:
        model: which one.
        score: None where there is none.
        rows: how many rows it was trained on.
        why: why there is no score, else empty.
    """

    model: Simple
    score: float | None
    rows: int
    why: str = ""
