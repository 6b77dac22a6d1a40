"""Slots and the techniques that fill them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.space import Space

if TYPE_CHECKING:  # a word may speak of a Run without loading torch
    from advisor.diagnosis.finding import Finding
    from advisor.training.run import Run

KEEP = "keep"


@dataclass(frozen=True)
class Slot:
    """A place in a training run where exactly one technique sits.

    `after` and `before` name slots whose techniques are applied earlier or later in a run; names of
    slots that are not loaded are ignored.
    """

    name: str
    about: str
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class Technique:
    """One choice for a slot. Say what may vary, then make it so.

    Subclass it, give `name`, `slot`, `cite` and (if something may vary) `space`, and write `apply`.
    The defaults of `apply`'s parameters are the first values tried. `standard = False` keeps it out
    of searches that do not name it: a search that tries everything judges nothing. `mends` names
        the kinds of findings (docs/diagnosis.md) that it mends besides those
    that name its slot; a recommendation gives them as its reasons. `settles` names slots that it
    fills itself, as a package: no technique of theirs is applied beside it.
    """

    name: str
    slot: str
    cite: str = ""
    space: Space = {}
    standard: bool = True
    settles: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()
    waived: Mapping[str, str] = {}

    def unfit(self, run: Run) -> str | None:
        """Why this cannot be tried on `run`, in one sentence, or None."""
        return None

    def finds(self, run: Run) -> Sequence[Finding]:
        """What is wrong with the user's model that this technique mends, beyond what a diagnosis
        finds; asked where it fits.

        An `advisor.Finding(kind, place, number, threshold, source, slot, sentence)` for each, with
        the technique's slot.
        """
        return ()

    def apply(self, run: Run, **params: Any) -> str | None:
        """Change the run: its model, loss, optimizer or data. May return one line that says what
        was changed.
        """
        raise TypeError(f"{type(self).__name__} must define apply(run, ...)")

    def defaults(self) -> dict[str, Any]:
        """The values of `space` that are tried first: from `apply`'s signature, else from the space
        itself.
        """
        signature = inspect.signature(self.apply).parameters
        given = {name: signature[name].default for name in self.space if name in signature}
        said = {
            name: value
            for name, value in given.items()
            if value is not None and value is not inspect.Parameter.empty
        }
        return {name: said.get(name, parameter.first) for name, parameter in self.space.items()}

    def __repr__(self) -> str:
        return f"<technique {self.slot}={self.name}>"


class Keep(Technique):
    """Do nothing: the user's own model as it is. Every slot has it."""

    name = KEEP

    def __init__(self, slot: str) -> None:
        self.slot = slot

    def apply(self, run: Run, **params: Any) -> None:
        """Leave every tensor and every line as the user wrote it."""
