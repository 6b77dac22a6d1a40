"""Which call in the source made each module of a model: the model is built once more, and every
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

# The attribute in which a watched module keeps its number. Copies of a module, which no
# constructor sees, have it too.
_NUMBER = "_advisor_made"

# The numbers, which no two modules of this process share.
_numbers = count()


class OriginError(InputError):
    """Where a module is made cannot be found out, or cannot be edited; the text is a clause that
    says why.
    """


@dataclass(frozen=True)
class ConstructorCall:
    """A call in the source: the code that made it, the globals of that code, and where it is."""

    code: CodeType
    names: dict[str, Any]
    span: Span | None

    @property
    def key(self) -> tuple[str, Span | None]:
        """What tells it from all others."""
        return self.code.co_filename, self.span


@dataclass(frozen=True)
class Construction:
    """How a module came to be.

    Arguments:
        module: the module, or the one that it is a copy of.
        call: the nearest call that is not made by the module's own constructors.
        entry: the nearest call that is not made by code of torch.
        entered: the constructor of torch that `entry` called, or None.
    """

    module: nn.Module
    call: ConstructorCall
    entry: ConstructorCall
    entered: CodeType | None


class RebuiltModel:
    """A model built once more, with what is known about the making of its modules."""

    def __init__(self, build: Build) -> None:
        with random_states_kept(), _constructors_watched() as constructions:
            try:
                model = build()
            except Exception as problem:  # whatever a user's constructor raises
                raise OriginError(
                    f"making the model once more raised {explain(problem)}; "
                    "give build=…, a function that makes it"
                ) from problem
        if not isinstance(model, nn.Module):
            raise OriginError(
                f"build returned {type(model).__name__} and not a model; return the model"
            )
        self.modules = {holding.path: holding.module for holding in reversed(list(holdings(model)))}
        self._constructions = constructions

    def construction(self, path: str) -> Construction:
        """How the module at a path was made. Raises OriginError where no constructor was seen."""
        construction = self._construction(path)
        if construction is None:
            raise OriginError(
                "it was there before the model, say as a default value or a global; "
                "make it in the constructor"
            )
        return construction

    def _construction(self, path: str) -> Construction | None:
        if path not in self.modules:
            return None
        number = vars(self.modules[path]).get(_NUMBER, -1)
        return self._constructions.get(number)

    def made_alike(self, path: str, key: Callable[[Construction], object]) -> list[str]:
        """The paths of all modules whose construction agrees with that at `path` in `key`."""
        key_there = key(self.construction(path))
        alike = []
        for other in reversed(self.modules):
            construction = self._construction(other)
            if construction is not None and key(construction) == key_there:
                alike.append(other)
        return alike


@contextmanager
def _constructors_watched() -> Iterator[dict[int, Construction]]:
    """While this is open, every module that is made gets a number, under which the result says
    how it was made.
    """
    constructions: dict[int, Construction] = {}
    original = nn.Module.__init__

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        """Number the module, and make it as before."""
        if vars(self).get(_NUMBER) not in constructions:  # two base classes may both call it
            vars(self)[_NUMBER] = number = next(_numbers)
            constructions[number] = _construction_of(self, sys._getframe(1))
        original(self, *args, **kwargs)

    nn.Module.__init__ = init  # type: ignore[method-assign]  # put back below
    try:
        yield constructions
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]  # as it was


def _construction_of(module: nn.Module, frame: FrameType) -> Construction:
    """How a module comes to be whose constructor runs in `frame`."""
    frames = []
    at: FrameType | None = frame
    while at is not None:
        frames.append(at)
        at = at.f_back
    caller = next(frame for frame in frames if not _constructs(frame, module))
    outside_torch = [not frame.f_code.co_filename.startswith(TORCH) for frame in frames]
    entry = outside_torch.index(True)
    entered = frames[entry - 1].f_code if entry else None
    return Construction(module, _call_in(caller), _call_in(frames[entry]), entered)


def _constructs(frame: FrameType, module: nn.Module) -> bool:
    """Whether a frame is a constructor of this module, a decorator's function around one, or its
    metaclass.
    """
    code = frame.f_code
    first_name = next(iter(code.co_varnames), "")
    first = frame.f_locals.get(first_name)
    if isinstance(first, tuple) and first:  # `*args` of a decorator
        first = first[0]
    return first is module or (first is type(module) and code.co_name == "__call__")


def _call_in(frame: FrameType) -> ConstructorCall:
    return ConstructorCall(frame.f_code, frame.f_globals, span_of(frame))


def default_build(cls: type[nn.Module]) -> Build | None:
    """A class of the user's whose constructor needs no arguments makes its model itself."""
    try:
        inspect.signature(cls).bind()
    except (TypeError, ValueError):
        return None
    return None if cls.__module__.partition(".")[0] == "torch" else cls
