"""The message for a model that fails on a batch: which module, what it got, what it expects."""

from __future__ import annotations

import os
import traceback
from typing import Any

from torch import nn

from advisor.errors import InputError, explain, left_out_of
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
    if not recorder.stack:
        return InputError(f"{name} failed on a batch: {explain(error)}")

    # The innermost module that was running, and the shapes of its inputs.
    running = recorder.stack[-1]
    path = recorder.paths.get(id(running.module))
    where = f"{path.name} ({type(running.module).__name__})" if path and path.name else name
    received = list(running.inputs)
    if not received and running.module is model:
        received = list(tensors(inputs))  # hooks do not see keywords
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in received) or "no tensor"
    return InputError(
        f"{where} got {shapes}{_expects(running.module)}{_line(error)}: {_first_line(error)}. "
        "Check that the data have the shape and type that "
        f"{name} was written for, or change its arguments with --model-arg NAME=VALUE."
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
