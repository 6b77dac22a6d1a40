"""What techniques say they did: counts, and names by reason."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.errors import listing

NAMES = 6
"""Most names in one part of a sentence."""


def count(number: int) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} layer{'' if number == 1 else 's'}"


def grouped(skips: Iterable[tuple[str, str]]) -> str:
    """Names by reason: `bn1, bn2 (a normalization), embed (an embedding)`."""
    names: dict[str, list[str]] = {}
    for name, why in skips:
        names.setdefault(why, []).append(name or "the model itself")
    return ", ".join(f"{listing(found, NAMES)} ({why})" for why, found in names.items())
