"""Which call in the source made each module of a model: a fresh model is built, and every
constructor is watched.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from types import CodeType, FrameType
from typing import Any

from torch import nn

from advisor.errors import InputError, explain
from advisor.model.anatomy import Span
from advisor.model.preserve import random_states_kept
from advisor.model.references import holdings
from advisor.model.tracing.source_frames import TORCH, span_of

Build = Callable[[], nn.Module]

_MARK = "_advisor_made"  # a number in the instance: copies of a module, which no constructor sees, have it too
_numbers = count()


class OriginError(InputError):
    """It cannot be told, or said, where a module is made; the text is a clause that says why."""


@dataclass(frozen=True)
class Call:
    """A call in the source: the code that made it, the globals of that code, and where it is."""

    code: CodeType
    names: dict[str, Any]
    span: Span | None

    @property
    def key(self) -> tuple[str, Span | None]:
        """What tells it from all others."""
        return self.code.co_filename, self.span


@dataclass(frozen=True)
class Made:
    """How a module came to be.

    Arguments:
        module: the module, or the one that it is a copy of.
        call: the nearest call that is not made by the module's own constructors.
        entry: the nearest call that is not made by code of torch.
        entered: the constructor of torch that `entry` called, or None.
    """

    module: nn.Module
    call: Call
    entry: Call
    entered: CodeType | None


class Fresh:
    """A model built once more, with what is known about the making of its modules."""

    def __init__(self, build: Build) -> None:
        with random_states_kept(), _watched() as notes:
            try:
                model = build()
            except Exception as problem:  # whatever a user's constructor raises
                raise OriginError(
                    f"making the model once more raised {explain(problem)}; give build=…, a function that makes it"
                ) from problem
        if not isinstance(model, nn.Module):
            raise OriginError(
                f"build returned {type(model).__name__} and not a model; return the model"
            )
        self.modules = {holding.path: holding.module for holding in reversed(list(holdings(model)))}
        self._notes = notes

    def made(self, path: str) -> Made:
        """How the module at a path was made. Raises OriginError where nobody has seen it."""
        made = self._note(path)
        if made is None:
            raise OriginError(
                "it was there before the model, say as a default value or a global; make it in the constructor"
            )
        return made

    def _note(self, path: str) -> Made | None:
        module = self.modules.get(path)
        return None if module is None else self._notes.get(vars(module).get(_MARK, -1))

    def alike(self, path: str, key: Callable[[Made], object]) -> list[str]:
        """The paths of all modules that agree with the one at `path` in `key`."""
        wanted = key(self.made(path))
        return [
            other
            for other in reversed(self.modules)
            if (made := self._note(other)) is not None and key(made) == wanted
        ]


@contextmanager
def _watched() -> Iterator[dict[int, Made]]:
    notes: dict[int, Made] = {}
    plain = nn.Module.__init__

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if vars(self).get(_MARK) not in notes:  # two base classes may both call it
            vars(self)[_MARK] = number = next(_numbers)
            notes[number] = _made(self, sys._getframe(1))
        plain(self, *args, **kwargs)

    nn.Module.__init__ = init  # type: ignore[method-assign]
    try:
        yield notes
    finally:
        nn.Module.__init__ = plain  # type: ignore[method-assign]


def _made(module: nn.Module, frame: FrameType) -> Made:
    outer = next(each for each in _outwards(frame) if not _constructs(each, module))
    within = list(_outwards(frame))
    entry = next(
        number
        for number, each in enumerate(within)
        if not each.f_code.co_filename.startswith(TORCH)
    )
    return Made(
        module, _call(outer), _call(within[entry]), within[entry - 1].f_code if entry else None
    )


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    at: FrameType | None = frame
    while at is not None:
        yield at
        at = at.f_back


def _constructs(frame: FrameType, module: nn.Module) -> bool:
    """Whether a frame is a constructor of this module, a decorator's function around one, or its
    metaclass.
    """
    code = frame.f_code
    first = frame.f_locals.get(next(iter(code.co_varnames), ""))
    first = first[0] if isinstance(first, tuple) and first else first
    return first is module or (first is type(module) and code.co_name == "__call__")


def _call(frame: FrameType) -> Call:
    return Call(frame.f_code, frame.f_globals, span_of(frame))


def default_build(cls: type[nn.Module]) -> Build | None:
    """A class of the user's whose constructor needs no arguments makes its model itself."""
    try:
        inspect.signature(cls).bind()
    except (TypeError, ValueError):
        return None
    return None if cls.__module__.partition(".")[0] == "torch" else cls
