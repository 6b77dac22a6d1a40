"""Which line of whose code made a call: read from the interpreter's frames while a model runs."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from advisor.model.anatomy import AttributeTarget, CallTarget, NoTarget, Span, Target
from advisor.model.references import Path
from advisor.model.tracing import torch_activations

TORCH = os.path.dirname(torch.__file__) + os.sep
"""Every file of torch begins with this."""

# Every file of `advisor.model` begins with this.
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep

# Files of torch that only hand a call on: the caller is one frame further out.
_PLUMBING = frozenset(
    os.path.join(TORCH, *name.split("/"))
    for name in (
        "overrides.py",
        "functional.py",
        "_tensor.py",
        "_jit_internal.py",
        "nn/functional.py",
        "nn/modules/module.py",
    )
)

# What runs the forward of every `torch.autograd.Function`: a class method, of C from torch 2.14 on.
_OWN_APPLY = Function.__dict__["apply"]

# The attribute where torch's transformer layers keep their activation.
_ATTRIBUTE = "activation"

# Flags of code with *args, with **kwargs, and of generators.
_NOT_PLAIN = 0x04 | 0x08 | 0x20

# A longer call is cut where a person reads it.
_WIDTH = 48


def chain(frame: FrameType | None, paths: dict[int, Path]) -> list[FrameType]:
    """Frames from the nearest caller outwards to the first method of a module of the model,
    plumbing left out.

    If there is none, to the first method of any module.
    """
    frames: list[FrameType] = []
    up_to_any_module = None
    while frame is not None:
        if not _is_plumbing(frame.f_code):
            frames.append(frame)
            owner = owner_of(frame)
            if id(owner) in paths:
                return frames
            if owner is not None and up_to_any_module is None:
                up_to_any_module = len(frames)
        frame = frame.f_back
    return frames[:up_to_any_module]


@contextmanager
def function_calls() -> Iterator[None]:
    """Give every call of a `torch.autograd.Function` a frame, where torch gives it none."""
    if _APPLY is not _apply.__code__:
        yield
        return
    setattr(Function, "apply", classmethod(_apply))  # noqa: B010  # mypy takes it for a constant
    try:
        yield
    finally:
        setattr(Function, "apply", _OWN_APPLY)  # noqa: B010  # mypy takes it for a constant


def _apply(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
    return _OWN_APPLY.__get__(None, cls)(*args, **kwargs)


_APPLY: CodeType = getattr(_OWN_APPLY, "__func__", _apply).__code__


def is_library(filename: str) -> bool:
    """Whether a file belongs to torch or to `advisor.model`."""
    return filename.startswith((TORCH, _HERE))


def _is_plumbing(code: CodeType) -> bool:
    filename = code.co_filename
    if code is _APPLY:
        return False
    if filename in _PLUMBING or filename.startswith(_HERE):
        return True
    return code in torch_activations.forwards()


def owner_of(frame: FrameType) -> nn.Module | None:
    """The module whose method runs in a frame, or None."""
    code = frame.f_code
    if not code.co_argcount:
        return None
    first_argument = frame.f_locals.get(code.co_varnames[0])
    return first_argument if isinstance(first_argument, nn.Module) else None


def span_of(frame: FrameType) -> Span | None:
    """The exact place of the call that a frame is making; None without debug ranges (`-X
    no_debug_ranges`).
    """
    # An instruction takes two bytes, and `f_lasti` counts bytes.
    positions = islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    line, end_line, column, end_column = next(positions, (None, None, None, None))
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column


def is_nested(code: CodeType, outer: CodeType) -> bool:
    """Whether `code` is `outer` or a comprehension, lambda or function written inside it."""
    if code is outer:
        return True
    inner = (const for const in outer.co_consts if isinstance(const, CodeType))
    return any(is_nested(code, const) for const in inner)


def is_comprehension(code: CodeType) -> bool:
    """Whether this is the body of a comprehension or of a generator expression."""
    return code.co_varnames[:1] == (".0",)


def replay(frame: FrameType) -> tuple[Callable[[Tensor], Any], Tensor] | None:
    """The function that runs in a frame, as a function of its only tensor argument, with that
    argument; None if it has more.
    """
    code, values = frame.f_code, frame.f_locals
    if code is _APPLY:
        # It is looked up when it runs, when `function_calls` is over.
        cls = values["cls"]
        return with_one_tensor(lambda *args: cls.apply(*args), list(values["args"]))
    if code.co_flags & _NOT_PLAIN or code.co_kwonlyargcount:
        return None
    names = code.co_varnames[: code.co_argcount]
    if any(name not in values for name in (*names, *code.co_freevars)):
        return None
    cells = tuple(CellType(values[name]) for name in code.co_freevars)
    function = FunctionType(code, frame.f_globals, code.co_name, None, cells)
    return with_one_tensor(function, [values[name] for name in names])


def held_by(frame: FrameType) -> list[object]:
    """What a function that runs in a frame is given besides tensors, and may change."""
    code, values = frame.f_code, frame.f_locals
    names = (*code.co_varnames[: code.co_argcount], *code.co_freevars)
    given = [values[name] for name in names if name in values]
    return [value for value in given if not isinstance(value, Tensor)]


def with_one_tensor(
    function: Callable[..., Any], arguments: list[Any]
) -> tuple[Callable[[Tensor], Any], Tensor] | None:
    """A function with all arguments but its only tensor filled in, and that tensor."""
    places = [place for place, value in enumerate(arguments) if isinstance(value, Tensor)]
    if len(places) != 1:
        return None
    place = places[0]
    before, after = arguments[:place], arguments[place + 1 :]
    return lambda x: function(*before, x, *after), arguments[place]


def name_of(frame: FrameType) -> str:
    """What the function in a frame is called."""
    if frame.f_code is _APPLY:
        return str(frame.f_locals["cls"].__name__)
    return frame.f_code.co_name.strip("<>")


def target_of(frames: list[FrameType], kind: str, receiver: bool, paths: dict[int, Path]) -> Target:
    """How to reach the call that `frames[0]` makes, `frames[-1]` being the method it happens in."""
    owner = owner_of(frames[-1]) if frames else None
    if owner is None:
        return NoTarget(f"{kind} is not called from a method of a module; call it in forward.")

    # `frames` ends at a module of the model, so one that lies between is none.
    call, method = frames[0], frames[-1]
    path = paths.get(id(owner))
    owners = [owner_of(frame) for frame in frames]
    nearest = next(module for module in owners if module is not None)
    if path is None or nearest is not owner:
        return NoTarget(
            f"{kind} is called by {type(nearest).__name__}, which is not a part of the model; keep "
            "it in an attribute."
        )

    # Of torch's own methods, those of transformer layers call what they keep in an attribute.
    if method.f_code.co_filename.startswith(TORCH):
        if call is method and callable(getattr(owner, _ATTRIBUTE, None)):
            return AttributeTarget(owner, _ATTRIBUTE, path.registered)
        return NoTarget(
            f"{kind} is called inside torch's own {type(owner).__name__}, which offers no way to "
            "change it."
        )

    # In the user's methods, the call itself is changed.
    if not all(is_nested(frame.f_code, method.f_code) for frame in frames):
        return NoTarget(_inside_helper(call, kind))
    span = span_of(call) or _only_call(call, kind)
    if span is None:
        return NoTarget(
            f"{_line(call)} {kind} is not alone on its line, and Python has no columns; run it "
            "without -X no_debug_ranges."
        )
    return CallTarget(owner, method.f_code, span, receiver, path.registered)


def kept_function(frame: FrameType) -> Any:
    """The activation that a transformer layer of torch keeps in an attribute, if `frame` runs such
    a layer's method.
    """
    owner = owner_of(frame) if frame.f_code.co_filename.startswith(TORCH) else None
    return vars(owner).get(_ATTRIBUTE) if owner is not None else None


def describe(frame: FrameType) -> str:
    """`model.py:18 F.f(x)`: the file, the line and the call in it."""
    code, span = frame.f_code, span_of(frame)
    line = span[0] if span else frame.f_lineno
    text = linecache.getline(code.co_filename, line, frame.f_globals)
    if span:
        # Columns count bytes. A call of several lines is shown to the end of its first.
        first_line, last_line, first_column, last_column = span
        end = last_column if last_line == first_line else None
        text = text.encode()[first_column:end].decode(errors="ignore")
    text = text.strip()
    if len(text) > _WIDTH:
        text = text[: _WIDTH - 1] + "…"
    return f"{os.path.basename(code.co_filename)}:{line} {text}".strip()


def _only_call(frame: FrameType, kind: str) -> Span | None:
    """Without debug ranges: the one call on the line of a function of that name."""
    tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    name = torch_activations.plain(kind.removeprefix("custom:"))
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno == frame.f_lineno:
            function = ast.unparse(node.func).rpartition(".")[2]
            if torch_activations.plain(function) == name:
                end_line, end_column = node.end_lineno or 0, node.end_col_offset or 0
                spans.append((node.lineno, end_line, node.col_offset, end_column))
    return spans[0] if len(spans) == 1 else None


def _inside_helper(call: FrameType, kind: str) -> str:
    where, code = _line(call), call.f_code
    if code.co_name == "<lambda>":
        return f"{where} {kind} is inside a lambda; write it as a method or an nn.Module."
    helper = f"{code.co_name}({', '.join(code.co_varnames[: code.co_argcount])})"
    return (
        f"{where} {kind} is inside {helper}; call it in the method itself, or pass the activation "
        "in."
    )


def _line(frame: FrameType) -> str:
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
