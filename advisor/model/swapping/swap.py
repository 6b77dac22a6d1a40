"""Give a model other activations, in place: modules are replaced, calls are rewritten, and the
result is traced again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from advisor.errors import InputError, listing
from advisor.model.anatomy import HIDDEN, Anatomy, Site, Target
from advisor.model.pointwise import Activation
from advisor.model.references import Holding, Path, holdings, paths
from advisor.model.swapping.replace import Order, Placed, Undo, put
from advisor.model.swapping.verify import verify
from advisor.model.writing.describe import starting_state

Factory = Callable[[Site], Activation]


@dataclass
class Was:
    """A model before a swap; `made` holds by site id what was put there, with the state it began
    with.
    """

    model: nn.Module
    holdings: tuple[Holding, ...]
    paths: dict[int, Path]
    keys: tuple[str, ...]
    made: dict[str, tuple[Activation, dict[str, Tensor]]] = field(default_factory=dict)


def _as_it_is(model: nn.Module) -> Was:
    return Was(model, tuple(holdings(model)), paths(model), tuple(state_keys(model)))


def state_keys(model: nn.Module) -> Iterator[str]:
    """The keys of the model's `state_dict`."""
    for path, module in nn.Module.named_modules(model, remove_duplicate=False):
        kept = {
            name: buffer
            for name, buffer in module._buffers.items()
            if name not in module._non_persistent_buffers_set
        }
        both = {**module._parameters, **kept}
        yield from (
            f"{path}.{name}".lstrip(".") for name, tensor in both.items() if tensor is not None
        )


@dataclass
class SwapReport:
    """What `swap` changed, what it could not, and the way back.

    Arguments:
        was: what the model was before, and what the swapped sites run now.
        swapped: sites that run the new activation now.
        refused: sites that were asked for and cannot be reached, each with a sentence that says
            why.
        left: sites that were not asked for.
    """

    was: Was = field(repr=False)
    swapped: list[Site] = field(default_factory=list)
    refused: list[tuple[Site, str]] = field(default_factory=list)
    left: list[Site] = field(default_factory=list)
    _undos: list[Undo] = field(default_factory=list, repr=False)

    @property
    def calls(self) -> int:
        """How often the new activations run in one forward pass."""
        return sum(site.calls for site in self.swapped)

    def undo(self) -> None:
        """Make the model what it was. Parameters keep their values."""
        while self._undos:
            self._undos.pop()()

    def join(self, other: SwapReport) -> None:
        """Take in what a later swap of the same model changed, so that both are one change."""
        self.swapped += other.swapped
        self.refused += other.refused
        self.was.made |= other.was.made
        self._undos += other._undos

    def recipe(self) -> dict[str, Any]:
        """The change as plain data (JSON), for `apply_recipe` on a fresh model."""
        from advisor.model.writing.recipe import recipe_of  # it uses `swap` itself

        return recipe_of(self)

    def diff(
        self, root: str | PathLike[str] = ".", build: Callable[[], nn.Module] | None = None
    ) -> str:
        """The change as a unified diff of the files that define the model, for `patch -p0` or `git
        apply -p0` in `root`.

        `build` makes another such model: it is called once, and watched, to see which lines make
            the modules. By default it
        is the model's class, if that needs no arguments.

        What cannot be written as an edit is a comment at the end: `# not in this diff:
        layer1.0.act: why`.
        """
        from advisor.model.writing.diff import diff_of  # heavy, and rarely asked for

        return diff_of(self, root, build)

    def summary(self) -> str:
        """One line: what was swapped and what was left alone."""
        names = listing((site.id for site in self.swapped), limit=4)
        parts = [
            f"swapped {_many(len(self.swapped), 'site')} ({_many(self.calls, 'call')})"
            + (f": {names}" if names else "")
        ]
        left = [self._left(label) for label in dict.fromkeys(site.label for site in self.left)]
        if left:
            parts.append("left alone: " + ", ".join(left))
        if self.refused:
            parts.append(
                "out of reach: " + listing((site.place for site, _ in self.refused), limit=4)
            )
        return "; ".join(parts)

    def _left(self, label: str) -> str:
        names = [site.id for site in self.left if site.label == label]
        return f"{_many(len(names), _WORDS.get(label, label))} ({listing(names, limit=4)})"


_WORDS = {"score": "attention score", "composite": "part of an inline activation"}


def _many(count: int, word: str) -> str:
    plural = word.replace("part of", "parts of") if " of " in word else f"{word}s"
    return f"{count} {word if count == 1 or word == HIDDEN else plural}"


def swap(
    model: nn.Module,
    anatomy: Anatomy,
    factory: Factory,
    sites: Iterable[Site] | None = None,
    inputs: Any = None,
) -> SwapReport:
    """Replace the activations of `model` at `sites` (by default the hidden ones) by what
    `factory(site)` returns, in place.

    The factory is called once per site. A plain function costs nothing per call; an `nn.Module` is
    registered, so that its parameters train. Keys of the `state_dict` stay; new parameters add
    keys.

    With `inputs`, a batch as `trace` takes it, the model is traced again: each site must run its
    new activation as often as the old one, and all others must be as before. If not, everything is
    undone and InputError says why.
    """
    wanted = tuple(anatomy.hidden if sites is None else sites)
    report = SwapReport(
        _as_it_is(model), left=[site for site in anatomy.sites if site not in wanted]
    )
    placed: dict[str, Placed] = {}
    try:
        for site, activation in _made(wanted, factory):
            _swap_one(report, site, activation, placed)
        if inputs is not None:
            verify(model, anatomy, report.swapped, placed, inputs)
    except BaseException:
        report.undo()
        raise
    return report


def _made(sites: Iterable[Site], factory: Factory) -> Iterator[tuple[Site, Activation]]:
    """An activation per site; a module that a factory gives twice is copied, so that no two sites
    share parameters.
    """
    modules: list[nn.Module] = []
    for site in sites:
        activation = factory(site)
        if any(activation is module for module in modules):
            activation = copy.deepcopy(activation)
        if isinstance(activation, nn.Module):
            modules.append(activation)
        yield site, activation


def _swap_one(
    report: SwapReport, site: Site, activation: Activation, placed: dict[str, Placed]
) -> None:
    model, made = report.was.model, report.was.made
    try:
        if isinstance(activation, nn.Module):
            _refuse_untrained(site, activation)
            activation.to(**_kind_of_numbers(model, site.target)).train(model.training)
        placed[site.id] = put(site.target, Order(model, site, activation))
    except InputError as error:
        report.refused.append((site, str(error)))
        return
    made[site.id] = activation, starting_state(activation)
    report._undos.extend(placed[site.id].undos)
    report.swapped.append(site)


def _kind_of_numbers(model: nn.Module, target: Target) -> dict[str, Any]:
    """The device and type of the parameters near a target."""
    near = getattr(target, "owner", model)
    numbers = [
        p
        for module in (near, model)
        for p in nn.Module.parameters(module)
        if p.is_floating_point() and not is_lazy(p)
    ]
    return {"device": numbers[0].device, "dtype": numbers[0].dtype} if numbers else {}


def _refuse_untrained(site: Site, activation: nn.Module) -> None:
    if next(nn.Module.parameters(activation), None) is not None and not getattr(
        site.target, "registered", True
    ):
        raise InputError(
            f"{site.id} is kept in a plain Python list or dict, so a trainable activation would not be trained. Use "
            "nn.ModuleList, or an activation without parameters."
        )
