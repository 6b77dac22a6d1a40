"""What a technique's docstring says in its parts: what it does, and where it helps."""

from __future__ import annotations

import re

_HEADINGS = re.compile(r"^(Arguments|Attributes|Example|Examples|Raises|Reference):", re.MULTILINE)
"""Where the part ends that is prose."""
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_HELPS = re.compile(r"^(Helps|When it helps:) ")
"""How a sentence begins that says where a technique helps."""


def does(docstring: str) -> str:
    """The first paragraph, on one line."""
    return next(iter(_paragraphs(docstring)), "")


def helps(docstring: str) -> str:
    """The sentences that begin with `Helps` or `When it helps:`, without these words.

    Without such a sentence it is the third paragraph of a docstring of five parts.
    """
    paragraphs = _paragraphs(docstring)
    sentences = [each for text in paragraphs[1:] for each in _SENTENCES.split(text)]
    found = [_HELPS.sub("", each) for each in sentences if _HELPS.match(each)]
    if not found:
        found = paragraphs[2:3]
    return " ".join(found)


def _paragraphs(docstring: str) -> list[str]:
    """The paragraphs before the arguments and the reference, each on one line."""
    heading = _HEADINGS.search(docstring)
    prose = docstring[: heading.start()] if heading else docstring
    paragraphs = [" ".join(each.split()) for each in prose.split("\n\n")]
    return [each for each in paragraphs if each]
