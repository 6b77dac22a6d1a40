"""Tables of a page, as data: `table.html` draws them, on a narrow screen a card for each row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

LONGEST_WORD = 22
"""Letters of a word in a table that is never broken."""


@dataclass(frozen=True)
class PageColumn:
    """A column of a table.

    Attributes:
        name: what stands above it.
        meaning: what its values mean, shown below the table and by a mouse over one of them.
        is_number: its values are numbers.
        is_arm: its values are arms, between whose slots and techniques a line may end.
    """

    name: str
    meaning: str = ""
    is_number: bool = False
    is_arm: bool = False

    def is_whole(self, text: str) -> bool:
        """Whether no word of a value is so long that it must be broken."""
        words = text.replace("=", "= ").split() if self.is_arm else text.split()
        return all(len(word) <= LONGEST_WORD for word in words)


@dataclass(frozen=True)
class PageTable:
    """Rows under their columns.

    Attributes:
        columns: from left to right.
        rows: as many texts a row as there are columns.
        own: the numbers of the rows that are the user's own model, from 0.
    """

    columns: Sequence[PageColumn]
    rows: Sequence[Sequence[str]]
    own: Collection[int] = ()

    @property
    def meanings(self) -> list[tuple[str, str]]:
        """The columns that have a meaning to be told, those of one meaning together."""
        names: dict[str, list[str]] = {}
        for column in self.columns:
            if column.meaning:
                names.setdefault(column.meaning, []).append(column.name)
        return [(", ".join(columns), meaning) for meaning, columns in names.items()]
