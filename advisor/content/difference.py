"""What changed in a study since it was begun, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.content.study_content import Content, Digests

MOST = 5
"""Changes that a message names; it counts the others."""

FEW_LAYERS = 2
"""Changed layers that are named although what makes them has changed."""

# The class of a layer among its attributes.
_CLASS = "class"

# The split of the rows, which follows from the rows and their targets.
_DRAWN = "the rows drawn"

# How the digest of bytecode begins, which only the same version of Python gives again.
_OF_BYTECODE = re.compile(r"py\d+\.\d+:")


@dataclass(frozen=True)
class Difference:
    """How the content of a study differs from that with which it was begun.

    Attributes:
        sentences: what changed, one short sentence without a full stop each.
        rows: whether the data are among it.
        uncompared: the code that cannot be compared, because another version of Python compiled it.
    """

    sentences: tuple[str, ...] = ()
    rows: bool = False
    uncompared: tuple[str, ...] = ()


def difference(begun: Content, now: Content) -> Difference:
    """What is different now, data first and what follows from other changes last."""
    rows = [*_changed_rows(begun.rows, now.rows)]
    uncompared = tuple(_uncompared(begun.code, now.code))
    causes = [
        *_changed(begun.code, now.code, uncompared),
        *_changed_files(begun.files, now.files),
        *_changed_texts("the model's argument", begun.arguments, now.arguments),
    ]
    # Many layers that changed are explained by the code that makes them.
    layers = [*_changed_model(begun.model, now.model)]
    if causes and len(layers) > FEW_LAYERS:
        layers = []
    return Difference((*rows, *causes, *layers), bool(rows), uncompared)


def listed(sentences: Sequence[str]) -> str:
    """The first sentences as one, with the number of the others."""
    text = "; ".join(sentences[:MOST])
    others = len(sentences) - MOST
    return f"{text}; and {others} more" if others > 0 else text


def _changed_rows(begun: Digests, now: Digests) -> Iterator[str]:
    """Which rows, targets and names are others."""
    names = [name for name in {**begun, **now} if begun.get(name) != now.get(name)]
    # Other rows or targets are split in another way, which is no news.
    own = [name for name in names if not name.startswith(_DRAWN)]
    for name in own or names:
        if name in begun and name in now:
            yield f"{name} were others"
        else:
            yield f"{name} are {'gone' if name in begun else 'new'}"


def _changed(begun: Digests, now: Digests, left_out: tuple[str, ...] = ()) -> Iterator[str]:
    """Which parts changed, came or went."""
    for name in {**begun, **now}:
        if name in left_out or begun.get(name) == now.get(name):
            continue
        if name in begun and name in now:
            yield f"{name} changed"
        else:
            yield f"{name} is {'gone' if name in begun else 'new'}"


def _changed_files(begun: Digests, now: Digests) -> Iterator[str]:
    """Which files that were read both times have another content.

    A module that was loaded before reads its files no more, and some are read now and then.
    """
    for name, before in begun.items():
        if now.get(name, before) != before:
            yield f"{name} changed"


def _uncompared(begun: Digests, now: Digests) -> Iterator[str]:
    """The code of which one digest is of bytecode, and the other of something else."""
    for name in begun.keys() & now.keys():
        kinds = {_kind(begun[name]), _kind(now[name])}
        if len(kinds) > 1:
            yield name


def _kind(digest: str) -> str:
    """What a digest was made of: a version's bytecode, or the empty word for source."""
    found = _OF_BYTECODE.match(digest)
    return found.group() if found else ""


def _changed_texts(what: str, begun: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Which settings that both have are others."""
    for name, before in begun.items():
        after = now.get(name, before)
        if after != before:
            yield f"{what} {name} was {before} and is {after}"


def _changed_model(
    begun: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Which layers came, went, or have another class or setting."""
    if not begun or not now:
        return
    for name in {**begun, **now}:
        layer = f"the model's layer {name!r}" if name else "the model"
        if name not in begun or name not in now:
            yield f"{layer} is {'gone' if name in begun else 'new'}"
            continue
        before, after = begun[name], now[name]
        # A layer of another class has other settings, which say nothing more.
        if before.get(_CLASS) != after.get(_CLASS):
            yield f"{layer} was {before.get(_CLASS)} and is {after.get(_CLASS)}"
        else:
            yield from _changed_texts(f"{layer}:", before, after)
