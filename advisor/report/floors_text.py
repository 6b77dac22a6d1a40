"""What a score means: the share of rows of each class, and what simple models reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from advisor.report.text import cell
from advisor.training.floor import MEANINGS, Floor
from advisor.training.imbalance import shares_text
from advisor.verdict.recommendation import Recommendation

CLASSES, FLOORS = "classes", "floors"
"""What the lines are called."""


def beside_the_scores(recommendation: Recommendation) -> Iterator[tuple[str, str]]:
    """Name and value of what a score is to be compared with."""
    if recommendation.shares:
        yield CLASSES, f"{shares_text(recommendation.shares)} of the rows"
    if recommendation.floors:
        yield FLOORS, f"{floors_text(recommendation.floors)} (test rows)"


def floors_text(floors: Sequence[Floor]) -> str:
    """The scores of simple models on one line, and why one has none."""
    parts = []
    for floor in floors:
        score = cell(floor.score) if floor.score is not None else f"none ({floor.why})"
        parts.append(f"{MEANINGS[floor.model]} {score}")
    return ", ".join(parts)


def floor_lines(model: float | None, floors: Sequence[Floor], rows: Mapping[str, int]) -> list[str]:
    """A line for the model before training, and for each simple model."""
    lines = [f"this model before training: {cell(model)}"]
    for floor in floors:
        trained = f"trained on {floor.rows:,} of {rows['train']:,} rows"
        if floor.score is None:
            lines.append(f"{MEANINGS[floor.model]}: none, {floor.why}")
        else:
            lines.append(f"{MEANINGS[floor.model]}: {cell(floor.score)}, {trained}")
    return lines
