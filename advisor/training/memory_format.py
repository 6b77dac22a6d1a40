"""How the numbers of images lie in memory while a model is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    if not can_be_called(run):
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return model


def can_be_called(run: Run) -> bool:
    """Whether the model of a run can be computed as its weights lie: a technique may have brought
    what cannot, such as a `view`.
    """
    model, was_training = run.model, run.model.training
    try:
        with torch.no_grad(), isolated(0):
            call(model.eval(), run.example(2))
    except Exception:  # whatever the model raises, its training will tell
        return False
    finally:
        model.train(was_training)
    return True


@contextmanager
def as_in_training(run: Run) -> Iterator[None]:
    """Inside, the weights of a run's model lie in memory as they do while it is trained; outside,
    as they did, with what they have become.
    """
    if not run.channels_last:
        yield
        return
    with with_channels_last(run.model) as put_back:
        if not can_be_called(run):
            put_back()
        yield


@contextmanager
def with_channels_last(model: nn.Module) -> Iterator[Callable[[], None]]:
    """Inside, the channels of a model's weights lie last in memory; outside, or once what is given
    is called, they lie as they did, with what they have become.
    """
    before = [(each, each.data) for each in nn.Module.parameters(model)]

    def put_back() -> None:
        """Let the weights lie as they did."""
        for parameter, data in before:
            if parameter.data_ptr() != data.data_ptr():
                parameter.data = data.copy_(parameter.data)

    try:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        yield put_back
    finally:
        put_back()
