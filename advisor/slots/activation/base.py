"""The base of activation techniques: swap every hidden activation of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import nn

from advisor.errors import InputError, explain
from advisor.model import Site, select, swap
from advisor.model.anatomy import HIDDEN, ModuleTarget
from advisor.model.call import rows_of
from advisor.model.preserve import random_states_kept
from advisor.model.references import Path, paths
from advisor.slots.activation.channels import Channels, channels_at
from advisor.slots.activation.functional_dropout import called_dropouts
from advisor.slots.gain import examine
from advisor.space import Choice, Space
from advisor.technique import Technique
from advisor.training.run import EXAMPLE_ROWS, Run

_GRID = torch.linspace(-10.0, 10.0, 2001)
"""Where two activations are compared; beyond it nearly all are straight lines."""
_ALIKE = 1e-3
"""Activations that differ by less than this everywhere on the grid count as one: GELU and its
approximation do.
"""
_ONE = Channels(1, True)
"""Stands for the channels of a site where the number does not matter, or is not known."""


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
        by_depth: the factory is called with `depth` as well: how many of the activations that are
            replaced run in one forward pass.

    Example:
        >>> import advisor, torch
        >>> sine = advisor.Activation("sine", lambda: torch.sin, cite="Sitzmann et al. 2020")
        >>> class Snake(torch.nn.Module):
        ...     def __init__(self, frequency=1.0):
        ...         super().__init__()
        ...         self.frequency = frequency
        ...     def forward(self, x):
        ...         return x + torch.sin(self.frequency * x) ** 2 / self.frequency
        >>> space = {"frequency": advisor.Float(0.5, 5.0, default=1.0)}
        >>> snake = advisor.Activation("snake", Snake, cite="Ziyin et al. 2020", space=space)
    """

    slot = "activation"
    mends = ("collapsed", "vanishing", "exploding", "dead_units", "saturated_units")
    cost = "what its formula takes in every pass"
    by_depth = False

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
        by_depth: bool = False,
    ) -> None:
        self.name = name
        self.factory = factory
        self.cite = cite
        self.space = dict(space or {})
        self.standard = standard
        self.per_channel = per_channel
        # Only where it is so: what a technique holds is part of what its trials are known by.
        if by_depth:
            self.by_depth = True
        self._unfit = unfit
        if about:
            self.__doc__ = docstring_of(about, self.space, cite)

    def unfit(self, run: Run) -> str | None:
        """Nothing to swap, nothing new, not elementwise, or channels that are not known."""
        if not run.anatomy.hidden and not run.task.include:
            return "the model has no hidden activation to swap"
        sites = _sites(run)
        if not sites:
            return "--exclude leaves no activation to swap"
        # Factories may draw random numbers, and judging must not change what a run draws later.
        with random_states_kept():
            try:
                return self._why_not(run, sites)
            except InputError as problem:  # a factory that fails, or sites that cannot be watched
                return str(problem)

    def _why_not(self, run: Run, sites: tuple[Site, ...]) -> str | None:
        settings = [self.defaults(), *corners(self.space)]
        depth = _depth(sites)
        activations = [self._make(params, _ONE, depth) for params in settings]
        if all(runs_already(site, each) for site in sites for each in activations):
            return "the model has it already"
        moments = examine(activations[0])
        if isinstance(moments, str):
            return moments
        for name, channels in self._channels(run, sites).items():
            if isinstance(channels, str):
                return f"the number of channels at {name} is not known: {channels}"
        return self._unfit(run) if self._unfit else None

    def apply(self, run: Run, **params: Any) -> str:
        """Swap the sites and say which."""
        sites = _sites(run)
        channels, depth = self._channels(run, sites), _depth(sites)

        def new_activation(site: Site) -> Any:
            """The activation for a site, with its number of channels where that is known."""
            count = channels.get(site.id)
            return self._make(params, count if isinstance(count, Channels) else _ONE, depth)

        inputs = run.example()
        report = swap(run.model, run.anatomy, new_activation, sites, inputs)
        run.swaps.append(report)
        # A technique that does more than this says for itself what the model is then.
        if type(self).apply is Activation.apply and is_traced_alike(run, inputs):
            run.leave_as(self, report.anatomy)
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
        replaced = [path for path in paths(run.model).values() if type(path.module) in classes]
        old = {path.name: path.module for path in replaced}
        sites = [_as_site(path) for path in replaced]
        later = swap(
            run.model,
            replace(run.anatomy, sites=()),
            lambda site: classes[type(old[site.id])](old[site.id]),
            sites,
        )
        for name, new in later.activations.items():
            new.train(old[name].training)  # type: ignore[attr-defined]  # a module, as all of `classes`
        run.swaps[-1].join(later)
        return list(old)

    def called_dropouts(self, run: Run) -> list[str]:
        """Dropouts that the model's own code calls as functions: no module can be replaced."""
        return called_dropouts(run)

    def _channels(self, run: Run, sites: tuple[Site, ...]) -> dict[str, Channels | str]:
        return channels_at(run, sites) if self.per_channel else {}

    def _make(self, params: Mapping[str, Any], channels: Channels, depth: int) -> Any:
        """One activation from the factory; an InputError says what its author must change."""
        who = f"activation {self.name!r}"
        own: dict[str, Any] = {"channels": channels} if self.per_channel else {}
        own |= {"depth": depth} if self.by_depth else {}
        try:
            activation = self.factory(**params, **own)
        except Exception as problem:
            said = f"{who}: its factory raised {explain(problem)} for {params}."
            # A plain function given as a factory is called without its input.
            if isinstance(problem, TypeError):
                said += " It must return the activation: for a function f, write lambda: f."
            raise InputError(said) from problem
        if not callable(activation):
            kind = type(activation).__name__
            raise InputError(f"{who}: its factory must return a function or nn.Module, got {kind}.")
        return activation


def is_traced_alike(run: Run, inputs: tuple[Any, ...]) -> bool:
    """Whether a trace that knows nothing of a run but inputs is that of the run."""
    return run.task.output is None and rows_of(inputs) == min(EXAMPLE_ROWS, len(run.data.train))


def _sites(run: Run) -> tuple[Site, ...]:
    """The hidden sites, and what the task includes and excludes by pattern."""
    return select(run.anatomy, run.task.include, run.task.exclude)


def _depth(sites: tuple[Site, ...]) -> int:
    """How many activations of these sites run in one forward pass."""
    return sum(site.calls for site in sites)


def _as_site(path: Path) -> Site:
    """A module of any kind as a site that `swap` can change."""
    kind = type(path.module).__name__.lower()
    target = ModuleTarget(path.module, path.registered)
    return Site(path.name, kind, HIDDEN, "Another module takes its place.", 1, path.name, target)


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of what a space holds at its ends."""
    ends: list[tuple[Any, ...]] = []
    for parameter in space.values():
        if isinstance(parameter, Choice):
            ends.append(parameter.options)
        else:
            ends.append((parameter.low, parameter.high))
    for values in product(*ends):
        yield dict(zip(space, values, strict=True))


def runs_already(site: Site, activation: Any) -> bool:
    """Whether a site runs an activation already; with parameters that are trained, of the same
    class.
    """
    present = getattr(site.target, "module", None)
    # What is trained has no fixed values to compare.
    trained = (_trained_numbers(present), _trained_numbers(activation))
    if any(trained):
        return type(present) is type(activation) and trained[0] == trained[1]
    same_text = repr(present) == repr(activation)
    if same_text or site.function is None:
        return same_text
    try:
        with torch.no_grad():
            old = site.function(_GRID)
            new = activation(_GRID.clone())
            return float((old.to(new) - new).abs().max()) < _ALIKE
    except Exception:  # whatever an unknown function raises on a plain vector: it is not the same
        return False


def _trained_numbers(activation: Any) -> int:
    """How many trained numbers an activation has; none where it is a plain function."""
    if not isinstance(activation, nn.Module):
        return 0
    return sum(parameter.numel() for parameter in nn.Module.parameters(activation))


def docstring_of(about: str, space: Space, cite: str) -> str:
    """The five parts of a technique's docstring, of which `about` holds the first three."""
    lines = ["Arguments:"]
    for name, parameter in space.items():
        if isinstance(parameter, Choice):
            values = " or ".join(map(str, parameter.options))
            lines.append(f"    {name}: {values}, first {parameter.first}.")
        else:
            values = f"{parameter.low:g} to {parameter.high:g}"
            lines.append(f"    {name}: {values}, first {parameter.first:g}.")
    if not space:
        lines.append("    none")
    return "\n\n".join((about, "\n".join(lines), f"Reference: {cite or 'none'}."))
