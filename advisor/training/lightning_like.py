"""A model that brings its own training as Lightning's modules do, trained without Lightning.

`training_step(batch, batch_idx)` gives the loss, `configure_optimizers()` the optimizer and its
schedule. What else Lightning's trainer may call is refused by a sentence, and such a model is
trained by the study's recipe.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.training.loop_run import LoopRun
from advisor.training.optimizers import Rates, rates_of, scale
from advisor.training.own_loop import OwnLoop
from advisor.training.stepping import step_at
from advisor.user_code import user_faults

OWN_PARTS = ("training_step", "configure_optimizers")
"""The methods by which a model brings its own training."""
NOT_CALLED = (
    "optimizer_step",
    "optimizer_zero_grad",
    "lr_scheduler_step",
    "backward",
    "configure_gradient_clipping",
    "transfer_batch_to_device",
    "on_before_batch_transfer",
    "on_after_batch_transfer",
    "on_train_start",
    "on_train_end",
    "on_fit_start",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_after_backward",
)
"""Methods that only Lightning's own trainer calls."""
LIBRARIES = ("lightning", "pytorch_lightning", "torch")
"""Packages whose own methods are not the user's."""


@dataclass(frozen=True)
class Schedule:
    """A scheduler of a `LightningModule`, moved after every `frequency` steps or epochs."""

    scheduler: Any
    interval: str = "epoch"
    frequency: int = 1


@dataclass(frozen=True)
class Configured:
    """What `configure_optimizers` gave."""

    optimizer: torch.optim.Optimizer
    schedules: tuple[Schedule, ...] = ()


def brings_training(model: nn.Module) -> bool:
    """Whether a model brings its own training."""
    return all(is_own(model, name) for name in OWN_PARTS)


def is_own(model: nn.Module, name: str) -> bool:
    """Whether a model has a method of the user's own by this name."""
    for kind in type(model).__mro__:
        if name in vars(kind):
            return kind.__module__.partition(".")[0] not in LIBRARIES
    return False


def loop_of(model: nn.Module) -> tuple[OwnLoop, Rates, str] | str:
    """The loop that a model brings with the rates of its optimizer, in words at last; or why it
    cannot be trained by it.
    """
    if not getattr(model, "automatic_optimization", True):
        return "it optimizes by itself (automatic_optimization = False)"
    others = [name for name in NOT_CALLED if is_own(model, name)]
    if others:
        return f"it has its own {others[0]}, which only Lightning's trainer calls"
    try:
        with unattached():
            found = configured(model)
    except user_faults() as problem:  # without a trainer it may raise anything
        return f"its configure_optimizers() raised {explain(problem)}"
    if isinstance(found, str):
        return found
    rates = Rates(highest_rate(found.optimizer), rates_of(found.optimizer).weight_decay)
    if rates.lr <= 0:
        return "its learning rate is 0"
    loop = OwnLoop(Training(rates), who=type(model).__name__)
    kind = type(found.optimizer).__name__
    names = [type(each.scheduler).__name__ for each in found.schedules]
    words = f"{kind} at lr {rates.lr:g}, weight decay {rates.weight_decay:g}"
    return loop, rates, ", ".join([words, *names])


def configured(model: Any) -> Configured | str:
    """The optimizer and schedules of a model; or why they cannot be used."""
    given = model.configure_optimizers()
    # All forms that Lightning takes become one dictionary.
    schedulers: list[Any] = []
    if isinstance(given, Mapping):
        optimizers = [given.get("optimizer")]
        schedulers = [given["lr_scheduler"]] if given.get("lr_scheduler") is not None else []
    elif isinstance(given, (tuple, list)):
        optimizers = list(given)
        if len(given) == 2 and isinstance(given[0], (tuple, list)):
            optimizers, schedulers = list(given[0]), list(given[1])
        elif len(given) == 1 and isinstance(given[0], Mapping):
            return "it gives a list of dictionaries of optimizers"
    else:
        optimizers = [given]
    if len(optimizers) != 1:
        return f"it has {len(optimizers)} optimizers"
    if not isinstance(optimizers[0], torch.optim.Optimizer):
        return f"its configure_optimizers() gave {type(optimizers[0]).__name__}, no optimizer"
    closure = inspect.signature(optimizers[0].step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        return f"{type(optimizers[0]).__name__} needs a closure for each step"

    schedules = []
    for each in schedulers:
        schedule = schedule_in(each)
        if isinstance(schedule, str):
            return schedule
        schedules.append(schedule)
    return Configured(optimizers[0], tuple(schedules))


def highest_rate(optimizer: torch.optim.Optimizer) -> float:
    """The largest rate of an optimizer's groups, whatever a schedule begins with."""
    keys = ("lr", "initial_lr", "max_lr")
    return max(float(group.get(key) or 0) for group in optimizer.param_groups for key in keys)


def schedule_in(given: Any) -> Schedule | str:
    """One scheduler as Lightning takes it; or why it cannot be used."""
    parts = dict(given) if isinstance(given, Mapping) else {"scheduler": given}
    scheduler, interval = parts.get("scheduler"), parts.get("interval", "epoch")
    # Lightning itself has a monitored value for these alone.
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        return "its ReduceLROnPlateau follows a value that only Lightning's trainer logs"
    if not hasattr(scheduler, "step") or interval not in ("step", "epoch"):
        return f"its lr_scheduler is {type(scheduler).__name__} with the interval {interval!r}"
    return Schedule(scheduler, interval, int(parts.get("frequency", 1)))


@dataclass(frozen=True)
class Training:
    """The loop of a model that brings its own training, as Lightning's trainer goes through it.

    Attributes:
        given: the rates that its optimizer has by itself; a trial multiplies them.
    """

    given: Rates

    def __call__(self, run: LoopRun) -> Iterator[None]:
        """Train, and yield after each epoch."""
        model: Any = run.model
        with unattached():
            found = configured(model)
        if isinstance(found, str):
            raise TypeError(found)
        optimizer, schedules = found.optimizer, found.schedules
        factor = run.lr / self.given.lr
        scale(optimizer, "weight_decay", run.weight_decay, self.given.weight_decay)
        state = run.state
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            for each, kept in zip(schedules, state["schedules"], strict=True):
                each.scheduler.load_state_dict(kept)

        steps = len(run.loader(run.train)) * run.epoch
        for epoch in range(run.epoch, run.epochs):
            model.train()
            hook(model, "on_train_epoch_start")
            for place, batch in enumerate(run.loader(run.train)):
                hook(model, "on_train_batch_start", batch, place)
                with unattached():
                    result = step_of(model, batch, place)
                # A step that gives nothing is left out.
                if result is not None:
                    loss = result["loss"] if isinstance(result, Mapping) else result
                    optimizer.zero_grad()
                    loss.backward()
                    step_at(factor, optimizer)
                steps += 1
                hook(model, "on_train_batch_end", result, batch, place)
                move(schedules, "step", steps)
            hook(model, "on_train_epoch_end")
            move(schedules, "epoch", epoch + 1)
            run.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedules": [each.scheduler.state_dict() for each in schedules],
                }
            )
            yield


def step_of(model: Any, batch: Any, place: int) -> Any:
    """What the model's own step gives, which may not ask for the number of the batch."""
    takes = len(inspect.signature(model.training_step).parameters)
    result: Tensor | Mapping[str, Tensor] | None
    result = model.training_step(batch, place) if takes > 1 else model.training_step(batch)
    return result


def move(schedules: tuple[Schedule, ...], interval: str, number: int) -> None:
    """Move the schedules that follow steps, or epochs."""
    for each in schedules:
        if each.interval == interval and number % each.frequency == 0:
            each.scheduler.step()


def hook(model: Any, name: str, *arguments: Any) -> None:
    """Call a method of the user's own, where the model has it."""
    if is_own(model, name):
        with unattached():
            getattr(model, name)(*arguments)


@contextmanager
def unattached() -> Iterator[None]:
    """While this is open, a module of Lightning's does not warn that it has no trainer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*`?self\.trainer`?.*")
        warnings.filterwarnings("ignore", message=r".*self\.log.*")
        yield
