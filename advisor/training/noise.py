"""Scores under a small perturbation of the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from advisor.errors import InputError
from advisor.nested import mapped, tensors_in
from advisor.randomness import mix
from advisor.training.objective import Objective


def noisy(objective: Objective, noise: float | None, inputs: tuple[Any, ...]) -> Objective:
    """The objective with inputs perturbed when they are scored; as it is without `noise`.

    Raises `InputError` when no tensor in `inputs` holds real numbers.
    """
    if not noise:
        return objective
    if not any(part.is_floating_point() for part in tensors_in(inputs)):
        raise InputError(
            f"Study(noise={noise:g}): noise is added to numbers, "
            "and the inputs are ids or classes; leave it out."
        )
    name = f"{objective.metric.name} at noise {noise:g}"
    return replace(objective, noise=noise, metric=replace(objective.metric, name=name))


def perturbed(value: Any, noise: float, batch: int) -> Any:
    """A batch of inputs with Gaussian noise added to each real number; the same for every arm.

    The noise has `noise` times the deviation that this number has over the rows of the batch.
    `batch` is the batch's number, on which the draw depends. Ids, and batches of one row, stay as
    they are.
    """

    def with_noise(element: Any) -> Any:
        """A tensor of real numbers with noise, and anything else as it is."""
        if not isinstance(element, Tensor) or not element.is_floating_point() or len(element) < 2:
            return element
        generator = torch.Generator().manual_seed(mix("noise", batch))
        # Drawn on the CPU, so that every device gets the same numbers.
        drawn = torch.randn(element.shape, generator=generator).to(element)
        return element + noise * element.std(0, keepdim=True) * drawn

    return mapped(with_noise, value)
