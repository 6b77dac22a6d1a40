"""How a run is trained: the recipe that the user says, or AdamW at a constant rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError
from advisor.randomness import isolated
from advisor.readable import counted
from advisor.study import Task
from advisor.training.groups import ParameterGroups
from advisor.training.optimizers import (
    FIRST_DECAY,
    FIRST_RATE,
    Rates,
    adamw,
    missing_parameters,
    name_of,
    rates_of,
    read_optimizer,
    required_arguments,
)
from advisor.training.schedules import OwnSchedule, read_schedule, rehearse, warnings_on
from advisor.values import shown


@dataclass(frozen=True)
class Recipe:
    """How all arms of a study are trained.

    Attributes:
        optimizer: `(groups, lr, weight_decay) -> Optimizer`.
        schedule: how the rate moves; None for a constant one.
        clip: the largest norm of a step's gradient; None for any.
        clip_value: the largest size of each number in it; None for any.
        accumulate: mini-batches whose gradients make one optimizer step.
        precision: `bf16` to compute outputs and losses in bfloat16 where torch thinks it safe; None
            for the model's own.
        augment: changes each mini-batch of training rows; None for nothing.
        lr, weight_decay: those that it brings, with which the first trial is trained.
        keeps_rate: whether its rate is the only one.
        left_out: names of the model's parameters that the user's optimizer does not train.
        notes: what was understood, a few words each.
        warnings: what the user should know, one sentence each.
    """

    optimizer: Callable[[Any, float, float], torch.optim.Optimizer] = adamw
    schedule: OwnSchedule | None = None
    clip: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    precision: str | None = None
    augment: Augmentation | None = None
    lr: float = FIRST_RATE
    weight_decay: float = FIRST_DECAY
    keeps_rate: bool = False
    left_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether the user has said how they train."""
        return bool(self.notes)

    @property
    def told(self) -> tuple[str, ...]:
        """What was understood, in one sentence; none where the user has said nothing."""
        return (f"recipe: {'; '.join(self.notes)}.",) if self.notes else ()

    @property
    def clips(self) -> bool:
        """Whether gradients are bounded."""
        return self.clip is not None or self.clip_value is not None

    def scheduled(self, make: Callable[..., Any] | None) -> Recipe:
        """The recipe with another schedule, which lasts as long as a full training.

        `make` is what `Task(scheduler=…)` may be, such as `(optimizer, steps) -> LRScheduler`; None
        keeps the rate constant. Raises `InputError` where it is no schedule.
        """
        return replace(self, schedule=read_schedule(make, 0, 0))

    def steps_an_epoch(self, rows: int, batch: int) -> int:
        """Optimizer steps in an epoch of so many rows."""
        return optimizer_steps(rows, batch, self.accumulate)

    def precise(self, device: torch.device) -> AbstractContextManager[Any]:
        """Around a forward pass and its loss: the precision in which they are computed."""
        if self.precision is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16)


@dataclass(frozen=True)
class Augmentation:
    """What the user does to each mini-batch of training rows.

    Attributes:
        change: `inputs -> inputs`, or `(inputs, target) -> (inputs, target)`.
        takes_target: whether it is the latter.
    """

    change: Callable[..., Any]
    takes_target: bool

    def __call__(
        self, inputs: tuple[Any, ...], target: Tensor, seed: int
    ) -> tuple[tuple[Any, ...], Tensor]:
        """A changed mini-batch; what is drawn for it depends on the seed alone.

        Arguments:
            inputs: of the model, with a row for each row of the batch.
            target: what to predict.
            seed: of the global random states while it is changed.

        Raises:
            InputError: it gives back another kind of thing.
        """
        given = inputs[0] if len(inputs) == 1 else inputs
        with isolated(seed):
            found = self.change(given, target) if self.takes_target else self.change(given)
        if self.takes_target:
            if not isinstance(found, tuple) or len(found) != 2:
                raise InputError(f"Task(augment=…) returned {shown(found)}, no (inputs, target).")
            found, target = found
        changed = found if len(inputs) > 1 else (found,)
        if not isinstance(changed, tuple) or len(changed) != len(inputs):
            raise InputError(
                f"Task(augment=…) returned {shown(found)}; it must return what it is given: "
                f"{counted(len(inputs), 'input')} of the model."
            )
        return changed, target


def read_augmentation(given: Any) -> Augmentation | None:
    """What `Task(augment=…)` does, by the number of its arguments; None for nothing."""
    if given is None:
        return None
    call = given.forward if isinstance(given, nn.Module) else given
    try:
        required = required_arguments(call)
    except (TypeError, ValueError):  # a function that Python cannot look into
        return Augmentation(given, takes_target=False)
    return Augmentation(given, takes_target=len(required) > 1)


def optimizer_steps(rows: int, batch: int, accumulate: int) -> int:
    """Optimizer steps in an epoch, where a last mini-batch of one row is left out."""
    batches = math.ceil(rows / batch)
    if rows % batch == 1 and batches > 1:
        batches -= 1
    return math.ceil(batches / accumulate)


def recipe_of(
    task: Task, groups: ParameterGroups, steps: int, epochs: int, is_fixed: bool
) -> Recipe:
    """The recipe of a task, whose optimizer is built once and whose schedule is walked through.

    Arguments:
        task: what the user brought.
        groups: the parameters of a first model.
        steps: optimizer steps in an epoch.
        epochs: of a full training.
        is_fixed: whether the user has said how many epochs there are.

    Raises:
        InputError: the optimizer or the schedule cannot train the model.
    """
    own = None if task.optimizer is None else read_optimizer(task.optimizer)
    said = given_rates(task)
    built = adamw(groups, said.lr, said.weight_decay) if own is None else own.as_given(groups)
    given = rates_of(built)
    recipe = Recipe(
        optimizer=own or adamw,
        clip=task.clip,
        accumulate=task.accumulate,
        precision=task.precision,
        augment=read_augmentation(task.augment),
        lr=given.lr,
        weight_decay=given.weight_decay,
        left_out=frozenset(missing_parameters(built, groups)),
    )
    first = [f"optimizer {optimizer_text(built)}"] if own else []
    recipe = with_words(recipe, [*first, *changes_in(recipe)], left_out_by(recipe))
    lengths = (steps * epochs, epochs)
    schedule = read_schedule(task.scheduler, *(lengths if is_fixed else (0, 0)))
    return recipe if schedule is None else with_schedule(recipe, schedule, built, lengths)


def given_rates(task: Task) -> Rates:
    """The rates that a task says; the usual ones where it says none."""
    decay = FIRST_DECAY if task.weight_decay is None else task.weight_decay
    return Rates(task.lr or FIRST_RATE, decay)


def with_schedule(
    recipe: Recipe,
    schedule: OwnSchedule,
    built: torch.optim.Optimizer,
    lengths: tuple[int, int],
) -> Recipe:
    """The recipe with a schedule, which is walked through with an optimizer that is used up.

    `lengths` are the steps and the epochs of a full training.
    """
    rates = rehearse(schedule, built, *lengths)
    with_it = replace(recipe, schedule=schedule)
    return with_words(with_it, [schedule_text(schedule, rates)], warnings_on(rates, schedule))


def with_words(recipe: Recipe, notes: Sequence[str], cautions: Sequence[str]) -> Recipe:
    """The recipe with what else is said of it."""
    return replace(
        recipe,
        notes=(*recipe.notes, *notes),
        warnings=(*recipe.warnings, *cautions),
    )


def changes_in(recipe: Recipe) -> Iterator[str]:
    """What a recipe does beside optimizer and schedule, a few words each."""
    if recipe.clip is not None:
        yield f"gradients clipped to a norm of {recipe.clip:g}"
    if recipe.accumulate > 1:
        yield f"{recipe.accumulate} mini-batches make a step"
    if recipe.precision is not None:
        yield f"mixed precision, {recipe.precision}"
    if recipe.augment is not None:
        yield f"training rows changed by {name_of(recipe.augment.change)}"


def left_out_by(recipe: Recipe) -> list[str]:
    """A sentence about the parameters that the optimizer does not train, if there are any."""
    left = sorted(recipe.left_out)
    if not left:
        return []
    parameters = counted(len(left), "parameter")
    return [
        f"The optimizer leaves out {parameters} of the model, {left[0]} first: they are not "
        "trained."
    ]


def optimizer_text(built: torch.optim.Optimizer) -> str:
    """An optimizer with its rates, as a person reads it."""
    rates = sorted({float(group["lr"]) for group in built.param_groups}, reverse=True)
    lr = " and ".join(f"{rate:g}" for rate in rates[:3])
    decay = rates_of(built).weight_decay
    return f"{type(built).__name__} at lr {lr}, weight decay {decay:g}"


def schedule_text(schedule: OwnSchedule, rates: list[float]) -> str:
    """A schedule with its first, highest and last rate, as a person reads it."""
    ends = " → ".join(f"{rate:.2g}" for rate in (rates[0], max(rates), rates[-1]))
    return f"schedule {name_of(schedule.make)} over the {schedule.each} of a training, lr {ends}"
