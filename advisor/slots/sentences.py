"""The parts of a technique's report on what it did: counts, and names by reason."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.errors import listing

NAMES = 6
"""Most names in one part of a sentence; the others are counted."""

LOADED = "loaded by the model's constructor"
"""Why a technique leaves weights as they are that were trained before."""


def count(number: int) -> str:
    """`1 layer`, `2 layers`."""
    return "1 layer" if number == 1 else f"{number} layers"


def grouped(skips: Iterable[tuple[str, str]]) -> str:
    """Names by reason: `bn1, bn2 (a normalization), embed (an embedding)`."""
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in skips:
        # The model itself is the one module whose path is empty.
        names_by_reason.setdefault(reason, []).append(name or "the model itself")
    parts = [f"{listing(names, NAMES)} ({reason})" for reason, names in names_by_reason.items()]
    return ", ".join(parts)
