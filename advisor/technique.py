"""Slots and the techniques that fill them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from advisor.space import Space

if TYPE_CHECKING:  # only for type hints; importing these would load torch
    from advisor.diagnosis.finding import Finding
    from advisor.training.run import Run

KEEP = "keep"
"""The name of the technique that does nothing; every slot has it."""

MODEL = "model"
"""The name of the slot of a study that may choose among several models."""
RATE, DECAY = "training.lr", "training.weight_decay"
"""The full names of the parameters that every trial has."""


@dataclass(frozen=True)
class Slot:
    """A place in a training run where exactly one technique sits.

    `after` and `before` name slots whose techniques are applied earlier or later in a run; names of
    slots that are not loaded are ignored. One that is not `standard` is searched where a study
    names it: `Study(also=["optimizer"])`, or `only` with techniques of it.

    Example:
        >>> import advisor
        >>> slot = advisor.Slot("stepper", "how the weights are updated", after=("pretraining",))
        >>> @advisor.hookimpl
        ... def slots():
        ...     return [slot]
    """

    name: str
    about: str
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    standard: bool = True


class Technique:
    """One choice for a slot. It declares its parameters and changes a run.

    Subclass it, give `name`, `slot`, `cite` and (if something may vary) `space`, and write `apply`.
    The defaults of `apply`'s parameters are the first values tried.

    Attributes:
        name: the technique's name, unique in its slot.
        slot: the name of the slot that it is for.
        cite: where it is from, in one line.
        space: by parameter of `apply`, what may vary.
        standard: False keeps it out of searches that do not name it: a search that tries everything
            judges nothing.
        settles: slots that it fills itself, as a package: no technique of theirs is applied beside
            it.
        mends: the kinds of findings (docs/diagnosis.md) that it mends besides those that name its
            slot; a recommendation gives them as its reasons.
        needs_rows: whether it needs the training rows, and not a batch of them alone.
        passes: the parameter that counts the passes over data of which its artefact is made, such
            as pretrained weights or word vectors; empty where it makes none. A search pays for no
            more of them than a share of a training (`pass_seconds`), and tries few values of the
            technique's numbers before its arm leads, so that trials share artefacts.
        rate: the parameter of its space that is the learning rate where it is chosen, for a
            technique that brings a range of its own; its `apply` puts the value into `run.rate`.
        fights: by `slot` or `slot.technique`, what is to be known where it is chosen beside that
            one, in a sentence.
        beside: by slot, the techniques with which it makes a recipe; a study that searches all of
            them tries those that fit together, too.
        waived: promises of the conformance kit that need not hold, each with the reason.
        helps: where it helps, as `advisor techniques` says it; else its docstring says so.
        cost: what it costs, in words.

    Example:
        >>> import advisor, torch
        >>> class SGD(advisor.Technique):
        ...     name, slot, cite = "sgd", "optimizer", "Robbins & Monro 1951"
        ...     space = {"momentum": advisor.Float(0.0, 0.99)}
        ...     def apply(self, run, momentum=0.9):
        ...         run.optimizer = lambda groups, lr, weight_decay: torch.optim.SGD(
        ...             groups, lr=lr, momentum=momentum, weight_decay=weight_decay
        ...         )
        >>> SGD().defaults()
        {'momentum': 0.9}
    """

    name: str
    slot: str
    cite: str = ""
    space: Space = {}
    standard: bool = True
    settles: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    needs_rows: bool = False
    passes: str = ""
    rate: str = ""
    fights: Mapping[str, str] = {}
    beside: Mapping[str, str] = {}
    waived: Mapping[str, str] = {}
    helps: str = ""
    cost: str = ""

    def pass_seconds(self, run: Run, **params: Any) -> float:
        """Seconds on a laptop's core of one pass for the artefact of `run`, by counting, not by a
        clock: it must be the same on every machine. 0 where nobody knows; then nothing is bounded.
        """
        return 0.0

    def unfit(self, run: Run) -> str | None:
        """Why this cannot be tried on `run`, in one sentence, or None."""
        return None

    def finds(self, run: Run) -> Sequence[Finding]:
        """What is wrong with the user's model that this technique mends, beyond what a diagnosis
        finds.

        It is called where the technique fits, and returns an `advisor.Finding(kind, place, number,
        threshold, source, slot, sentence)` for each, with the technique's slot.
        """
        return ()

    def apply(self, run: Run, **params: Any) -> str | None:
        """Change the run: its model, loss, optimizer or data. May return one line that says what
        was changed.
        """
        raise TypeError(f"{type(self).__name__} must define apply(run, ...)")

    def by_hand(self, lr: float, weight_decay: float, /, **params: Any) -> str | None:
        """What to do in a script that trains the model itself, in a few words or a call; None where
        the model has all of it.

        `lr` and `weight_decay` are those that are recommended.
        """
        return None

    def defaults(self) -> dict[str, Any]:
        """The values of `space` that are tried first: from `apply`'s signature, else from the space
        itself.
        """
        arguments = inspect.signature(self.apply).parameters
        values: dict[str, Any] = {}
        for name, parameter in self.space.items():
            values[name] = parameter.first
            argument = arguments.get(name)
            # A default of None says that the space decides.
            if argument is None or argument.default is None:
                continue
            if argument.default is not argument.empty:
                values[name] = argument.default
        return values

    def __repr__(self) -> str:
        return f"<technique {self.slot}={self.name}>"


class Keep(Technique):
    """Do nothing: the user's own model as it is. Every slot has it."""

    name = KEEP

    def __init__(self, slot: str) -> None:
        self.slot = slot

    def apply(self, run: Run, **params: Any) -> None:
        """Leave every tensor and every line as the user wrote it."""


@dataclass(frozen=True)
class Wanted:
    """What a study asks to be tried.

    Attributes:
        only: the names of techniques that it gives, by slot.
        also: the names of slots that it gives.
    """

    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    also: Collection[str] = ()

    @classmethod
    def by(cls, given: Mapping[str, Any]) -> Wanted:
        """What the settings or the identity of a study say."""
        return cls(given.get("only") or {}, given.get("also") or ())

    def has_slot(self, slot: Slot) -> bool:
        """Whether a slot is searched: one that every search has, or that the study names."""
        return slot.standard or slot.name in self.also or slot.name in self.only

    def has(self, technique: Technique, slot: Slot) -> bool:
        """Whether a technique of a slot is wanted: one that the study names, or a standard one."""
        if technique.name == KEEP or not self.has_slot(slot):
            return False
        names = self.only.get(technique.slot)
        return technique.standard if names is None else technique.name in names

    @property
    def names(self) -> dict[str, Any]:
        """As a study's identity has it: in any order the same."""
        only = {slot: sorted(names) for slot, names in sorted(self.only.items())}
        return {"only": only, "also": sorted(self.also) or None}
