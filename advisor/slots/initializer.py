"""The base of initializer techniques: every layer that runs, block by block, with the gain of what follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model import Layer
from advisor.slots.gain import LINEAR, Moments, moments
from advisor.slots.weights import Fans, blocks, frozen, reset_biases, zero
from advisor.technique import Technique
from advisor.training.run import Run

KINDS = ("linear", "conv", "conv_transpose", "rnn", "attention")

__all__ = ["Fans", "Initializer"]


class Initializer(Technique):
    """A rule for the weights of every layer; write `fill`.

    The layers come in order of execution, with the gain of the activation that follows *this* layer and gain 1 before the
    output. LSTM and GRU gates, attention projections and groups are filled one block at a time. Biases become zero (one
    forget gate 1). Left as they are: embeddings and what is tied to them, norm layers, frozen layers, layers that the
    author set to zero, and raw parameters.
    """

    slot = "initializer"

    def unfit(self, run: Run) -> str | None:
        """A model none of whose layers has weights that a rule knows cannot be initialized."""
        return None if any(True for _ in self.layers(run)) else "no layer of the model has weights that this rule knows"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Fill `weight` (out, in, *kernel) in place."""
        raise TypeError(f"initializer {self.name!r} must define fill(weight, fans, generator)")

    def apply(self, run: Run, **params: Any) -> str:
        """Fill every block of every layer."""
        count = 0
        with torch.no_grad():
            for layer in self.layers(run):
                gain = self.gain(layer)
                for block in blocks(layer, gain):
                    self.fill(block.weight, block.fans, run.generator, **params)
                reset_biases(layer)
                count += 1
        return f"initialized {count} layers"

    def layers(self, run: Run) -> Iterator[Layer]:
        """The layers that an initializer may change, each module once, in order of execution."""
        seen: set[int] = set()
        tables = {id(table.module.weight) for table in run.anatomy.tables}
        for layer in run.anatomy.layers:
            shared = any(id(p) in tables for p in layer.module.parameters(recurse=False))
            if layer.kind in KINDS and id(layer.module) not in seen and not (shared or frozen(layer) or zero(layer)):
                seen.add(id(layer.module))
                if not parametrized(layer.module):
                    yield layer

    def gain(self, layer: Layer) -> float:
        """The gain of the activation that follows a layer; 1 before the output or before something unknown."""
        return self.moments(layer).gain

    def moments(self, layer: Layer) -> Moments:
        """Moments of the activation that follows a layer; those of the identity where none follows."""
        function = layer.site.function if layer.site is not None and not layer.is_output else None
        return (moments(function) if function is not None else None) or LINEAR

    @contextmanager
    def visiting(self, run: Run, visit: Callable[[Layer, Tensor], Tensor | None]) -> Iterator[Callable[[tuple[Any, ...]], None]]:
        """Inside, a function that runs the model on a batch and hands each layer's output to `visit` once, in order.

        What `visit` returns takes the output's place for the layers after it, so that one pass is enough for a rule that
        looks at data. Dropout is off and buffers are restored.
        """
        layers = {id(layer.module): layer for layer in self.layers(run) if layer.callable}
        handles = [layer.module.register_forward_hook(_once(layer, visit)) for layer in layers.values()]
        buffers = {name: buffer.clone() for name, buffer in run.model.named_buffers()}
        modes = {module: module.training for module in run.model.modules()}
        run.model.train()
        for module in run.model.modules():
            if type(module).__name__.lower().endswith("dropout") or isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        try:
            yield lambda inputs: run.model(*inputs)
        finally:
            for handle in handles:
                handle.remove()
            with torch.no_grad():
                for name, buffer in run.model.named_buffers():
                    buffer.copy_(buffers[name])
            for module, training in modes.items():
                module.training = training


def _once(layer: Layer, visit: Callable[[Layer, Tensor], Tensor | None]) -> Callable[..., Tensor | None]:
    seen: list[bool] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
        if seen or not isinstance(output, Tensor):
            return None
        seen.append(True)
        return visit(layer, output)

    return hook


def parametrized(module: nn.Module) -> bool:
    """Whether a layer's weight is computed from other parameters (weight or spectral normalization, pruning)."""
    return nn.utils.parametrize.is_parametrized(module) or any(
        hasattr(module, name) for name in ("weight_g", "weight_orig", "weight_v")
    )
