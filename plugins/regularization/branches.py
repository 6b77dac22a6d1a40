"""Residual branches that are left out at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

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
        """There must be a branch that ends in a module which is called."""
        if not ends(run):
            return (
                "the model has no residual branch that ends in a layer which it calls: no layer's "
                "result is added to a value that went past it"
            )
        return None

    def apply(self, run: Run, rate: float = 0.1, **params: Any) -> str:
        """Put it behind the end of each branch."""
        modules = ends(run)
        shapes = [results_of(run, modules, rows) for rows in (FEWER, MORE)]
        for number, (name, module) in enumerate(modules.items(), 1):
            share = rate * number / len(modules)
            hook = DropBranch(share, dimension_of_rows(name, *shapes))
            module.register_forward_hook(hook)
        return f"branches left out, up to {rate:.3g} of the rows, after {', '.join(modules)}"


def ends(run: Run) -> dict[str, nn.Module]:
    """The modules whose results are those of residual branches, by the names of the layers that
    end these, in order of execution.
    """
    modules: dict[str, nn.Module] = {}
    for layer in run.anatomy.layers:
        module = end_of(layer) if layer.ends_branch else None
        # Layers side by side may end in one activation.
        if module is not None and not any(module is each for each in modules.values()):
            modules[layer.name] = module
    return modules


def end_of(layer: Layer) -> nn.Module | None:
    """The module after which a branch can be left out; None where none is called there."""
    site = layer.site
    if not layer.closes_branch and site is not None:
        # An activation that is a module of its own ends the branch itself.
        activation = getattr(site.target, "module", None)
        if activation is not None and site.calls == 1:
            return cast(nn.Module, activation)
        # Else what is zero or larger before it must be so behind it.
        if site.function is None or not keeps_factors(site.function):
            return None
    return layer.module if layer.callable and not layer.matrices else None


def keeps_factors(function: Callable[[Tensor], Tensor]) -> bool:
    """Whether f(c x) = c f(x) for c > 0, as of rectifiers."""
    x = torch.linspace(-4, 4, 33)
    try:
        with torch.no_grad():
            return torch.allclose(function(3 * x), 3 * function(x), atol=1e-6)
    except Exception:  # anybody's function, which may want another shape or device
        return False


@torch.no_grad()
def results_of(run: Run, modules: Mapping[str, nn.Module], rows: int) -> Mapping[str, torch.Size]:
    """The shapes of what modules give for so many rows, by name; none where the model refuses."""
    shapes: dict[str, torch.Size] = {}
    handles = []
    for each, module in modules.items():

        def note(_module: nn.Module, _inputs: Any, output: Any, name: str = each) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shapes[name] = first.shape

        handles.append(module.register_forward_hook(note))
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
