"""What a training costs by counting: the same on every machine and however busy it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from advisor.model.anatomy import Layer
from advisor.model.call import call
from advisor.model.handwritten import called
from advisor.nested import tensors_in
from advisor.randomness import isolated
from advisor.training.counted_seconds import SPEEDS, seconds_of_operations, seconds_of_steps
from advisor.training.run import EXAMPLE_ROWS
from advisor.work.prepare import Prepared

CALL_SECONDS = 1e-4
"""What a layer costs in a step, however small it is, with its share of the step itself."""


@dataclass
class LayerCosts:
    """What the layers of a model cost in a step, counted while a batch passes through them.

    Attributes:
        rows: of the batch.
        seconds_a_row: time on a laptop's core for the operations, forward and backward.
        calls: of layers.
    """

    rows: int
    seconds_a_row: float = 0.0
    calls: int = 0

    def count(self, layer: Layer, _module: nn.Module, _inputs: object, output: object) -> None:
        """Add one call of a layer; with the layer set, this is a forward hook of its module."""
        tensor = next(tensors_in(output), None)
        if tensor is None:
            return
        # Forward and backward take six operations for each weight at each place of the output.
        channels = tensor.shape[1 if layer.kind in SPEEDS else -1]
        weights = sum(p.numel() for p in layer.module.parameters(recurse=False))
        operations = 6 * weights * tensor.numel() / channels / self.rows
        self.seconds_a_row += seconds_of_operations(operations, layer.kind)
        self.calls += 1


def estimate(prepared: Prepared, epochs: int) -> float:
    """Seconds of a training on a laptop's core, by counting operations.

    It is the same every time, and right to a factor of a few.
    """
    costs = costs_of(prepared)
    # Every row takes its operations once an epoch, and every step its calls.
    # A model without such layers is called, too.
    overhead = prepared.steps * max(1, costs.calls) * CALL_SECONDS
    return epochs * (prepared.facts.sizes["train"] * costs.seconds_a_row + overhead)


def seconds_with_artefacts(prepared: Prepared) -> float:
    """Seconds of a training on a laptop's core, on as many rows as an artefact may be made of:
    unlabeled ones count, too.

    It is counted as artefacts are, closer than `estimate`, on which numbers of pairs rest.
    """
    costs = costs_of(prepared)
    sizes = prepared.facts.sizes
    rows = sizes["train"] + sizes.get("unlabeled", 0)
    steps = math.ceil(rows / prepared.batch)
    return prepared.epochs * (rows * costs.seconds_a_row + seconds_of_steps(steps, costs.calls))


def costs_of(prepared: Prepared) -> LayerCosts:
    """What the layers of the model as it is cost."""
    seed = prepared.study.seed
    run = prepared.run(seed, seed)
    costs = LayerCosts(rows=min(EXAMPLE_ROWS, len(run.data.train)))
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
