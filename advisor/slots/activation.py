"""The base of activation techniques: swap every hidden activation of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.model import Site, select, swap
from advisor.modules import explain
from advisor.space import Space
from advisor.technique import Technique
from advisor.training.run import Run


class Activation(Technique):
    """An activation for every hidden site of a model; outputs and gates stay as they are, unless the task includes them.

    Arguments:
        name: the technique's name.
        factory: called with the parameters of `space` once per site; returns an elementwise function or `nn.Module`.
        cite: the paper.
        space: what of the activation may vary; the factory's own defaults are tried first where `space` gives none.
    """

    slot = "activation"

    def __init__(self, name: str, factory: Callable[..., Any], cite: str = "", space: Space | None = None) -> None:
        self.name, self.factory, self.cite, self.space = name, factory, cite, dict(space or {})

    def unfit(self, run: Run) -> str | None:
        """A model with no hidden activation has nothing to swap; one that has this activation already need not be asked."""
        if not run.anatomy.hidden and not run.task.include:
            return "the model has no hidden activation to swap"
        sites = _sites(run)
        if not sites:
            return "--exclude leaves no activation to swap"
        if not self.space and all(_same(site, self.factory) for site in sites):
            return "the model has it already"
        return None

    def apply(self, run: Run, **params: Any) -> str:
        """Swap the sites and say which."""
        report = swap(run.model, run.anatomy, lambda site: self._make(site, params), _sites(run), run.example())
        run.swaps.append(report)
        for site in report.swapped:
            made = self._made.get(site.id)
            if isinstance(made, nn.Module):
                run.undecayed += list(made.parameters())
        return report.summary()

    def _make(self, site: Site, params: dict[str, Any]) -> Any:
        try:
            made = self.factory(**params)
        except Exception as problem:
            hint = " It must return the activation: for a function f, write lambda: f." if isinstance(problem, TypeError) else ""
            raise InputError(f"activation {self.name!r}: its factory raised {explain(problem)} for {params}.{hint}") from problem
        if not callable(made):
            raise InputError(
                f"activation {self.name!r}: its factory must return a function or nn.Module, got {type(made).__name__}."
            )
        self._made[site.id] = made
        return made

    @property
    def _made(self) -> dict[str, Any]:
        found: dict[str, Any] = self.__dict__.setdefault("_made_by_site", {})
        return found


def _sites(run: Run) -> tuple[Site, ...]:
    """The hidden sites, and what the task includes and excludes by pattern."""
    return select(run.anatomy, run.task.include, run.task.exclude)


def _same(site: Site, factory: Callable[..., Any]) -> bool:
    return isinstance(factory, type) and site.kind.replace("_", "") == factory.__name__.lower()
