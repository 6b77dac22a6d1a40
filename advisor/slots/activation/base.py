"""The base of activation techniques: swap every hidden activation of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError, explain
from advisor.model import Site, select, swap
from advisor.model.anatomy import HIDDEN, ModuleTarget
from advisor.model.preserve import random_states_kept
from advisor.model.references import Path, paths
from advisor.slots.activation.channels import Channels, channels
from advisor.slots.activation.functional_dropout import called_dropouts
from advisor.slots.gain import examine
from advisor.space import Choice, Parameter, Space
from advisor.technique import Technique
from advisor.training.run import Run

_GRID = torch.linspace(-10.0, 10.0, 2001)
_ALIKE = 1e-3
"""Two activations that differ by less, anywhere between -10 and 10, are one: GELU and its
approximation are.
"""


class Activation(Technique):
    """An activation for every hidden site of a model; outputs and gates stay as they are, unless
    the task includes them.

    Parameters that it brings are trained, each site's own, without weight decay.

    Arguments:
        name: the technique's name.
        factory: called with the parameters of `space` once per site; returns an elementwise
            function or `nn.Module`.
        cite: the paper.
        space: what of the activation may vary; the factory's own defaults are tried first where
            `space` gives none.
        about: what it is, its formula and when it helps; arguments and reference are added to make
            its docstring.
        standard: whether a search tries it that does not name it.
        unfit: a further reason why it cannot be tried on a run: `(run) -> sentence or None`.
        per_channel: the factory is called with `channels` as well, which has a `count`, and `last`:
            whether they are the last dimension of what reaches the site, and not the second.
    """

    slot = "activation"
    mends = ("collapsed", "vanishing", "exploding", "dead_units", "saturated_units")

    def __init__(
        self,
        name: str,
        factory: Callable[..., Any],
        cite: str = "",
        space: Space | None = None,
        *,
        about: str = "",
        standard: bool = True,
        unfit: Callable[[Run], str | None] | None = None,
        per_channel: bool = False,
    ) -> None:
        self.name, self.factory, self.cite, self.space = name, factory, cite, dict(space or {})
        self.standard, self.per_channel, self._refuse = standard, per_channel, unfit
        if about:
            self.__doc__ = _documented(about, self.space, cite)

    def unfit(self, run: Run) -> str | None:
        """Nothing to swap, nothing new, no elementwise activation, or channels that are not known."""
        if not run.anatomy.hidden and not run.task.include:
            return "the model has no hidden activation to swap"
        sites = _sites(run)
        if not sites:
            return "--exclude leaves no activation to swap"
        with random_states_kept():
            return self._judged(run, sites)

    def _judged(self, run: Run, sites: tuple[Site, ...]) -> str | None:
        try:
            made = [self._make(params, _ONE) for params in (self.defaults(), *_corners(self.space))]
            if all(_same(site, each) for site in sites for each in made):
                return "the model has it already"
            found = examine(made[0])
            return found if isinstance(found, str) else self._misses(run, sites)
        except InputError as problem:  # a factory that fails, or sites that cannot be watched
            return str(problem)

    def _misses(self, run: Run, sites: tuple[Site, ...]) -> str | None:
        for name, found in self._channels(run, sites).items():
            if isinstance(found, str):
                return f"the number of channels at {name} is not known: {found}"
        return self._refuse(run) if self._refuse else None

    def apply(self, run: Run, **params: Any) -> str:
        """Swap the sites and say which."""
        sites = _sites(run)
        known = {
            name: found
            for name, found in self._channels(run, sites).items()
            if isinstance(found, Channels)
        }
        report = swap(
            run.model,
            run.anatomy,
            lambda site: self._make(params, known.get(site.id, _ONE)),
            sites,
            run.example(),
        )
        run.swaps.append(report)
        for made in report.activations.values():
            run.undecayed += nn.Module.parameters(made) if isinstance(made, nn.Module) else ()
        return report.summary()

    def replace(
        self, run: Run, classes: Mapping[type[nn.Module], Callable[[Any], nn.Module]]
    ) -> list[str]:
        """Put another module in the place of every one whose class is in `classes`; returns their
        names.

        It becomes a part of the last swap, so that a diff and a recipe have it too.
        """
        old = {
            path.name: path for path in paths(run.model).values() if type(path.module) in classes
        }
        sites = [_place(path) for path in old.values()]
        later = swap(
            run.model,
            replace(run.anatomy, sites=()),
            lambda site: _successor(old[site.id], classes),
            sites,
        )
        for name, new in later.activations.items():
            new.train(old[name].module.training)  # type: ignore[attr-defined]  # a module, as all of `classes`
        run.swaps[-1].join(later)
        return list(old)

    def called_dropouts(self, run: Run) -> list[str]:
        """Dropouts that the model's own code calls as functions, where no module can be replaced."""
        return called_dropouts(run)

    def _channels(self, run: Run, sites: tuple[Site, ...]) -> dict[str, Channels | str]:
        return channels(run, sites) if self.per_channel else {}

    def _make(self, params: Mapping[str, Any], site: Channels) -> Any:
        own = {"channels": site} if self.per_channel else {}
        try:
            made = self.factory(**params, **own)
        except Exception as problem:
            hint = (
                " It must return the activation: for a function f, write lambda: f."
                if isinstance(problem, TypeError)
                else ""
            )
            raise InputError(
                f"activation {self.name!r}: its factory raised {explain(problem)} for {params}.{hint}"
            ) from problem
        if not callable(made):
            raise InputError(
                f"activation {self.name!r}: its factory must return a function or nn.Module, got {type(made).__name__}."
            )
        return made


_ONE = Channels(1, True)


def _sites(run: Run) -> tuple[Site, ...]:
    """The hidden sites, and what the task includes and excludes by pattern."""
    return select(run.anatomy, run.task.include, run.task.exclude)


def _place(path: Path) -> Site:
    """A module of any kind as a site to be swapped."""
    kind, target = type(path.module).__name__.lower(), ModuleTarget(path.module, path.registered)
    return Site(path.name, kind, HIDDEN, "Another module takes its place.", 1, path.name, target)


def _successor(
    path: Path, classes: Mapping[type[nn.Module], Callable[[Any], nn.Module]]
) -> nn.Module:
    return classes[type(path.module)](path.module)


def _corners(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of what a space holds at its ends."""
    ends = [
        each.options if isinstance(each, Choice) else (each.low, each.high)
        for each in space.values()
    ]
    return (dict(zip(space, values, strict=True)) for values in product(*ends))


def _same(site: Site, made: Any) -> bool:
    """Whether a site runs an activation already; with parameters that are trained, of the same
    class.
    """
    there = getattr(site.target, "module", None)
    if _trained(there) or _trained(made):
        return type(there) is type(made) and _trained(there) == _trained(made)
    if repr(there) == repr(made):
        return True
    try:
        with torch.no_grad():
            return (
                site.function is not None
                and _differ_by(site.function(_GRID), made(_GRID.clone())) < _ALIKE
            )
    except Exception:  # whatever an unknown function raises on a plain vector: it is not the same
        return False


def _trained(activation: Any) -> int:
    return (
        sum(p.numel() for p in nn.Module.parameters(activation))
        if isinstance(activation, nn.Module)
        else 0
    )


def _differ_by(one: Tensor, two: Tensor) -> float:
    return float((one.to(two) - two).abs().max())


def _documented(about: str, space: Space, cite: str) -> str:
    arguments = [f"    {name}: {_range(parameter)}." for name, parameter in space.items()]
    return "\n\n".join(
        (
            about,
            "\n".join(["Arguments:", *(arguments or ["    none"])]),
            f"Reference: {cite or 'none'}.",
        )
    )


def _range(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return f"{' or '.join(map(str, parameter.options))}, first {parameter.first}"
    return f"{parameter.low:g} to {parameter.high:g}, first {parameter.first:g}"
