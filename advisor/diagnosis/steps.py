"""The first steps of a training, on a copy of the model."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import batch, gradients_kept, without_dropout
from advisor.model import call
from advisor.model.preserve import untouched
from advisor.randomness import isolated, mix
from advisor.readable import counted
from advisor.training.groups import parameter_groups
from advisor.training.objective import to_device
from advisor.training.run import Run

BATCH = 64
"""Rows of a mini-batch."""
RATE = 1e-3
"""Learning rate of the steps."""


@dataclass(frozen=True)
class Steps:
    """The first steps at learning rate `RATE`.

    Attributes:
        losses: of every step, on its own mini-batch.
        before: loss before the steps, on the rows that the diagnosis measures.
        after: loss after the steps, on the same rows.
        ratios: by parameter, mean ratio of update to weight (norms).
    """

    losses: tuple[float, ...]
    before: float
    after: float
    ratios: dict[str, float]

    def findings(self) -> Iterator[Finding]:
        """Updates that are far too small or too large, and a loss that does not fall."""
        # Weights that hardly move: a frozen start, or a vanishing gradient.
        steps = counted(len(self.losses), "step")
        still = [name for name, ratio in self.ratios.items() if ratio < BOUNDS["no_update"].value]
        if still:
            weights = f"{len(still)} of {len(self.ratios)} weights"
            sentence = f"{weights} did not move in {steps}, {still[0]} first."
            yield finding_of("no_update", still[0], self.ratios[still[0]], sentence)

        # A weight that moves by many times its size began far too small.
        wild = [name for name, ratio in self.ratios.items() if ratio > BOUNDS["large_update"].value]
        if wild:
            sentence = f"{wild[0]} moves {self.ratios[wild[0]]:.2g} times its own size in a step."
            yield finding_of("large_update", wild[0], self.ratios[wild[0]], sentence)

        # A loss that is not a number does not fall either.
        if not self.after < self.before:
            sentence = (
                f"The loss does not fall in {steps} at learning rate {RATE:g}: "
                f"{self.before:.4g} before, {self.after:.4g} after, on the same rows."
            )
            yield finding_of("no_progress", "the loss", self.after - self.before, sentence)


def first_steps(run: Run, steps: int) -> Steps:
    """Train for `steps` mini-batches and put every tensor back."""
    model = run.model
    state_before = copy.deepcopy(model.state_dict())
    matrices = {}
    for name, parameter in nn.Module.named_parameters(model):
        if parameter.requires_grad and parameter.ndim > 1:
            matrices[name] = parameter

    # Every step moves each weight by a share of its size; the mean share is its ratio.
    losses: list[float] = []
    ratios = dict.fromkeys(matrices, 0.0)

    with (
        isolated(mix(run.seed, "steps")),
        untouched(model, list(nn.Module.modules(model))),
        gradients_kept(model),
    ):
        without_dropout(model)
        optimizer = run.optimizer(parameter_groups(run), RATE, 0.0)
        loss_before = _loss(run)
        try:
            for index in _mini_batches(run, steps):
                old = {name: weight.detach().clone() for name, weight in matrices.items()}
                losses.append(_step(run, optimizer, index))
                for name, weight in matrices.items():
                    update = (weight.detach() - old[name]).norm()
                    ratios[name] += float(update / old[name].norm().clamp_min(1e-12)) / steps
            loss_after = _loss(run)
        finally:
            model.load_state_dict(state_before)

    # A weight that is zero has no size to compare an update with.
    for name, weight in matrices.items():
        if not weight.detach().any():
            del ratios[name]
    return Steps(tuple(losses), loss_before, loss_after, ratios)


def _mini_batches(run: Run, steps: int) -> Iterator[Tensor]:
    """Row numbers of so many mini-batches of at least two rows, from one epoch to the next."""
    rows = len(run.data.train)
    generator = torch.Generator().manual_seed(mix(run.seed, "steps"))
    size = max(2, min(BATCH, rows))
    count = 0
    while count < steps:
        for index in torch.randperm(rows, generator=generator).split(size):
            if count < steps and (len(index) > 1 or rows == 1):
                count += 1
                yield index


def _step(run: Run, optimizer: torch.optim.Optimizer, index: Tensor) -> float:
    """One optimizer step on the rows `index`; returns their loss."""
    inputs, target = (to_device(part, run.device) for part in run.data.train.take(index))
    loss = run.loss(call(run.model, inputs), target)
    optimizer.zero_grad(set_to_none=True)
    loss.mean().backward()
    optimizer.step()
    return float(loss.detach().mean())


@torch.no_grad()
def _loss(run: Run) -> float:
    inputs, target = batch(run)
    return float(run.loss(call(run.model, inputs), target).mean())
