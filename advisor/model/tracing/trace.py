"""Look at a model once: run it on one batch, record what happens, read the record."""

from __future__ import annotations

import os
import traceback
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from advisor.errors import InputError, explain, left_out_of
from advisor.model.anatomy import Anatomy, ModuleTarget, Site
from advisor.model.call import as_tuple, rows_of
from advisor.model.call import call as call_model
from advisor.model.preserve import untouched
from advisor.model.references import Path, paths
from advisor.model.tracing import layers, site_labels, source_frames
from advisor.model.tracing.graph import Call, Graph, Node, upstream
from advisor.model.tracing.output import Output, kind_of_output, pick
from advisor.model.tracing.recorder import Recorder, tensors


def trace(model: nn.Module, batch: Any, output: Output = None, rows: int | None = None) -> Anatomy:
    """Run the model on a batch once, in training mode, and say what it is made of.

    Parameters, buffers, training flags and random states are the same afterwards. `batch` has at
    least two rows: a tensor, a tuple of positional arguments, or a dictionary. `output` names or
        counts the tensor that is the prediction, where the
    model returns several; `rows` is the number of rows, where it is not that of the batch's first
    tensor.

    Raises InputError, naming the innermost module, if the model does not accept the batch, or has
    no such output.
    """
    inputs = as_tuple(batch)
    materialize(model, inputs)
    found = paths(model)
    with (
        untouched(model, [path.module for path in found.values()], parameters=True),
        torch.no_grad(),
    ):
        recorder, result = _recorded(model, inputs, found)
        chosen = _prediction(result, output, rows_of(inputs) if rows is None else rows)
        graph = recorder.graph(result if output is None else chosen)
        end = recorder.origin(chosen)
        return _anatomy(graph, found, chosen, end)


def materialize(model: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Let lazy layers take their shape and draw their start, which they do when they are called
    first.
    """
    modules = list(nn.Module.modules(model))
    if any(is_lazy(parameter) for parameter in nn.Module.parameters(model)):
        with untouched(model, modules), torch.no_grad():
            call_model(model, inputs)


def _recorded(
    model: nn.Module, inputs: tuple[Any, ...], found: dict[int, Path]
) -> tuple[Recorder, Any]:
    """A run without gradients, or with them for a model that takes gradients itself."""
    recorder = Recorder(inputs, found)
    try:
        return recorder, _run(model, inputs, recorder)
    except InputError as error:
        if _WANTS_GRADIENTS not in str(error.__cause__):
            raise
    recorder = Recorder(inputs, found)
    with torch.enable_grad():
        return recorder, _run(model, inputs, recorder)


_WANTS_GRADIENTS = "does not require grad"  # torch's words


def _run(model: nn.Module, inputs: tuple[Any, ...], recorder: Recorder) -> Any:
    try:
        with recorder.hooked(), recorder:
            return call_model(model, inputs)
    except Exception as error:
        raise _failure(model, recorder, error, inputs) from error


def _prediction(result: Any, output: Output, rows: int | None) -> Tensor:
    chosen = pick(result, rows, output)
    if not chosen.is_floating_point():
        raise InputError(
            f"The model returned a tensor of {chosen.dtype}, and no tensor of floats; return its predictions."
        )
    if isinstance(result, Tensor) and str(output) not in ("None", "0", "-1"):
        raise InputError(
            f"The model returns one tensor alone, so there is no output {output!r}; leave out --output."
        )
    return chosen


def _anatomy(graph: Graph, found: dict[int, Path], chosen: Tensor, end: Node | None) -> Anatomy:
    by_call = _sites(graph)
    owners = layers.Owners(found)
    uses, raw, ran = layers.uses(graph, owners, found)
    sites = tuple(dict.fromkeys(by_call.values()))
    called = {site.target.module for site in sites if isinstance(site.target, ModuleTarget)}
    trainable = {found[id(module)].name for module in called if id(module) in found}
    outputs = set(graph.outputs)
    branches = layers.branches_of(uses, outputs)
    return Anatomy(
        sites=sites,
        layers=tuple(
            use.layer(index, by_call, owners, outputs, branches) for index, use in enumerate(uses)
        ),
        tables=tuple(use.table(owners) for use in uses if use.kind == "embedding"),
        output=kind_of_output(end, chosen),
        output_shape=tuple(chosen.shape),
        unused=tuple(sorted(owners.names() - ran - trainable)),
        raw=tuple(sorted(raw)),
    )


# ---------------------------------------------------------------- sites


def _sites(graph: Graph) -> dict[Call, Site]:
    """The site of every call. A module whose calls have different labels is seen as its calls,
    where they can be reached.
    """
    labels = {node.call: site_labels.label(node) for node in graph.nodes if node.call is not None}
    dropped = _dropped(graph)
    groups: dict[tuple[object, ...], list[Call]] = {}
    for call in labels:
        groups.setdefault(call.key, []).append(call)
    sites = {}
    for calls in groups.values():
        mixed = len({labels[call][0] for call in _used(calls, dropped)}) > 1 and all(
            call.split for call in calls
        )
        for part in _split(calls) if mixed else [calls]:
            site = _site(part, labels, mixed, dropped)
            sites.update(dict.fromkeys(part, site))
    return {call: sites[call] for call in labels}


def _dropped(graph: Graph) -> set[Call]:
    """Calls whose results the model throws away, as the last turn of a loop may: they say nothing
    about their site.
    """
    used = set(upstream(Node("output", -1, graph.outputs), lambda _: True))
    return {node.call for node in graph.nodes if node.call is not None and node not in used}


def _used(calls: list[Call], dropped: set[Call]) -> list[Call]:
    return [call for call in calls if call not in dropped] or calls


def _split(calls: list[Call]) -> list[list[Call]]:
    parts: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        parts.setdefault(call.split.key if call.split else call.key, []).append(call)
    return list(parts.values())


def _site(
    calls: list[Call], labels: dict[Call, tuple[str, str]], mixed: bool, dropped: set[Call]
) -> Site:
    used = _used(calls, dropped)
    label = site_labels.strictest(labels[call][0] for call in used)
    reason = next(labels[call][1] for call in used if labels[call][0] == label)
    shown = calls[0].split if mixed and calls[0].split else calls[0]
    return Site(
        shown.id,
        calls[0].kind,
        label,
        reason,
        len(calls),
        shown.place,
        shown.target,
        calls[0].function,
    )


# ---------------------------------------------------------------- failures

_EXPECTS = (
    ("in_features", "{} inputs"),
    ("in_channels", "{} channels"),
    ("num_embeddings", "indices below {}"),
    ("input_size", "{} inputs"),
    ("num_features", "{} features"),
    ("normalized_shape", "{} at the end"),
    ("embed_dim", "{} at the end"),
)


def _failure(
    model: nn.Module, recorder: Recorder, error: Exception, inputs: tuple[Any, ...]
) -> InputError:
    name = type(model).__name__
    if not recorder.stack:
        return InputError(f"{name} failed on a batch: {explain(error)}")
    running = recorder.stack[-1]
    path = recorder.paths.get(id(running.module))
    where = f"{path.name} ({type(running.module).__name__})" if path and path.name else name
    got = running.inputs or (
        tuple(tensors(inputs)) if running.module is model else ()
    )  # hooks do not see keywords
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in got) or "no tensor"
    return InputError(
        f"{where} got {shapes}{_expects(running.module)}{_line(error)}: {_first_line(error)}. Check that the data have the shape "
        f"and type that {name} was written for, or change its arguments with --model-arg NAME=VALUE."
    )


def _expects(module: nn.Module) -> str:
    known = (
        (text, getattr(module, attribute))
        for attribute, text in _EXPECTS
        if hasattr(module, attribute)
    )
    return next((f", expects {text.format(value)}" for text, value in known), "")


def _line(error: Exception) -> str:
    calls = [
        call for call in traceback.extract_tb(error.__traceback__) if not _is_ours(call.filename)
    ]
    return f" (at {os.path.basename(calls[-1].filename)}:{calls[-1].lineno})" if calls else ""


def _is_ours(filename: str) -> bool:
    return filename.startswith((source_frames.TORCH, os.path.dirname(os.path.dirname(__file__))))


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (
        f"{type(error).__name__}: {text[0].rstrip('.')}" if text else type(error).__name__
    ) + left_out_of(error)
