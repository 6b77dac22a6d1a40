"""The message for a model that fails on a batch: which module, what it got, what it expects."""

from __future__ import annotations

import inspect
import os
import traceback
from typing import Any

from torch import nn

from advisor.errors import InputError, explain, left_out_of, listing
from advisor.model.call import passed_whole
from advisor.model.nested_values import tensors
from advisor.model.tracing import source_frames
from advisor.model.tracing.recorder import Recorder

# Attributes of torch's layers that say what input they expect, and how a message says it.
_EXPECTS = (
    ("in_features", "{} inputs"),
    ("in_channels", "{} channels"),
    ("num_embeddings", "indices below {}"),
    ("input_size", "{} inputs"),
    ("num_features", "{} features"),
    ("normalized_shape", "{} at the end"),
    ("embed_dim", "{} at the end"),
)


def failure(
    model: nn.Module, recorder: Recorder, error: Exception, inputs: tuple[Any, ...]
) -> InputError:
    """What `error`, raised by a recorded run of the model, says to a person."""
    name = type(model).__name__
    keys = _keys(model, inputs, error)
    if not recorder.stack:
        return InputError(f"{name} failed on a batch: {explain(error)}{'.' + keys if keys else ''}")

    # The innermost module that was running, and the shapes of its inputs.
    running = recorder.stack[-1]
    path = recorder.paths.get(id(running.module))
    where = f"{path.name} ({type(running.module).__name__})" if path and path.name else name
    received = list(running.inputs)
    if not received and running.module is model:
        received = list(tensors(inputs))  # hooks do not see keywords
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in received) or "no tensor"
    return InputError(
        f"{where} got {shapes}{_expects(running.module)}{_line(error)}: {_first_line(error)}."
        f"{keys} Check that the data have the shape and type that "
        f"{name} was written for, or change its arguments with --model-arg NAME=VALUE."
    )


def _keys(model: nn.Module, inputs: tuple[Any, ...], error: Exception) -> str:
    """A sentence on the keys of a batch that went in as one dictionary, where some of them are no
    parameters of `forward` and that may be why it failed; else the empty text.
    """
    keys = passed_whole(model, inputs)
    if keys is None or not isinstance(error, (TypeError, AttributeError)):
        return ""
    stars = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = list(inspect.signature(model.forward).parameters.values())
    names = [parameter.name for parameter in own if parameter.kind not in stars]
    unknown = [key for key in keys if key not in names]
    if not unknown:
        return ""

    # What `forward` needs and no key is called is what the unknown keys may be meant for.
    missing = [each.name for each in own if each.name in names and each.default is each.empty]
    missing = [name for name in missing if name not in keys]
    advice = f"leave {listing(unknown)} out of the rows, or let forward take it"
    if missing:
        advice = f"name the keys as forward does, which needs {listing(missing)}, too"
    return (
        f" The rows have the keys {listing(keys)}; {type(model).__name__}.forward takes "
        f"{listing(names) or 'none'}, and not {listing(unknown)}, so it got all of them as one "
        f"dictionary: {advice}."
    )


def _expects(module: nn.Module) -> str:
    for attribute, text in _EXPECTS:
        if hasattr(module, attribute):
            return f", expects {text.format(getattr(module, attribute))}"
    return ""


def _line(error: Exception) -> str:
    """Where in the user's code it was raised: ` (at model.py:24)`."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not source_frames.is_library(frame.filename):
            return f" (at {os.path.basename(frame.filename)}:{frame.lineno})"
    return ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    name = type(error).__name__
    text = f"{name}: {lines[0].rstrip('.')}" if lines else name
    return text + left_out_of(error)
