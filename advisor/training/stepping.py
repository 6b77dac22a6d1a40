"""The optimizer steps of a training: gradients, clipping, the rate of a trial, the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError, explain, listing
from advisor.faults import is_out_of_memory
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.groups import parameter_groups
from advisor.training.hooks import after_step
from advisor.training.optimizers import missing_parameters
from advisor.training.run import Run
from advisor.training.schedules import step_schedule


class Stepping:
    """The optimizer of a run with what the recipe and the techniques do at each step.

    Attributes:
        optimizer: of the run.
        scheduler: moves its rates; None where they are constant.
        factor: what the schedule's rates are multiplied by at each step: the rate of the trial over
            that of the recipe. So a schedule that sets rates of its own is tuned as well.
        number: steps of the training until now.
    """

    def __init__(self, run: Run, lr: float, weight_decay: float, steps: int, epochs: int) -> None:
        recipe, lr = run.recipe, lr if run.rate is None else run.rate
        self.run, self.recipe = run, recipe
        self.steps, self.epochs = steps, epochs
        self.number, self._gathered = 0, 0
        scheduled = recipe.schedule is not None
        self.factor = lr / recipe.lr if scheduled else 1.0
        groups = parameter_groups(run)
        self.optimizer = run.optimizer(groups, recipe.lr if scheduled else lr, weight_decay)
        dropped = [
            name
            for name in missing_parameters(self.optimizer, groups)
            if name not in recipe.left_out
        ]
        if dropped:
            raise StoppedEarly(
                Ended.FAILED,
                f"the optimizer does not train {listing(dropped, 3)}, which a technique added: "
                "build it from the parameters that it is given",
            )
        self.scheduler = None
        if recipe.schedule is not None:
            self.scheduler = recipe.schedule(self.optimizer, steps, epochs)
        self._parameters = [each for group in groups for each in group["params"]]

    def take(self, loss: Tensor, mini_batches: int, is_last: bool, epoch: int) -> None:
        """The gradient of a mini-batch, and an optimizer step where as many as make one are there.

        Arguments:
            loss: of the mini-batch.
            mini_batches: that the step is made of.
            is_last: whether it is the last of them.
            epoch: counted from 0, for the hooks of techniques.
        """
        if not self._gathered:
            self.optimizer.zero_grad(set_to_none=True)
        (loss if mini_batches == 1 else loss / mini_batches).backward()
        self._gathered += 1
        if is_last:
            self._gathered = 0
            self.step(epoch)

    def step(self, epoch: int) -> None:
        """One step of the optimizer, and of a schedule that counts steps."""
        self.clip()
        step_at(self.factor, self.optimizer)
        self.moved(epoch)

    def clip(self) -> None:
        """Bound the gradient, where the recipe does."""
        if self.recipe.clip_value is not None:
            nn.utils.clip_grad_value_(self._parameters, self.recipe.clip_value)
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip)

    def moved(self, epoch: int) -> None:
        """Count a step that the optimizer has made, and do what comes after it."""
        self.number += 1
        self._move_schedule("steps", self.number, self.steps)
        after_step(self.run, self.number, epoch, self.optimizer)

    def end_epoch(self, epoch: int, loss: float) -> None:
        """Move a schedule that counts epochs; `epoch` is counted from 0."""
        self._move_schedule("epochs", epoch + 1, self.epochs, loss)

    def _move_schedule(self, each: str, number: int, total: int, loss: float = 0.0) -> None:
        """Move a schedule that counts `each`, steps or epochs, to the number-th of a total."""
        schedule = self.recipe.schedule
        if schedule is None or schedule.each != each:
            return
        try:
            step_schedule(self.scheduler, schedule, number, total, loss)
        except InputError as problem:
            raise StoppedEarly(Ended.FAILED, str(problem)) from problem

    def _parts(self) -> dict[str, Any]:
        """All that has a state, by what it is called in the saved one."""
        parts = {"model": self.run.model, "optimizer": self.optimizer}
        if self.scheduler is not None:
            parts["scheduler"] = self.scheduler
        kept = {f"keep {name}": each for name, each in self.run.keep.items()}
        return {**parts, **kept}

    def state(self) -> dict[str, Any]:
        """All that a training goes on from."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        return {**states, "steps": self.number}

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Put the model, its optimizer and the rest into a saved state.

        Raises `StoppedEarly` where it is that of another model.
        """
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
        except Exception as problem:  # a model or an optimizer of the user's own may raise anything
            if is_out_of_memory(problem):
                raise
            raise StoppedEarly(
                Ended.FAILED,
                "the same seed gave another model than when this training was begun, which its "
                f"saved state does not fit: {explain(problem)}",
            ) from problem
        self.number = int(state.get("steps", 0))


def step_at(factor: float, optimizer: torch.optim.Optimizer) -> None:
    """One step of an optimizer at so many times its rates, which a schedule goes on from."""
    groups = optimizer.param_groups
    if factor == 1.0:
        optimizer.step()
        return
    rates = [group["lr"] for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate * factor
    optimizer.step()
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
