"""`FILE.py:NAME` and `package.module:NAME`: the two ways in which a user names an object."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Reference:
    """An object in a Python file or module; or a path, where `name` is empty.

    Arguments:
        place: the Python file, the dotted name of the module, or any other path.
        name: the object's name there, with dots where it is inside a class; empty where the text
            names no object.
    """

    place: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Split a text at its last colon, where that separates a file or a module from a name.

        The path of a data file may hold a colon too. So after anything but `FILE.py` the colon
        separates only if a module's name stands before it and a Python name behind it.
        """
        place, colon, name = text.rpartition(":")
        if place.endswith(".py"):
            return cls(place, name)
        if colon and _is_dotted_name(place) and _is_dotted_name(name):
            return cls(place, name)
        return cls(text)

    def absolute(self) -> Reference:
        """The object by a whole path, so that it can be named from another directory.

        A module stays as it is, and so does a path where there is nothing.
        """
        is_file = self.place.endswith(".py")
        if not is_file and (self.name or not self.place or not os.path.exists(self.place)):
            return self
        return replace(self, place=str(Path(self.place).resolve()))

    def __str__(self) -> str:
        return f"{self.place}:{self.name}" if self.name else self.place


def _is_dotted_name(text: str) -> bool:
    return all(word.isidentifier() for word in text.split("."))
