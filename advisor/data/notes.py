"""Notes and warnings about the user's data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from advisor.errors import InputError


@dataclass
class Notes:
    """Sentences for the user, in the order in which things happened."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Say once what was done."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def warn(self, sentence: str) -> None:
        """Say once what the user should know."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@contextmanager
def told_beside_errors(notes: Notes) -> Iterator[None]:
    """Adds what was read, dropped and guessed to the message of an `InputError`."""
    try:
        yield
    except InputError as error:
        told = [*notes.notes, *notes.warnings]
        if told:
            lines = "".join(f"\n  - {sentence}" for sentence in told)
            error.args = (f"{error}\nWhat was read before that:{lines}",)
        raise


def plural(number: int, noun: str) -> str:
    """`1 row`, `2 rows`, `12,345 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
