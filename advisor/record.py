"""A frozen dataclass that can also be read as a mapping of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any


class Record(Mapping[str, Any]):
    """A part of an answer: `part.name`, and `part["name"]` as in its JSON.

    Its subclasses are dataclasses with `frozen=True, eq=False`: a record equals every mapping with
    the same keys and values, a plain dictionary too.
    """

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:  # type: ignore[attr-defined]  # a dataclass has it
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self))  # type: ignore[arg-type]  # a dataclass

    def __len__(self) -> int:
        return len(fields(self))  # type: ignore[arg-type]  # a dataclass

    def __hash__(self) -> int:
        return hash(tuple(self.values()))
