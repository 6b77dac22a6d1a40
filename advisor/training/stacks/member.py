"""The runs of a stack, and which runs may be of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from advisor.data import Part
from advisor.training.loop import TrainingSettings
from advisor.training.run import Run
from advisor.training.stacks.elementwise import own_tensors
from advisor.training.stacks.traced import NotStackable, Reading, read_all
from advisor.training.stepping import Stepping
from advisor.user_code import user_faults


@dataclass
class Member:
    """One of the runs that are trained together.

    Attributes:
        run: with its techniques applied.
        settings: how it is trained; part of the training, rows in a batch and the length of a full
            training are those of all.
        valid: the rows that it is scored on.
        problem: why it was taken out; None while it is trained.
        reading: of its forward pass; None where it was not read yet, or cannot be.
        unreadable: why it cannot be, in a sentence.
        cost: seconds of a step of its model alone, by which it has its share of the time.
    """

    run: Run
    settings: TrainingSettings
    valid: Part
    problem: BaseException | None = None
    reading: Reading | None = None
    unreadable: str = ""
    cost: float = 1.0
    stepping: Stepping = field(init=False)

    def prepare(self) -> None:
        """Build the optimizer, and put a training that goes on into its state; where that cannot
        be done, `problem` says why.
        """
        try:
            self._prepare()
        except user_faults() as problem:  # an optimizer of the user's own may raise anything
            self.problem = problem

    def _prepare(self) -> None:
        run, settings = self.run, self.settings
        run.model.to(run.device)
        epochs = settings.epochs or settings.to_epoch
        steps = epochs * run.recipe.steps_an_epoch(len(run.data.train), settings.batch)
        self.stepping = Stepping(run, settings.lr, settings.weight_decay, steps, epochs)
        if settings.state is not None:
            self.stepping.go_on_from(settings.state)


def read_members(members: Sequence[Member]) -> None:
    """Read the forward passes of runs that were not read yet."""
    left = [each for each in members if each.reading is None]
    for member, found in zip(left, read_all([each.run.model for each in left]), strict=True):
        if isinstance(found, Reading):
            member.reading = found
        else:
            member.unreadable = str(found)


def common_readings(members: Sequence[Member]) -> list[Reading]:
    """The forward passes of runs that are computed together.

    Raises `NotStackable` where one of them cannot be read, or does something else, or has another
    length.
    """
    read_members(members)
    readings = []
    for each in members:
        if each.reading is None:
            raise NotStackable(each.unreadable)
        readings.append(each.reading)
    if any(length_of(each) != length_of(members[0]) for each in members):
        raise NotStackable("they have other numbers of rows or epochs")
    if any(each.skeleton != readings[0].skeleton for each in readings):
        raise NotStackable("their models differ in structure")
    tensors = [id(tensor) for each in members for _, tensor in own_tensors(each.run.model)]
    if len(set(tensors)) != len(tensors):
        raise NotStackable("their models share tensors")
    return readings


def groups_of(members: Sequence[Member]) -> list[list[Member]]:
    """The runs whose steps may be taken together, in the order of the first of each group; those
    that cannot be read are in none.
    """
    read_members(members)
    groups: list[list[Member]] = []
    for each in members:
        if each.reading is None:
            continue
        group = next((group for group in groups if are_alike(group[0], each)), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return groups


def are_alike(one: Member, other: Member) -> bool:
    """Whether the steps of two runs may be taken together."""
    if one.reading is None or other.reading is None or length_of(one) != length_of(other):
        return False
    return one.reading.skeleton == other.reading.skeleton


def length_of(member: Member) -> tuple[Any, ...]:
    """How long a run is trained, and on how many rows."""
    settings = member.settings
    length = (settings.from_epoch, settings.to_epoch, settings.epochs, settings.batch)
    return (len(member.run.data.train), member.run.recipe.accumulate, *length)
