"""Schedules as functions of an optimizer and the steps of a full training."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch.optim import lr_scheduler


def share_of_rate(step: int, shape: str, warm: int, steps: int) -> float:
    """The share of its rate that an optimizer has in a step, counted from 0.

    Arguments:
        step: the step.
        shape: `constant`, `linear` or `cosine`: how the rate falls to zero after the warm-up.
        warm: the steps in which it comes up in a straight line.
        steps: of a full training.
    """
    if step < warm:
        return (step + 1) / (warm + 1)
    done = min(1.0, (step - warm) / max(1, steps - warm))
    if shape == "linear":
        return 1 - done
    if shape == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1.0


def shaped(
    optimizer: torch.optim.Optimizer, steps: int, shape: str = "cosine", warmup: float = 0.05
) -> lr_scheduler.LRScheduler:
    """A scheduler of such a shape, whose warm-up is a share of the steps."""
    warm = round(warmup * steps)
    share = partial(share_of_rate, shape=shape, warm=warm, steps=steps)
    return lr_scheduler.LambdaLR(optimizer, share)


def one_cycle(
    optimizer: torch.optim.Optimizer, steps: int, warmup: float = 0.3
) -> lr_scheduler.LRScheduler:
    """Torch's one-cycle schedule up to the optimizer's own rates; a momentum moves against them."""
    if steps < 4:  # no room for a way up and a way down
        return shaped(optimizer, steps, "constant", 0.0)
    highest = [group["lr"] for group in optimizer.param_groups]
    # Torch's formula divides by zero where either way has no step.
    up = min(max(warmup, 1.5 / steps), 1 - 1.5 / steps)
    return lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=highest,
        total_steps=steps,
        pct_start=up,
        cycle_momentum=bool({"betas", "momentum"} & set(optimizer.defaults)),
    )
