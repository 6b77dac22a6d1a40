"""Which line of whose code made a call: read from the interpreter's frames while a model runs."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Callable
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
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
# torch's functions that only hand a call on: the caller is one frame further out
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
_APPLY: CodeType = Function.apply.__func__.__code__  # type: ignore[attr-defined]
_ATTRIBUTE = "activation"  # where torch's transformer layers keep theirs


def chain(frame: FrameType | None, paths: dict[int, Path]) -> list[FrameType]:
    """Frames from the nearest caller outwards to the first method of a module of the model,
    plumbing left out.

    If there is none, to the first method of any module.
    """
    frames = []
    foreign = 0
    while frame is not None:
        code = frame.f_code
        if not _is_plumbing(code):
            frames.append(frame)
            owner = owner_of(frame)
            if id(owner) in paths:
                return frames
            foreign = foreign or (len(frames) if owner is not None else 0)
        frame = frame.f_back
    return frames[: foreign or None]


def _is_plumbing(code: CodeType) -> bool:
    return (
        code.co_filename in _PLUMBING
        or code.co_filename.startswith(_HERE)
        or code in torch_activations.forwards()
    )


def owner_of(frame: FrameType) -> nn.Module | None:
    """The module whose method runs in a frame, or None."""
    code = frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    return first if isinstance(first, nn.Module) else None


def span_of(frame: FrameType) -> Span | None:
    """The exact place of the call that a frame is making; None without debug ranges (`-X
    no_debug_ranges`).
    """
    position = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column


def is_nested(code: CodeType, outer: CodeType) -> bool:
    """Whether `code` is `outer` or a comprehension, lambda or function written inside it."""
    return code is outer or any(
        isinstance(const, CodeType) and is_nested(code, const) for const in outer.co_consts
    )


def is_comprehension(code: CodeType) -> bool:
    """Whether this is the body of a list, set or dict comprehension or of a generator expression."""
    return code.co_varnames[:1] == (".0",)


def replay(frame: FrameType) -> tuple[Callable[[Tensor], Any], Tensor] | None:
    """The function that runs in a frame, as a function of its only tensor argument, with that
    argument; None if it has more.
    """
    code, values = frame.f_code, frame.f_locals
    if code is _APPLY:
        return _bind(values["cls"].apply, list(values["args"]))
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    plain = code.co_flags & 0x2C == 0  # neither *args nor **kwargs, and no generator
    if (
        not plain
        or code.co_kwonlyargcount
        or any(name not in values for name in (*names, *code.co_freevars))
    ):
        return None
    cells = tuple(CellType(values[name]) for name in code.co_freevars)
    return _bind(
        FunctionType(code, frame.f_globals, code.co_name, None, cells),
        [values[name] for name in names],
    )


def _bind(
    function: Callable[..., Any], arguments: list[Any]
) -> tuple[Callable[[Tensor], Any], Tensor] | None:
    tensors = [index for index, value in enumerate(arguments) if isinstance(value, Tensor)]
    if len(tensors) != 1:
        return None
    at = tensors[0]
    return lambda x: function(*arguments[:at], x, *arguments[at + 1 :]), arguments[at]


def name_of(frame: FrameType) -> str:
    """What the function in a frame is called."""
    name = frame.f_locals["cls"].__name__ if frame.f_code is _APPLY else frame.f_code.co_name
    return str(name).strip("<>")


def target_of(frames: list[FrameType], kind: str, receiver: bool, paths: dict[int, Path]) -> Target:
    """How to reach the call that `frames[0]` makes, `frames[-1]` being the method it happens in."""
    if not frames or (owner := owner_of(frames[-1])) is None:
        return NoTarget(f"{kind} is not called from a method of a module; call it in forward.")
    call, method = frames[0], frames[-1]
    path = paths.get(id(owner))
    foreign = next(
        (found for frame in frames[:-1] if (found := owner_of(frame)) is not None), owner
    )
    if path is None or foreign is not owner:
        return NoTarget(
            f"{kind} is called by {type(foreign).__name__}, which is not a part of the model; keep it in an attribute."
        )
    if method.f_code.co_filename.startswith(TORCH):
        if call is method and callable(getattr(owner, _ATTRIBUTE, None)):
            return AttributeTarget(owner, _ATTRIBUTE, path.registered)
        return NoTarget(
            f"{kind} is called inside torch's own {type(owner).__name__}, which offers no way to change it."
        )
    if not all(is_nested(frame.f_code, method.f_code) for frame in frames):
        return NoTarget(_inside_helper(call, kind))
    span = span_of(call) or _only_call(call, kind)
    if span is None:
        return NoTarget(
            f"{_line(call)} {kind} is not alone on its line, and Python has no columns; run it without -X no_debug_ranges."
        )
    return CallTarget(owner, method.f_code, span, receiver, path.registered)


def _only_call(frame: FrameType, kind: str) -> Span | None:
    """Without debug ranges: the one call on the line of a function of that name."""
    tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    calls = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.lineno == frame.f_lineno
    )
    spans = [
        _span(call)
        for call in calls
        if torch_activations.plain(_called(call))
        == torch_activations.plain(kind.removeprefix("custom:"))
    ]
    return spans[0] if len(spans) == 1 else None


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _span(call: ast.Call) -> Span:
    return call.lineno, call.end_lineno or 0, call.col_offset, call.end_col_offset or 0


def kept_function(frame: FrameType) -> Any:
    """The activation that a transformer layer of torch keeps in an attribute, if `frame` runs such
    a layer's method.
    """
    owner = owner_of(frame) if frame.f_code.co_filename.startswith(TORCH) else None
    return vars(owner).get(_ATTRIBUTE) if owner is not None else None


def _inside_helper(call: FrameType, kind: str) -> str:
    where = _line(call)
    if call.f_code.co_name == "<lambda>":
        return f"{where} {kind} is inside a lambda; write it as a method or an nn.Module."
    names = ", ".join(call.f_code.co_varnames[: call.f_code.co_argcount])
    helper = f"{call.f_code.co_name}({names})"
    return f"{where} {kind} is inside {helper}; call it in the method itself, or pass the activation in."


def _line(frame: FrameType) -> str:
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def describe(frame: FrameType) -> str:
    """`model.py:18 F.f(x)`: the file, the line and the call in it."""
    code, span = frame.f_code, span_of(frame)
    line = span[0] if span else frame.f_lineno
    text = linecache.getline(code.co_filename, line, frame.f_globals)
    if span:
        end = span[3] if span[1] == span[0] else None
        text = text.encode()[span[2] : end].decode(errors="ignore")
    text = text.strip()
    return f"{os.path.basename(code.co_filename)}:{line} {text if len(text) <= 48 else text[:47] + '…'}".strip()
