"""Which site a call belongs to: its id, its place in the source, and how it is reached."""

from __future__ import annotations

from types import FrameType
from typing import Any

import torch

from advisor.model.anatomy import AttributeTarget
from advisor.model.references import EDITS, Path
from advisor.model.tracing import source_frames
from advisor.model.tracing.graph import Call

METHOD = type(torch.Tensor.add)
"""The type of torch's tensor methods, which are called as `x.f()`."""

# What `x.data` calls, which lets no gradient pass.
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # torch does not say that it is a descriptor


def located(frames: list[FrameType], kind: str, receiver: bool, paths: dict[int, Path]) -> Call:
    """The call that `frames[0]` makes, as its place in the source says: in the method `frames[-1]`,
    in an attribute of a torch module, or out of reach.
    """
    target = source_frames.target_of(frames, kind, receiver, paths)
    if isinstance(target, AttributeTarget):
        name = f"{paths[id(target.owner)].name}.{target.name}".lstrip(".")
        return Call(kind, (id(target.owner), target.name), name, name, target)
    if not frames:
        return Call(kind, (kind,), kind, kind, target)

    # A call that advisor has rewritten keeps its id. In `x.f().g()` both calls start at `x`, so
    # that the end tells them apart.
    start, end = _start_and_end(frames)
    rewritten = _rewritten_keys(frames)
    place = rewritten.get(end) or (end if receiver else start)

    call = frames[0]
    owner = source_frames.owner_of(frames[-1])
    path = paths.get(id(owner))
    name = f"{place}@{path.name if path else ''}".rstrip("@")
    position = source_frames.span_of(call) or call.f_lasti
    key = (id(owner), call.f_code.co_filename, position)
    return Call(kind, key, name, source_frames.describe(call), target)


def kind_put_there(frames: list[FrameType], function: Any) -> str | None:
    """The kind of what advisor has put at a place, where any function is a candidate; None
    elsewhere.
    """
    if not frames or isinstance(function, METHOD):
        return None
    rewritten = _rewritten_keys(frames)
    if rewritten and _start_and_end(frames)[1] in rewritten:
        return name_of(function)
    if source_frames.kept_function(frames[-1]) is function:
        return name_of(function)
    return None


def name_of(function: Any) -> str:
    """The name of an operation, without the underscores of `__add__`, `_softmax` and `add_`; that
    of `x.data` is `detach`.
    """
    if function == _DATA:
        return "detach"
    return str(getattr(function, "__name__", function)).strip("_")


def _start_and_end(frames: list[FrameType]) -> tuple[str, str]:
    """Where the call that `frames[0]` makes starts and ends, each as `method:line:column`."""
    call = frames[0]
    method = frames[-1].f_code.co_name
    span = source_frames.span_of(call)
    if span is None:
        # Without columns, the number of the instruction tells the calls of a line apart.
        line, column = call.f_lineno, call.f_lasti
        span = (line, line, column, column)
    first_line, last_line, first_column, last_column = span
    return f"{method}:{first_line}:{first_column}", f"{method}:{last_line}:{last_column}"


def _rewritten_keys(frames: list[FrameType]) -> dict[str, str]:
    """Under which key advisor keeps what runs in each rewritten call, by `method:line:column` of
    the call's end.
    """
    owner = source_frames.owner_of(frames[-1])
    edits = getattr(type(owner), EDITS, ())
    keys = {}
    for _depth, _method, (line, column), key, _receiver in edits:
        method = key.partition(":")[0]
        keys[f"{method}:{line}:{column}"] = key
    return keys
