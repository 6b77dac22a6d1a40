"""How the numbers of images lie in memory while a model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from advisor.model import call
from advisor.randomness import isolated
from advisor.training.run import Run


def in_its_memory_format(run: Run) -> nn.Module:
    """The model of a run on its device, with the channels of its images last where that suits it.

    Convolutions, and what follows them, then read neighbouring numbers. The inputs need no change:
    the first convolution gives its result as its weights lie.
    """
    model = run.model.to(run.device)
    if not run.channels_last:
        return model
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # A technique may have brought what cannot be computed so, such as a `view`.
    was_training = model.training
    try:
        with torch.no_grad(), isolated(0):
            call(model.eval(), run.example(2))
    except Exception:  # whatever the model raises, its training will tell
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    finally:
        model.train(was_training)
    return model


@contextmanager
def with_channels_last(model: nn.Module) -> Iterator[None]:
    """Inside, the channels of a model's weights lie last in memory; outside, they are what they
    were.
    """
    before = [(each, each.data) for each in nn.Module.parameters(model)]
    try:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        yield
    finally:
        for parameter, data in before:
            parameter.data = data
