"""Calls of advisor's own classes by the user, with arguments that they do not have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

from advisor.errors import InputError, listing, near

C = TypeVar("C", bound=type)
"""A class that users call."""


def arguments_told(cls: C) -> C:
    """Let a class say which arguments it has, where a call gives others or leaves one out.

    It raises `InputError` then, and not Python's `TypeError`, which names none of them.
    """
    # The class makes its objects as before, once the arguments are its own.
    plain: Any = cls.__init__  # type: ignore[misc]  # this class, and none that inherits from it
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def checked(self: Any, *values: Any, **named: Any) -> None:
        """Make the object, where the arguments are those of the class."""
        try:
            signature.bind(self, *values, **named)
        except TypeError as problem:
            told = which_there_are(named, signature)
            raise InputError(f"advisor.{cls.__name__}(…): {problem}.{told}") from None
        plain(self, *values, **named)

    cls.__init__ = checked  # type: ignore[misc]  # of this class, before anybody inherits from it
    return cls


def which_there_are(given: Iterable[str], signature: inspect.Signature) -> str:
    """The arguments of a class, after the one that a name which it does not have looks like."""
    _, *names = signature.parameters
    unknown = [name for name in given if name not in names]
    hint = near(unknown[0], names) if unknown else ""
    return f"{hint} Its arguments are: {listing(names, len(names))}."
