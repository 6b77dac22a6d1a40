"""What a training costs by counting: the same on every machine and however busy it is."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from advisor.model.anatomy import Layer
from advisor.model.call import call
from advisor.model.handwritten import called
from advisor.nested import tensors_in
from advisor.randomness import isolated
from advisor.training.counted_seconds import (
    CONVOLUTIONS,
    seconds_of_operations,
    seconds_of_steps,
)
from advisor.training.loop import count_parameters
from advisor.training.run import EXAMPLE_ROWS
from advisor.work.prepare import Prepared

CALL_SECONDS = 1e-4
"""What a layer costs in a step, however small it is, with its share of the step itself."""
SPEEDS = {"conv": 5e9, "conv_transpose": 5e9}
"""Floating-point operations a second in layers of these kinds. Numbers of pairs rest on them: they
stay as they are, whatever a training takes today.
"""
SPEED = 3e10
"""Floating-point operations a second in all other layers."""


@dataclass
class LayerCosts:
    """What the layers of a model cost in a step, counted while a batch passes through them.

    Attributes:
        rows: of the batch.
        operations: by kind of layer, for a row, forward and backward.
        numbers: by kind of layer, that they read and give for a row.
        calls: of layers, by kind.
        parameters: numbers that a step moves.
    """

    rows: int
    operations: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    numbers: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    calls: Counter[str] = field(default_factory=Counter)
    parameters: int = 0

    def count(self, layer: Layer, _module: nn.Module, inputs: object, output: object) -> None:
        """Add one call of a layer; with the layer set, this is a forward hook of its module."""
        tensor = next(tensors_in(output), None)
        if tensor is None:
            return
        # Forward and backward take six operations for each weight at each place of the output.
        kind = layer.kind
        channels = tensor.shape[1 if kind in CONVOLUTIONS else -1]
        weights = sum(p.numel() for p in layer.module.parameters(recurse=False))
        read = next(tensors_in(inputs), tensor)
        self.operations[kind] += 6 * weights * tensor.numel() / channels / self.rows
        self.numbers[kind] += (read.numel() + tensor.numel()) / self.rows
        self.calls[kind] += 1

    def seconds_of(self, rows: int, steps: int) -> float:
        """Seconds on a laptop's core for so many rows in so many steps."""
        seconds = sum(
            seconds_of_operations(rows * each, kind, rows * self.numbers[kind])
            for kind, each in self.operations.items()
        )
        convolutions = sum(self.calls[kind] for kind in CONVOLUTIONS)
        return seconds + seconds_of_steps(steps, self.calls.total(), convolutions, self.parameters)


def estimate(prepared: Prepared, epochs: int) -> float:
    """Seconds of a training on a laptop's core, by counting operations.

    It is the same every time, and right to a factor of a few.
    """
    costs = costs_of(prepared)
    a_row = sum(each / SPEEDS.get(kind, SPEED) for kind, each in costs.operations.items())
    # Every row takes its operations once an epoch, and every step its calls.
    # A model without such layers is called, too.
    overhead = prepared.steps * max(1, costs.calls.total()) * CALL_SECONDS
    return epochs * (prepared.facts.sizes["train"] * a_row + overhead)


def seconds_with_artefacts(prepared: Prepared) -> float:
    """Seconds of a training on a laptop's core, on as many rows as an artefact may be made of:
    unlabeled ones count, too.

    It is counted as artefacts are, closer than `estimate`, on which numbers of pairs rest.
    """
    sizes = prepared.facts.sizes
    rows = sizes["train"] + sizes.get("unlabeled", 0)
    steps = math.ceil(rows / prepared.batch)
    return prepared.epochs * costs_of(prepared).seconds_of(rows, steps)


def costs_of(prepared: Prepared) -> LayerCosts:
    """What the layers of the model as it is cost."""
    seed = prepared.study.seed
    run = prepared.run(seed, seed)
    rows = min(EXAMPLE_ROWS, len(run.data.train))
    costs = LayerCosts(rows, parameters=count_parameters(run.model))
    # Embeddings and normalizations take hardly any time beside the other layers.
    handles = []
    for layer in run.anatomy.layers:
        if layer.callable and layer.kind not in ("embedding", "norm"):
            hook = partial(costs.count, layer)
            handles.append(layer.module.register_forward_hook(hook))
    # One batch passes through the model; no other random stream notices it.
    modules = [layer.module for layer in run.anatomy.layers]
    with torch.no_grad(), isolated(0), called(modules):
        call(run.model.eval(), run.example())
    for handle in handles:
        handle.remove()
    return costs
