"""The schedule of a recipe: how the learning rate moves in the course of a full training.

own = read_schedule("cosine")                   a name, a class, a `partial` or a function
scheduler = own(optimizer, steps=300, epochs=10)
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.optim import lr_scheduler

from advisor.errors import InputError, explain, listing, near
from advisor.readable import counted
from advisor.training.optimizers import Optimizer, name_of, required_arguments, unwrapped
from advisor.user_code import user_faults
from advisor.values import shown

LENGTHS = ("total_steps", "T_max", "total_iters")
"""What torch's schedulers call the number of times that they are stepped."""
MOST_REHEARSED = 20_000
"""Steps of a schedule that are walked through when a study is opened."""
WARM_UP = 0.05
"""The share of the steps in which a linear schedule comes up to its rate."""
TINY = 1e-4
"""A rate below this share of the highest trains nothing."""
FORMS = (
    "give `lambda optimizer, steps: …`, which is stepped after each optimizer step, or "
    "`lambda optimizer, epochs: …`, which is stepped after each epoch; or one of cosine, onecycle, "
    "linear, constant"
)
"""What `Task(scheduler=…)` may be."""
OF_TORCH = (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau)


@dataclass(frozen=True)
class OwnSchedule:
    """The user's schedule.

    Attributes:
        make: their function `(optimizer, steps or epochs)`, or class of torch's.
        asks: `steps`, `epochs` or both, in the order in which the function wants them; empty for a
            class, whose length has a name.
        each: what it counts, `steps` or `epochs`.
        length: by what name a class wants its length; None where it wants none.
    """

    make: Callable[..., Any]
    asks: tuple[str, ...] = ()
    each: str = "steps"
    length: str | None = None

    def __call__(self, optimizer: Optimizer, steps: int, epochs: int) -> Any:
        """The scheduler of a training of so many steps and epochs.

        Raises `InputError` where the user's function gives none.
        """
        counts = {"steps": steps, "epochs": epochs}
        keywords: dict[str, Any] = {}
        if self.length is not None:
            keywords[self.length] = counts[self.each]
        if wants_highest_rate(self.make):
            keywords["max_lr"] = [group["lr"] for group in optimizer.param_groups]
        try:
            scheduler = self.make(optimizer, *(counts[name] for name in self.asks), **keywords)
        except user_faults() as problem:  # whatever the user's function raises
            raise InputError(
                f"Task(scheduler=…): {name_of(self.make)} raised {explain(problem)}; {FORMS}."
            ) from problem
        if not callable(getattr(scheduler, "step", None)) or isinstance(scheduler, Optimizer):
            raise InputError(
                f"Task(scheduler=…): {name_of(self.make)} returned {shown(scheduler)}, no "
                f"scheduler of torch.optim.lr_scheduler; {FORMS}."
            )
        if getattr(scheduler, "mode", None) == "max" and is_plateau(scheduler):
            raise InputError(
                "Task(scheduler=…): ReduceLROnPlateau is told the training loss of each epoch, as "
                'the rows that score must not steer a training; give it mode="min".'
            )
        return scheduler


def is_plateau(scheduler: object) -> bool:
    """Whether a scheduler waits for a value that no longer falls."""
    return isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)


# --- what the user may give ---------------------------------------------------------------------


def cosine(optimizer: Optimizer, steps: int) -> Any:
    """From the rate to zero along a cosine (Loshchilov & Hutter 2017)."""
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)


def onecycle(optimizer: Optimizer, steps: int) -> Any:
    """Up to the rate in 30 % of the steps and down to almost zero (Smith & Topin 2018)."""
    highest = [group["lr"] for group in optimizer.param_groups]
    return lr_scheduler.OneCycleLR(optimizer, max_lr=highest, total_steps=steps)


def linear(optimizer: Optimizer, steps: int) -> Any:
    """Up to the rate in the first steps, and to zero in a straight line (Goyal et al. 2017; Defazio
    et al. 2023).
    """
    warm = max(1, round(WARM_UP * steps))

    def share(step: int) -> float:
        """The share of the rate at a step, counted from 0."""
        left = (steps - step) / max(1, steps - warm)
        return min((step + 1) / warm, max(0.0, left))

    return lr_scheduler.LambdaLR(optimizer, share)


NAMED: Mapping[str, Callable[..., Any] | None] = {
    "constant": None,
    "cosine": cosine,
    "linear": linear,
    "onecycle": onecycle,
}
"""The schedules that have a name; None is no schedule."""


def read_schedule(given: Any, steps: int, epochs: int) -> OwnSchedule | None:
    """The user's schedule from a name, a class, a `partial` or a function; None for a constant
    rate.

    Arguments:
        given: `Task.scheduler`.
        steps: of a full training, with which a length that the user has fixed is compared; 0 where
            the number of epochs is not fixed.
        epochs: likewise.

    Raises:
        InputError: it is no schedule, or it counts other steps than there are.
    """
    if given is None or isinstance(given, str):
        return schedule_named(given or "constant")
    inner, fixed = unwrapped(given)
    if isinstance(inner, type):
        return _of_class(given, inner, fixed, steps, epochs)

    names = required_arguments(given)[1:]
    if names and set(names) <= {"steps", "epochs"}:
        return OwnSchedule(given, tuple(names), "steps" if "steps" in names else "epochs")
    if len(names) == 1:
        return OwnSchedule(given, ("steps",))
    raise InputError(f"Task(scheduler=…): what does {name_of(given)} count? {FORMS}.")


def schedule_named(name: str) -> OwnSchedule | None:
    """A schedule by its name; None for a constant rate. Raises `InputError` for another name."""
    if name.lower() not in NAMED:
        raise InputError(
            f"There is no schedule {name!r}.{near(name, NAMED)} There are: {listing(NAMED)}."
        )
    named = NAMED[name.lower()]
    return None if named is None else OwnSchedule(named, ("steps",))


def _of_class(
    given: Any, kind: type, fixed: Mapping[str, Any], steps: int, epochs: int
) -> OwnSchedule:
    """A class of torch's schedulers, or a `partial` of one with some settings fixed."""
    if not issubclass(kind, OF_TORCH):
        raise InputError(f"Task(scheduler={shown(given)}) is no scheduler; {FORMS}.")
    if issubclass(kind, lr_scheduler.ReduceLROnPlateau):
        return OwnSchedule(given, each="epochs")
    parameters = inspect.signature(kind).parameters
    length = next((name for name in LENGTHS if name in parameters), None)
    if length is None or kind is lr_scheduler.ConstantLR:
        raise InputError(f"Task(scheduler=…): what does {kind.__name__} count? {FORMS}.")

    # A length that the user has fixed is that of a training, or it counts something else.
    said = fixed.get(length)
    if {"epochs", "steps_per_epoch"} <= fixed.keys():
        said = fixed["epochs"] * fixed["steps_per_epoch"]
    if said is None:
        return OwnSchedule(given, length=length)
    if said in (steps, epochs):
        return OwnSchedule(given, each="steps" if said == steps else "epochs")
    raise InputError(
        f"Task(scheduler=…): {kind.__name__} is made for {length}={said}, and a full training has "
        f"{length_text(steps, epochs)}. Leave {length} out; it is filled in."
    )


def length_text(steps: int, epochs: int) -> str:
    """How long a full training is."""
    if not epochs:
        return "as many epochs as the data need, which --epochs fixes"
    return f"{counted(epochs, 'epoch')} of {steps // epochs} steps: {steps}"


def wants_highest_rate(make: Any) -> bool:
    """Whether a class needs `max_lr` and was not given it."""
    inner, fixed = unwrapped(make)
    return inner is lr_scheduler.OneCycleLR and "max_lr" not in fixed


# --- a rehearsal --------------------------------------------------------------------------------


def rehearse(own: OwnSchedule, optimizer: Optimizer, steps: int, epochs: int) -> list[float]:
    """The rate of the group with the largest one at each step of a full training, walked through
    without training; for long trainings, of the first steps alone.

    The optimizer is used up.

    Raises:
        InputError: the schedule counts other steps, or gives a rate that is no number from 0 on.
    """
    rates: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no optimizer step comes before
        scheduler = own(optimizer, steps, epochs)
        total = steps if own.each == "steps" else epochs
        for number in range(min(total, MOST_REHEARSED)):
            rate = max(float(group["lr"]) for group in optimizer.param_groups)
            if not math.isfinite(rate) or rate < 0:
                raise InputError(
                    f"Task(scheduler=…): the learning rate is {rate:g} at {own.each[:-1]} {number} "
                    f"of {total}."
                )
            rates.append(rate)
            step_schedule(scheduler, own, number + 1, total, loss=1.0)
    return rates


def step_schedule(scheduler: Any, own: OwnSchedule, number: int, total: int, loss: float) -> None:
    """One step of a schedule, the number-th of a total.

    Raises `InputError` where the scheduler raises, as one does that counts other steps.
    """
    try:
        if is_plateau(scheduler):
            scheduler.step(loss)
        else:
            scheduler.step()
    except user_faults() as problem:  # whatever the user's scheduler raises
        raise InputError(
            f"Task(scheduler=…): {type(scheduler).__name__} raised {explain(problem)} at "
            f"{own.each[:-1]} {number} of {total}. It is made for another number than "
            f"{total} {own.each}; {FORMS}."
        ) from problem


def warnings_on(rates: list[float], own: OwnSchedule) -> list[str]:
    """What the user should know of a schedule, one sentence each."""
    highest = max(rates)
    idle = sum(rate < TINY * highest for rate in rates)
    if 2 * idle > len(rates):
        return [
            f"The learning rate of {name_of(own.make)} is below {TINY:g} of its highest for "
            f"{idle} of {len(rates)} {own.each}: does it count {own.each}? {FORMS}."
        ]
    return []
