"""Which libraries the workers of a study will need, from the text of its files alone.

The text is looked at before anything is run, so that the server that forks workers can import them
while the command itself begins. A library that is not guessed is imported where it is used.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from advisor.loading.references import Reference

LARGE = "sklearn|scipy|pandas"
"""Libraries that load much, and start nothing when they are imported."""
IMPORT = re.compile(rf"^[ \t]*(?:from|import)[ \t]+((?:{LARGE})\b[\w.]*)", re.M)
"""An import of one of them."""
MODULE = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w+)", re.M)
"""An import of a module that may lie beside the file."""
OPTIMIZER = re.compile(r"\boptim\b|\boptimizers?\b")
"""What a study writes that brings an optimizer of its own."""
COMPILER = "torch._dynamo"
"""What torch imports for the first optimizer that is not one of ours, in more than a second."""


def libraries_of(*files: str | None, optimizer: str | None = None) -> list[str]:
    """Names of modules that files of Python, such as `STUDY.py:NAME`, will import.

    Arguments:
        files: what the command names; None and what is no such file are passed over.
        optimizer: the one that the command names, if any.
    """
    text = "\n".join(texts_of(Path(Reference.parse(file).place) for file in files if file))
    compiler = [COMPILER] if optimizer or OPTIMIZER.search(text) else []
    return list(dict.fromkeys([*IMPORT.findall(text), *compiler]))


def texts_of(files: Iterable[Path]) -> Iterator[str]:
    """The texts of files of Python, and of the modules beside them that they import."""
    left = deque(files)
    seen: set[Path] = set()
    while left:
        place = left.popleft()
        if place in seen:
            continue
        seen.add(place)
        text = text_of(place)
        yield text
        left.extend(place.with_name(f"{name}.py") for name in MODULE.findall(text))


def text_of(place: Path) -> str:
    """The text of a file of Python; empty where there is none that can be read."""
    try:
        return place.read_text("utf-8") if place.suffix == ".py" and place.is_file() else ""
    except (OSError, ValueError):
        return ""


def import_all(libraries: Iterable[str]) -> None:
    """Import libraries by name; what is wrong with one is said where it is used."""
    for name in libraries:
        with suppress(Exception):
            import_module(name)
