"""What the studies of a database say of techniques."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.store.query import read

TRIED = """
SELECT c.slot AS slot, c.technique AS technique, COUNT(DISTINCT c.study) AS studies,
  COUNT(DISTINCT w.study) AS won, AVG(k.seconds) AS seconds
FROM advisor_choices c
JOIN advisor_recommendations r ON r.study = c.study AND r.latest
LEFT JOIN advisor_recommended_choices w
  ON w.study = c.study AND w.slot = c.slot AND w.technique = c.technique
LEFT JOIN advisor_costs k
  ON k.study = c.study AND k.number = c.number AND k.part = c.slot
WHERE c.technique <> 'keep' AND c.state <> 'RUNNING'
GROUP BY c.slot, c.technique"""
"""Of studies that were answered: those that tried a technique, and those that recommend it."""


@dataclass(frozen=True)
class Tried:
    """How a technique did in the studies of a database.

    Attributes:
        studies: how many have tried it and were answered.
        won: how many of them recommend it.
        seconds: mean seconds of its own work before a training; None where they are not known.
    """

    studies: int
    won: int
    seconds: float | None

    @property
    def sentence(self) -> str:
        """`won 2 of 5 studies`."""
        return f"won {self.won} of {self.studies} {'study' if self.studies == 1 else 'studies'}"


def tried_techniques(url: str) -> dict[str, Tried]:
    """By `slot.technique`, how each technique did that was tried. Raises what `read` raises."""
    _, rows = read(url, TRIED)
    found = {}
    for slot, technique, studies, won, seconds in rows:
        spent = None if seconds is None else float(seconds)
        found[f"{slot}.{technique}"] = Tried(int(studies), int(won), spent)
    return found
