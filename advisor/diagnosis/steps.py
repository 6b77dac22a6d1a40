"""The first steps of a training, on a copy of the model."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from advisor.diagnosis.finding import BOUNDS, Finding, found
from advisor.diagnosis.measure import batch, gradients_kept, without_dropout
from advisor.model import call
from advisor.model.preserve import untouched
from advisor.randomness import isolated, mix
from advisor.training.objective import to_device
from advisor.training.recipe import parameter_groups
from advisor.training.run import Run

BATCH = 64
RATE = 1e-3


@dataclass(frozen=True)
class Steps:
    """The first steps at learning rate `RATE`.

    Attributes:
        losses: of every step, on its own mini-batch.
        before, after: loss on the rows that the diagnosis looks at.
        ratios: by parameter, mean ratio of update to weight (norms).
    """

    losses: tuple[float, ...]
    before: float
    after: float
    ratios: dict[str, float]

    def findings(self) -> Iterator[Finding]:
        """Updates that are far too small or too large, and a loss that does not fall."""
        still = [name for name, ratio in self.ratios.items() if ratio < BOUNDS["no_update"].value]
        wild = [name for name, ratio in self.ratios.items() if ratio > BOUNDS["large_update"].value]
        if still:
            sentence = f"{len(still)} of {len(self.ratios)} weights did not move in {len(self.losses)} steps, {still[0]} first."
            yield found("no_update", still[0], self.ratios[still[0]], sentence)
        if wild:
            sentence = f"{wild[0]} moves {self.ratios[wild[0]]:.2g} times its own size in a step."
            yield found("large_update", wild[0], self.ratios[wild[0]], sentence)
        if not self.after < self.before:
            steps = f"in {len(self.losses)} steps at learning rate {RATE:g}"
            sentence = f"The loss does not fall {steps}: {self.before:.4g} before, {self.after:.4g} after, on the same rows."
            yield found("no_progress", "the loss", self.after - self.before, sentence)


def first_steps(run: Run, steps: int) -> Steps:
    """Train for `steps` mini-batches and put every tensor back."""
    model, before = run.model, copy.deepcopy(run.model.state_dict())
    matrices = {
        name: p for name, p in nn.Module.named_parameters(model) if p.requires_grad and p.ndim > 1
    }
    losses: list[float] = []
    sums = dict.fromkeys(matrices, 0.0)
    with (
        isolated(mix(run.seed, "steps")),
        untouched(model, list(nn.Module.modules(model))),
        gradients_kept(model),
    ):
        without_dropout(model)
        optimizer = run.optimizer(parameter_groups(run), RATE, 0.0)
        first = _loss(run)
        try:
            for index in _batches(run, steps):
                inputs, target = (
                    to_device(part, run.device) for part in run.data.train.take(index)
                )
                old = {name: p.detach().clone() for name, p in matrices.items()}
                loss = run.loss(call(model, inputs), target)
                optimizer.zero_grad(set_to_none=True)
                loss.mean().backward()
                optimizer.step()
                losses.append(float(loss.detach().mean()))
                for name, p in matrices.items():
                    sums[name] += (
                        float((p.detach() - old[name]).norm() / old[name].norm().clamp_min(1e-12))
                        / steps
                    )
            last = _loss(run)
        finally:
            model.load_state_dict(before)
    return Steps(
        tuple(losses),
        first,
        last,
        {name: total for name, total in sums.items() if matrices[name].detach().any()},
    )


def _batches(run: Run, steps: int) -> Iterator[torch.Tensor]:
    """Mini-batches of at least two rows, from one epoch to the next."""
    rows, generator = len(run.data.train), torch.Generator().manual_seed(mix(run.seed, "steps"))
    size, made = max(2, min(BATCH, rows)), 0
    while made < steps:
        for index in torch.randperm(rows, generator=generator).split(size):
            if made < steps and (len(index) > 1 or rows == 1):
                made += 1
                yield index


@torch.no_grad()
def _loss(run: Run) -> float:
    inputs, target = batch(run)
    return float(run.loss(call(run.model, inputs), target).mean())
