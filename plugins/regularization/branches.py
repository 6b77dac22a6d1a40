"""Residual branches that are left out at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Float, Layer, Run, Technique

FEWER, MORE = 3, 5
"""Rows of two passes, by which the dimension of the rows is found."""


class DropBranch:
    """A hook after the layer that ends a residual branch, which in training makes its result zero
    for a share of the rows and larger for the others.

    Arguments:
        rate: the share.
        rows: the dimension in which rows lie.
    """

    def __init__(self, rate: float, rows: int) -> None:
        self.rate, self.rows = rate, rows

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """The result of the layer."""
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (self._dropped(output[0]), *output[1:])
        return self._dropped(output)

    def _dropped(self, result: Tensor) -> Tensor:
        shape = [1] * result.ndim
        shape[self.rows] = result.shape[self.rows]
        kept = torch.empty(shape, dtype=result.dtype, device=result.device)
        return result * kept.bernoulli_(1 - self.rate).div_(1 - self.rate)


class StochasticDepth(Technique):
    """Residual branches that are left out at random, deeper ones more often.

    x + b f(x) / (1 - pₗ) in training with b ~ Bernoulli(1 - pₗ) for each row, and x + f(x) in use;
    pₗ = p l / L for branch l of L. Helps deep residual nets and transformers with few rows.

    Arguments:
        rate: how often the last branch is left out, p.

    Reference: Huang et al. 2016, "Deep networks with stochastic depth".
    """

    name = "stochastic_depth"
    slot = "regularization"
    cite = "Huang et al. 2016"
    space = {"rate": Float(0.02, 0.5, default=0.1, log=True)}

    def unfit(self, run: Run) -> str | None:
        """There must be a branch whose last layer is called."""
        if not ends(run):
            return (
                "the model has no residual branch that ends in a layer which it calls: no layer's "
                "result is added to a value that went past it"
            )
        return None

    def apply(self, run: Run, rate: float = 0.1, **params: Any) -> str:
        """Put it behind the end of each branch."""
        layers = ends(run)
        shapes = [results_of(run, layers, rows) for rows in (FEWER, MORE)]
        for number, layer in enumerate(layers, 1):
            share = rate * number / len(layers)
            hook = DropBranch(share, dimension_of_rows(layer.name, *shapes))
            layer.module.register_forward_hook(hook)
        names = ", ".join(layer.name for layer in layers)
        return f"branches left out, up to {rate:.3g} of the rows, after {names}"


def ends(run: Run) -> list[Layer]:
    """The layers that end residual branches and are called as modules, in order of execution."""
    return [
        layer
        for layer in run.anatomy.layers
        if layer.closes_branch and layer.callable and not layer.matrices
    ]


@torch.no_grad()
def results_of(run: Run, layers: list[Layer], rows: int) -> Mapping[str, torch.Size]:
    """The shapes of what layers give for so many rows, by name; none where the model refuses."""
    shapes: dict[str, torch.Size] = {}
    handles = []
    for layer in layers:

        def note(_module: nn.Module, _inputs: Any, output: Any, name: str = layer.name) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shapes[name] = first.shape

        handles.append(layer.module.register_forward_hook(note))
    modes = [(module, module.training) for module in nn.Module.modules(run.model)]
    try:
        run.model.eval()
        run.call(run.example(rows))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return shapes


def dimension_of_rows(
    name: str, fewer: Mapping[str, torch.Size], more: Mapping[str, torch.Size]
) -> int:
    """The dimension of a layer's result that grows with the rows; the first where none does."""
    pairs = zip(fewer.get(name, ()), more.get(name, ()), strict=False)
    return next((place for place, (one, two) in enumerate(pairs) if one != two), 0)
