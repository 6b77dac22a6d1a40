"""A promise: a small function whose docstring is the promise, and whose yields are ways in which it
is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.technique import Technique

if TYPE_CHECKING:
    from advisor.testing.subject import Subject

Judge = Callable[["Subject"], Iterator[str]]
"""Yields what was seen and what to change, a sentence for each way in which a promise is broken."""


@dataclass(frozen=True)
class Promise:
    """One promise of a technique.

    Attributes:
        name: the check's name, for waivers.
        text: the promise, one sentence.
        judge: yields what was seen and what to change, a sentence for each way in which the promise
            is broken.
        of: the class whose techniques make the promise.
        at: names in a technique's class (or in what an activation's factory makes) that can be at
            fault, likeliest first.
    """

    name: str
    text: str
    judge: Judge
    of: type[Technique]
    at: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """The promise inside a sentence."""
        return self.text[0].lower() + self.text[1:].rstrip(".")


PROMISES: list[Promise] = []
"""All promises, in the order in which they are checked."""


def promise(
    of: type[Technique] = Technique, at: tuple[str, ...] = ("apply", "forward")
) -> Callable[[Judge], Judge]:
    """Enter a function among the promises of a kind of technique.

    The first paragraph of the function's docstring is the promise, and its name that of the check.
    """

    def enter(judge: Judge) -> Judge:
        """Add one function to `PROMISES`."""
        paragraph = (judge.__doc__ or "").split("\n\n")[0]
        text = " ".join(paragraph.split())
        PROMISES.append(Promise(judge.__name__, text, judge, of, at))
        return judge

    return enter


def promises_of(technique: Technique) -> list[Promise]:
    """The promises that a technique makes by what it is."""
    return [each for each in PROMISES if isinstance(technique, each.of)]


class Unjudged(Exception):  # noqa: N818  # not an error: there is nothing to judge
    """A promise cannot be judged here; the text says why."""
