"""The restricted Boltzmann machine, by contrastive divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import advisor
from advisor import Learnt, Pretraining

from .energy import HIDDEN, VISIBLE, Hidden, Machine

# Hinton's guide: little momentum first, and smaller steps where the units have no upper bound.
EARLY = 5
"""Epochs with little momentum."""
EARLY_MOMENTUM, MOMENTUM = 0.5, 0.9
UNBOUNDED = 0.1
"""Share of the learning rate where units have no upper bound."""
CHAINS = 64
"""Gibbs chains that go on from step to step (pcd)."""
NEAR = {"Bernoulli": (torch.sigmoid, 0.1), "rectified": (torch.relu, 0.3)}
"""By kind of hidden unit, its mean, and how far the user's activation may be from it."""


class RBM(Pretraining):
    """Each linear layer is the upward half of a restricted Boltzmann machine that models the
    layer's input.

    E(v, h) = -a·v - b·h - h·Wv for Bernoulli units; |v - a|²/2 in place of -a·v for Gaussian ones.
    The gradient is ⟨h vᵀ⟩ of the data minus that after k steps of Gibbs sampling, from the data
    (cd) or from a chain of its own (pcd). Visible units are Bernoulli where inputs lie in [0, 1],
    else Gaussian on standardized inputs; hidden units are Bernoulli where a sigmoid follows and
    noisy rectified (NReLU) where a rectifier does. Hinton's guide: momentum 0.5 for five epochs,
    then 0.9; weight cost; visible bias from the data; means for reconstructions; a tenth of the
    rate for unbounded units. The gap of the mean free energy between held and training rows is
    reported: one that grows is overfitting.

    When it helps: deep stacks of sigmoid units, few labels with many unlabeled rows.

    Arguments: `steps` k; `chain` cd or pcd; `weight_cost`; `epochs`, `lr`, `freeze`.

    Reference: Hinton et al. 2006; Hinton 2010, "A practical guide to training restricted Boltzmann
    machines"; Tieleman 2008 for pcd; Nair & Hinton 2010 for NReLU.
    """

    name = "rbm"
    cite = "Hinton et al. 2006; Tieleman 2008; Nair & Hinton 2010"
    kinds = ("linear",)
    space = {
        **Pretraining.space,
        "lr": advisor.Float(1e-2, 0.5, default=0.1, log=True),
        "steps": advisor.Int(1, 5, default=1),
        "chain": advisor.Choice("cd", "pcd"),
        "weight_cost": advisor.Float(1e-5, 1e-2, default=2e-4, log=True),
    }

    def pass_seconds(self, run: advisor.Run, *, steps: int = 1, **params: Any) -> float:
        """A step of Gibbs sampling costs about as much as a layer and its decoder."""
        return steps * super().pass_seconds(run, **params)

    def refusal(self, segment: advisor.Segment) -> str | None:
        """Units that are neither sigmoid nor rectified have no machine here."""
        return None if units_of(segment) else "neither a sigmoid nor a rectifier follows it"

    def learn(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        generator: torch.Generator,
        *,
        epochs: int = 20,
        lr: float = 0.1,
        steps: int = 1,
        chain: str = "cd",
        weight_cost: float = 2e-4,
        **params: Any,
    ) -> Learnt:
        """Train the machine of the layer; the loss is the squared error of mean reconstructions of
        held rows.
        """
        # Contrastive divergence has its own gradient: nothing here is differentiated.
        with torch.no_grad():
            view = View.of(segment, inputs)
            (train,), (held,) = self.held_out([inputs])
            train, held = view.forth(train), view.forth(held)
            machine = machine_of(segment, view, train)
            has_bound = segment.bounds is not None and view.kind == "Bernoulli"
            rate = lr if has_bound else lr * UNBOUNDED

            # A layer without a trainable bias learns two values.
            values = [machine.weight, machine.visible_bias]
            if biased(segment):
                values.append(machine.hidden_bias)
            velocities = [torch.zeros_like(value) for value in values]
            fantasies = machine.chain(train[:CHAINS], 1, generator)

            def epoch(number: int) -> None:
                """One pass over the training rows."""
                nonlocal fantasies
                momentum = EARLY_MOMENTUM if number < EARLY else MOMENTUM
                for (rows,) in self.minibatches([train], generator):
                    start = fantasies if chain == "pcd" else rows
                    fantasies = machine.chain(start, steps, generator)
                    gradient = machine.gradient(rows, fantasies)
                    for velocity, slope in zip(velocities, gradient, strict=False):
                        velocity.mul_(momentum).add_(slope)
                    # Weights pay a cost, biases do not.
                    velocities[0].sub_(machine.weight, alpha=weight_cost)
                    for value, velocity in zip(values, velocities, strict=True):
                        value.add_(velocity, alpha=rate)

            def measure() -> float:
                """The squared error of mean reconstructions of held rows."""
                return float((machine.rebuilt(held) - held).square().mean())

            before, after = self.keep_best(values, epoch, measure, epochs)
            view.give(segment, machine)
            gap = float(machine.free_energy(held).mean() - machine.free_energy(train).mean())
        return Learnt(before, after, {"free-energy gap": gap})


def units_of(segment: advisor.Segment) -> Hidden | None:
    """The kind of hidden unit whose mean the layer's activation is, nearly."""
    units = len(segment.matrix)
    grid = torch.linspace(-4, 4, 81).to(segment.weight)[:, None].expand(-1, units)
    with torch.no_grad():
        values = segment.activation(grid)
        for kind, (mean, distance) in NEAR.items():
            if bool(((values - mean(grid)).abs() < distance).all()):
                return HIDDEN[kind]
    return None


def biased(segment: advisor.Segment) -> bool:
    """Whether the layer has a bias to learn."""
    return segment.bias is not None and segment.bias.requires_grad


def machine_of(segment: advisor.Segment, view: View, rows: Tensor) -> Machine:
    """The machine that starts as the layer is, on inputs seen through `view`."""
    hidden = units_of(segment)
    assert hidden is not None  # others are refused
    visible = VISIBLE[view.kind]
    matrix = segment.matrix.detach()
    bias = matrix.new_zeros(len(matrix)) if segment.bias is None else segment.bias.detach()
    # W x + b = (W · scale) view(x) + (b + W shift): the hidden units get the same input.
    hidden_bias = bias + matrix @ view.shift
    return Machine(matrix * view.scale, visible.bias(rows), hidden_bias, visible, hidden)


@dataclass(frozen=True)
class View:
    """How a machine sees a layer's inputs: as they are where they lie in [0, 1], else standardized.

    A unit that hardly varies is divided by a tenth of the mean deviation instead. Without a
    trainable bias nothing is shifted.
    """

    kind: str
    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, segment: advisor.Segment, inputs: Tensor) -> View:
        """The view of these inputs (rows, units)."""
        zeros = torch.zeros_like(inputs[0])
        if bool((inputs >= 0).all() and (inputs <= 1).all()):
            return cls("Bernoulli", zeros, zeros + 1)
        deviation = inputs.std(0, correction=0)
        least = max(1e-6, 0.1 * float(deviation.mean()))
        # What is shifted away must go into a bias that is trained.
        shift = inputs.mean(0) if biased(segment) else zeros
        return cls("Gaussian", shift, deviation.clamp_min(least))

    def forth(self, inputs: Tensor) -> Tensor:
        """Inputs as the machine sees them."""
        return (inputs - self.shift) / self.scale

    def give(self, segment: advisor.Segment, machine: Machine) -> None:
        """Give the layer what the machine learnt, so that its units get the same inputs."""
        matrix = machine.weight / self.scale
        segment.matrix.copy_(matrix)
        if segment.bias is not None and biased(segment):
            segment.bias.copy_(machine.hidden_bias - matrix @ self.shift)
