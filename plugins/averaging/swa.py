"""The plain mean of the weights of the last part of a training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from advisor import Float, Run, Technique

from .mean import AFTER_SCHEDULE, HOOKS, Mean, score_with

ROWS = 4096
"""Training rows from which the statistics of batch norms are taken anew, at most."""
BATCH = 256
"""Of them, so many at a time."""


class SWA(Technique):
    """The mean of the weights over the last part of a training.

    w̄ = (w_s + … + w_t) / (t - s + 1) over the steps from s = start · steps on; the running
    statistics of batch norms are taken anew from training rows whenever the model is scored. Helps
    where the rate stays large to the end: the mean lies in the middle of a flat valley.

    Arguments:
        start: the share of a full training's steps that comes before the mean.

    Reference: Izmailov et al. 2018, "Averaging weights leads to wider optima and better
    generalization".
    """

    name = "swa"
    slot = "averaging"
    cite = "Izmailov et al. 2018"
    space = {"start": Float(0.3, 0.95, default=0.7)}
    fights = {"schedule": AFTER_SCHEDULE}

    def unfit(self, run: Run) -> str | None:
        """The training must tell its steps, and score what this gives it."""
        return run.lacks(*HOOKS)

    def apply(self, run: Run, start: float = 0.7, **params: Any) -> str:
        """Follow the weights from a step on, and have their mean scored."""
        mean = Mean()
        first = first_step(start, run.steps)

        def follow(step: int, *_: object) -> None:
            """Take the weights of a step into the mean."""
            if step >= first:
                mean.take(run.model, 1 / (mean.count + 1))

        run.keep["mean of weights"] = mean
        run.each_step.append(follow)
        score_with(run, mean, lambda model: take_statistics(run))
        return f"scored with the mean of the weights from step {first} of {run.steps} on"

    def by_hand(self, lr: float, weight_decay: float, /, start: float = 0.7, **params: Any) -> str:
        """Torch's own."""
        return (
            f"score torch.optim.swa_utils.AveragedModel(model), updated after each step from "
            f"{start:.0%} of all steps on, after torch.optim.swa_utils.update_bn"
        )


def first_step(start: float, steps: int) -> int:
    """The first step, counted from 1, of the mean."""
    return min(max(1, round(start * steps)), max(1, steps))


@torch.no_grad()
def take_statistics(run: Run) -> None:
    """Take the running statistics of the batch norms of a run's model anew, from training rows.

    They are the mean over mini-batches, as of torch's `update_bn`; dropout is off meanwhile.
    """
    model = run.model
    kind = nn.modules.batchnorm._BatchNorm
    norms = [
        each
        for each in nn.Module.modules(model)
        if isinstance(each, kind) and each.running_mean is not None
    ]
    if not norms:
        return
    modes = [(each, each.training) for each in nn.Module.modules(model)]
    momenta = [each.momentum for each in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    try:
        # The rows are the same whenever the model is scored, and in no order of their classes.
        generator = torch.Generator().manual_seed(run.seed)
        with torch.random.fork_rng():
            for _ in range(0, min(ROWS, len(run.data.train)), BATCH):
                run.call(run.data.sample(BATCH, generator))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode
