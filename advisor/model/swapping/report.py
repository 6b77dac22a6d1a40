"""What a swap changed, as plain data, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from advisor.errors import listing
from advisor.model.anatomy import Anatomy, Site
from advisor.model.pointwise import Activation
from advisor.model.references import Holding, Path, holdings, paths

Undo = Callable[[], object]

# How the summary calls a site by its label: one of them, and several.
_NOUNS = {
    "composite": ("part of an inline activation", "parts of an inline activation"),
    "gate": ("gate", "gates"),
    "score": ("attention score", "attention scores"),
    "output": ("output", "outputs"),
    "hidden": ("hidden", "hidden"),
}


@dataclass(frozen=True)
class ModelBefore:
    """A model as it was before a swap.

    Arguments:
        model: the model, which has changed since.
        holdings: every place that held a module.
        paths: the first path of every module, by the module's id.
        keys: the keys of its `state_dict`.
    """

    model: nn.Module
    holdings: tuple[Holding, ...]
    paths: dict[int, Path]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, model: nn.Module) -> ModelBefore:
        """What a model is now."""
        return cls(model, tuple(holdings(model)), paths(model), tuple(state_keys(model)))


def state_keys(model: nn.Module) -> Iterator[str]:
    """The keys of the model's `state_dict`."""
    for path, module in nn.Module.named_modules(model, remove_duplicate=False):
        tensors = {**module._parameters, **module._buffers}
        for name, tensor in tensors.items():
            if tensor is not None and name not in module._non_persistent_buffers_set:
                yield f"{path}.{name}".lstrip(".")


@dataclass
class SwapReport:
    """What `swap` changed, what it could not, and the way back.

    Arguments:
        before: what the model was before.
        swapped: sites that run the new activation now.
        refused: sites that were asked for and cannot be reached, each with a sentence that says
            why.
        left: sites that were not asked for.
        activations: what the swapped sites run now, by site id.
        starting_states: the parameters and buffers that these activations began with, by site id.
        undos: what to call to go back, the last first.
        anatomy: of the changed model, where it was traced and is known.
    """

    before: ModelBefore = field(repr=False)
    swapped: list[Site] = field(default_factory=list)
    refused: list[tuple[Site, str]] = field(default_factory=list)
    left: list[Site] = field(default_factory=list)
    activations: dict[str, Activation] = field(default_factory=dict, repr=False)
    starting_states: dict[str, dict[str, Tensor]] = field(default_factory=dict, repr=False)
    undos: list[Undo] = field(default_factory=list, repr=False)
    anatomy: Anatomy | None = field(default=None, repr=False)

    @property
    def calls(self) -> int:
        """How often the new activations run in one forward pass."""
        return sum(site.calls for site in self.swapped)

    def undo(self) -> None:
        """Make the model what it was. Parameters keep their values."""
        while self.undos:
            self.undos.pop()()

    def join(self, other: SwapReport) -> None:
        """Take in what a later swap of the same model changed, so that both are one change."""
        self.swapped += other.swapped
        self.refused += other.refused
        self.activations |= other.activations
        self.starting_states |= other.starting_states
        self.undos += other.undos

    def summary(self) -> str:
        """One line: what was swapped and what was left alone."""
        sites = _counted(len(self.swapped), "site", "sites")
        calls = _counted(self.calls, "call", "calls")
        text = f"swapped {sites} ({calls})"
        if self.swapped:
            text += ": " + listing((site.id for site in self.swapped), limit=4)
        if self.left:
            text += "; left alone: " + ", ".join(self._left_by_label())
        if self.refused:
            text += "; out of reach: " + listing((site.place for site, _ in self.refused), limit=4)
        return text

    def _left_by_label(self) -> Iterator[str]:
        """How many sites of each label were left alone, and which."""
        names: dict[str, list[str]] = {}
        for site in self.left:
            names.setdefault(site.label, []).append(site.id)
        for label, idents in names.items():
            yield f"{_counted(len(idents), *_NOUNS[label])} ({listing(idents, limit=4)})"


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
