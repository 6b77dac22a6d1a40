"""The proof that models compute together what they compute alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor.nested import gathered, mapped, tensors_in
from advisor.training.stacks.bank import Bank
from advisor.training.stacks.computation import Computation
from advisor.training.stacks.layers import shares_of, together
from advisor.training.stacks.losses_of_copies import LossOfCopies
from advisor.training.stacks.traced import NotStackable

NEAR = 1e-5
"""How far outputs and gradients may be from those of one model alone, as a share of the largest."""
ROUNDING = 1e-6
"""Gradients below this share of the model's largest are what rounding leaves, such as those of a
bias before batch normalization: they may be any others.
"""
TIMED = 2
"""Steps of a model alone, of which the faster one tells what it takes beside others."""


def check_same(program: Computation, bank: Bank, inputs: Any, seeds: list[int]) -> list[float]:
    """Seconds of a step of each model alone.

    Models and random states are left as they are. Raises `NotStackable` where models give other
    outputs or gradients together than alone.

    Arguments:
        program: of the models that are to be trained together.
        bank: has their stacked parameters.
        inputs: a mini-batch of each, with the copies in front.
        seeds: of what each draws.
    """
    models = program.models
    parameters = [each for model in models for each in nn.Module.parameters(model)]
    with untouched(models):
        program.begin([torch.Generator().manual_seed(seed) for seed in seeds])
        bank.begin_step()
        squares = Squares()
        program.step(inputs, torch.empty(0), squares)
        bank.hand_out()
        own = [each.grad for each in parameters]
        shares = zip(models, shares_of(tuple(inputs), len(models)), seeds, strict=True)
        times = TIMED if len(models) > 1 else 1
        found = [alone(*each, times) for each in shares]
        if not all_near([squares.output], [gathered(together, [output for output, _ in found])]):
            raise NotStackable("the models give other outputs together")
        wanted = [each.grad for each in parameters]
        if not all_near(own, wanted, ROUNDING * max(map(largest_of, wanted), default=0.0)):
            raise NotStackable("the models have other gradients together")
    return [seconds for _, seconds in found]


@contextmanager
def untouched(models: Sequence[nn.Module]) -> Iterator[None]:
    """Around passes through models in training mode that leave nothing behind."""
    modes = [(each, each.training) for model in models for each in model.modules()]
    buffers = [each for model in models for each in nn.Module.buffers(model)]
    before = [each.clone() for each in buffers]
    try:
        for model in models:
            model.train()
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        for module, mode in modes:
            module.training = mode
        for model in models:
            for parameter in nn.Module.parameters(model):
                parameter.grad = None


def alone(model: nn.Module, inputs: Any, seed: int, times: int) -> tuple[Any, float]:
    """What a model returns, and the seconds of the fastest of so many steps. The parameters have
    its gradients.
    """
    seconds = []
    for _ in range(times):
        for each in nn.Module.parameters(model):
            each.grad = None
        started = time.perf_counter()
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            output = model(*inputs)
        norm(output).backward()
        seconds.append(time.perf_counter() - started)
    return output, min(seconds)


class Squares(LossOfCopies):
    """The sum of the squares of outputs, which keeps these."""

    def __init__(self) -> None:
        super().__init__([])
        self.output: Any = None

    def __call__(self, output: Any, target: Tensor) -> Tensor:
        """The sum over all copies."""
        self.output = mapped(lambda each: each.detach().clone(), output)
        return norm(output)


def norm(outputs: Any) -> Tensor:
    """The sum of the squares of outputs."""
    return torch.stack([part.square().sum() for part in tensors_in(outputs)]).sum()


def largest_of(tensor: Tensor | None) -> float:
    """The largest size of the numbers of a tensor, but for those that are not finite."""
    if tensor is None or not tensor.numel():
        return 0.0
    return float(tensor.detach().nan_to_num(0.0, 0.0, 0.0).abs().max())


def is_within(far: float, one: Tensor, other: Tensor) -> bool:
    """Whether no number is further from that of another tensor; false where some are no numbers."""
    return not one.numel() or float((one - other).detach().abs().max()) <= far


def all_near(given: Sequence[Any], wanted: Sequence[Any], noise: float = 0.0) -> bool:
    """Whether structures of tensors have the same numbers, but for what rounding does, and for
    differences below `noise`.
    """
    found: list[bool] = []

    def compare(pair: list[Any]) -> None:
        """Note whether two values are the same."""
        one, other = pair
        if not isinstance(one, Tensor) or not isinstance(other, Tensor):
            found.append(one is None and other is None)
            return
        far = max(noise, NEAR * largest_of(other))
        is_like = one.shape == other.shape and (
            is_within(far, one, other) or torch.allclose(one, other, NEAR, far, equal_nan=True)
        )
        found.append(is_like)

    for one, other in zip(given, wanted, strict=True):
        gathered(compare, [one, other])
    return all(found)
