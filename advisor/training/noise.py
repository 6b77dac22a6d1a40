"""Scores under a small perturbation of the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from advisor.errors import InputError
from advisor.nested import tensors_in
from advisor.randomness import mix
from advisor.training.objective import Objective


def noisy(objective: Objective, noise: float | None, inputs: tuple[Any, ...]) -> Objective:
    """The objective with inputs perturbed when they are scored. Raises `InputError` where no input
    is a real number.
    """
    if not noise:
        return objective
    if not any(part.is_floating_point() for part in tensors_in(inputs)):
        raise InputError(
            f"Study(noise={noise:g}): noise is added to numbers, and the inputs are ids or classes; leave it out."
        )
    name = f"{objective.metric.name} at noise {noise:g}"
    return replace(objective, noise=noise, metric=replace(objective.metric, name=name))


def perturbed(value: Any, noise: float, batch: int) -> Any:
    """A batch of inputs with Gaussian noise of `noise` deviations of each number over the batch;
    the same for every arm.
    """
    if isinstance(value, Tensor):
        return (
            _perturbed(value, noise, batch)
            if value.is_floating_point() and len(value) > 1
            else value
        )
    if isinstance(value, dict):
        return {key: perturbed(part, noise, batch) for key, part in value.items()}
    return (
        type(value)(perturbed(part, noise, batch) for part in value)
        if type(value) in (tuple, list)
        else value
    )


def _perturbed(value: Tensor, noise: float, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(mix("noise", batch))
    drawn = torch.randn(value.shape, generator=generator).to(value)
    return value + noise * value.std(0, keepdim=True) * drawn
