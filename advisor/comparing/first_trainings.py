"""The first training of each side: how long sides are trained, and whether two compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advisor.comparing.comparison import Sameness
from advisor.comparing.identity import is_same_question, sameness
from advisor.comparing.sides import OpenSide, start_of
from advisor.errors import SearchError
from advisor.events import Event, Listener
from advisor.search.pilot import (
    first_training,
    lasts_a_training,
    longest_training,
    train_longer,
    train_longer_anew,
)
from advisor.search.script_plan import first_of_script
from advisor.training.ended import Ended
from advisor.work.executors import Crew
from advisor.work.job import Outcome
from advisor.work.scripts.prepared import PreparedScript
from advisor.work.scripts.trials import ANY_EPOCHS

STAGE = "pilot"
"""The stage of the events of first trainings."""


@dataclass(frozen=True)
class FirstTrainings:
    """What the first trainings of all sides say.

    Attributes:
        epochs: of a training, by side.
        identical: of each side but the first, how it is known to compute the same as that one.
        parameters: how many numbers the model of each side trains.
    """

    epochs: Sequence[int]
    identical: Sequence[Sameness | None]
    parameters: Sequence[int]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "epochs": list(self.epochs),
            "identical": list(self.identical),
            "parameters": list(self.parameters),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> FirstTrainings:
        """What `to_json` gave."""
        identical = [None if each is None else Sameness(each) for each in plain["identical"]]
        return cls([*map(int, plain["epochs"])], identical, [*map(int, plain["parameters"])])


def first_trainings(
    sides: Sequence[OpenSide], folder: Path, crew: Crew, on: Listener
) -> FirstTrainings:
    """Train each side once with the same seed, as long as it goes on improving.

    Sides that say no number of epochs are all trained as long as the longest of them needs.

    Arguments:
        sides: all of them.
        folder: for the training states.
        crew: runs the trainings.
        on: told what there is to show.

    Raises:
        SearchError: a side cannot be trained at all.
    """
    starts = [start_of(side) for side in sides]
    parameters = [start.parameters for start in starts]
    # What is made of the same needs no training to be known as the same.
    if all(is_same_question(sides[0], side) for side in sides[1:]):
        epochs = [side.epochs for side in sides]
        return FirstTrainings(epochs, [Sameness.CONTENT] * (len(sides) - 1), parameters)

    trained: list[Outcome] = []
    needed: list[int] = []
    for place, side in enumerate(sides):
        on(Event(STAGE, place, len(sides), f"{side.label}: trained once"))
        outcome, count = trained_once(side, folder / f"first-{place}", crew)
        trained.append(outcome)
        needed.append(count)
    free = [count for side, count in zip(sides, needed, strict=True) if not side.has_own_epochs]
    epochs = [
        count if side.has_own_epochs else max(free)
        for side, count in zip(sides, needed, strict=True)
    ]

    identical = []
    for place in range(1, len(sides)):
        pair = (replace(sides[0], epochs=epochs[0]), replace(sides[place], epochs=epochs[place]))
        both = (starts[0], starts[place])
        identical.append(sameness(pair, both, (trained[0], trained[place]), crew))
    on(Event(STAGE, len(sides), len(sides), f"epochs: {', '.join(map(str, epochs))}"))
    return FirstTrainings(epochs, identical, parameters)


def trained_once(side: OpenSide, folder: Path, crew: Crew) -> tuple[Outcome, int]:
    """The first training of a side, and how many epochs it needs.

    Raises `SearchError` where the side cannot be trained.
    """
    if isinstance(side.prepared, PreparedScript):
        return of_script(side, side.prepared, crew)
    save = folder / f"pilot-{side.epochs}.pt"
    job = replace(side.job("the first training"), save=str(save))
    outcome = first_training(job, crew)
    if outcome.ended == Ended.FAILED:
        raise SearchError(
            f"{side.label} cannot be trained: {outcome.why}. "
            "Check its model, its loss and the data."
        )
    if side.has_own_epochs:
        return outcome, side.epochs
    with side.entered() as prepared:
        most = longest_training(prepared)
        metric = prepared.objective.metric
    lengthen = train_longer_anew if lasts_a_training(prepared) else train_longer
    return outcome, lengthen(metric, job, outcome, folder, most, crew)


def of_script(side: OpenSide, prepared: PreparedScript, crew: Crew) -> tuple[Outcome, int]:
    """The first training of a script, and how many epochs it has.

    Raises `InputError` where it does not train as long as it is asked to, and `SearchError` where
    it cannot be trained.
    """
    job = replace(side.job("the first training"), to_epoch=ANY_EPOCHS)
    outcome, epochs = first_of_script(prepared, job, crew)
    if outcome.ended == Ended.FAILED:
        raise SearchError(f"{side.label} cannot be trained: {outcome.why}.")
    return outcome, side.side.epochs or epochs
