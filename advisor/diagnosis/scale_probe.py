"""In which size the numbers of the inputs reach the first layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.diagnosis.passes import WEIGHTED, answer, inputs_at, passing
from advisor.model import Layer, called
from advisor.nested import tensors_in
from advisor.randomness import mix
from advisor.training.run import Run

ROWS = 64
"""Rows whose numbers are looked at."""


@dataclass(frozen=True)
class RawInput:
    """An input that reaches a layer as it is.

    Attributes:
        layer: name of the layer.
        size: root of the mean square of its largest feature.
        smallest: that of its smallest feature that is not zero.
    """

    layer: str
    size: float
    smallest: float


def raw_inputs(run: Run) -> tuple[RawInput, ...]:
    """The layers that read an input as it is, where no normalization follows at once."""
    layers = run.anatomy.layers
    generator = torch.Generator().manual_seed(mix(run.seed, "scale"))
    index = torch.randperm(len(run.data.train), generator=generator)[:ROWS]
    inputs = inputs_at(run, index)
    largest = [float(leaf.abs().max()) for leaf in tensors_in(inputs) if leaf.numel()]

    found: list[RawInput] = []
    handles = []
    for layer, following in zip(layers, (*layers[1:], None), strict=True):
        is_normalized = following is not None and following.kind == "norm"
        if layer.kind in WEIGHTED and layer.callable and not is_normalized:
            hook = _hook(layer, largest, found)
            handles.append(layer.module.register_forward_pre_hook(hook))
    try:
        with torch.no_grad(), passing(run), called(layer.module for layer in layers):
            answer(run, inputs, len(index))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found)


def _hook(layer: Layer, largest: list[float], found: list[RawInput]) -> Callable[..., None]:
    def look(_module: nn.Module, inputs: Any) -> None:
        """Note the size of what the layer reads, where it is an input."""
        values = inputs[0] if inputs else None
        if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim < 2:
            return
        # An input as it is has the same largest number, however it is arranged.
        if float(values.abs().max()) in largest:
            axis = 1 if layer.kind.startswith("conv") else -1
            # What a hand-written layer sums up may be another axis than that of the features.
            if layer.matrices and values.shape[axis] != layer.matrices[0].size[1]:
                return
            features = values.detach().movedim(axis, -1).reshape(-1, values.shape[axis])
            sizes = features.double().square().mean(0).sqrt()
            nonzero = sizes[sizes > 0]
            if len(nonzero):
                found.append(RawInput(layer.name, float(nonzero.max()), float(nonzero.min())))

    return look
