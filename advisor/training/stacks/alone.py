"""Trains one run, with its step written out where all that it does is known."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from advisor.data import Part
from advisor.training.epoch import Epoch
from advisor.training.loop import TrainingSettings, train
from advisor.training.run import Run
from advisor.training.stacks.elementwise import layer_by_numbers
from advisor.training.stacks.fits import why_alone
from advisor.training.stacks.member import Member
from advisor.training.stacks.stack import Stack
from advisor.training.stacks.traced import NotStackable

WITH_PARAMETERS = (nn.Linear, nn.BatchNorm1d, nn.LayerNorm)
"""Layers with parameters that are written out, beside activations."""


def trained(run: Run, settings: TrainingSettings, valid: Part) -> Iterator[Epoch]:
    """Train a run as `train` does: with the same numbers, but for what rounding does."""
    member = Member(run, settings, valid)
    stack = stack_of_one(member)
    if stack is None:
        yield from train(run, settings, valid)
        return
    for _, epoch in stack.train():
        yield epoch
    if member.problem is not None:
        raise member.problem


def stack_of_one(member: Member) -> Stack | None:
    """A run by itself whose step is written out, or None where that cannot be done."""
    if not may_be_written(member.run.model) or why_alone(member.run) is not None:
        return None
    try:
        return Stack([member], is_written=True)
    except NotStackable:
        return None


def may_be_written(model: nn.Module) -> bool:
    """Whether no layer says at once that a model's step is not written out."""
    return all(
        type(each) in WITH_PARAMETERS or not each._parameters or layer_by_numbers(each) is not None
        for each in nn.Module.modules(model)
    )
