"""A learning rate that comes down in waves."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch.optim import lr_scheduler

from advisor import Int, Run, Technique


def share_in_cycles(step: int, cycles: int, steps: int) -> float:
    """½ (1 - cos 2π log₂(1 + (2ᵏ - 1) t)) at t = step / steps, for k cycles."""
    done = min(1.0, (step + 0.5) / max(1, steps))
    return (1 - math.cos(2 * math.pi * math.log2(1 + (2**cycles - 1) * done))) / 2


def in_cycles(
    optimizer: torch.optim.Optimizer, steps: int, cycles: int = 4
) -> lr_scheduler.LRScheduler:
    """The scheduler of these waves, each twice as long as the one before it."""
    return lr_scheduler.LambdaLR(optimizer, partial(share_in_cycles, cycles=cycles, steps=steps))


class CosineCycles(Technique):
    """The rate comes from zero and goes back to it in waves, each twice as long as the last.

    ηₜ = ½ η (1 - cos 2π log₂(1 + (2ᵏ - 1) t)) at the share t of the training, for k waves. Helps
    short trainings on tables: it is nearly as good in the middle of a training as at its end, and
    less bound to one length than a single wave.

    Arguments:
        cycles: the number k of waves.

    Reference: Holzmüller et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees
    on tabular data" (coslog4).
    """

    name = "cosine_cycles"
    slot = "schedule"
    cite = "Holzmüller et al. 2024"
    space = {"cycles": Int(1, 6, default=4)}

    def unfit(self, run: Run) -> str | None:
        """A loop of the user's own has a schedule of its own, or none."""
        return run.lacks("recipe", "steps")

    def apply(self, run: Run, cycles: int = 4, **params: Any) -> str:
        """Put the schedule into the recipe."""
        run.recipe = run.recipe.scheduled(partial(in_cycles, cycles=cycles))
        return f"learning rate: {cycles} waves, each twice as long as the one before"

    def by_hand(self, lr: float, weight_decay: float, /, cycles: int = 4, **params: Any) -> str:
        """The shape, in words."""
        shape = f"½ (1 - cos 2π log₂(1 + {2**cycles - 1} t)) of itself at the share t"
        return f"learning rate {shape}, by torch.optim.lr_scheduler, and no other schedule"
