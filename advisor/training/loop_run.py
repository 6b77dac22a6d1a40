"""What a training loop of the user's own is given, and tells after each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from torch import nn

from advisor.data import Part
from advisor.errors import explain
from advisor.model import call
from advisor.randomness import mix, preserved
from advisor.training.ended import Ended, Stop, StoppedEarly
from advisor.training.epoch import Epoch, number_in
from advisor.training.loop import TrainingSettings, evaluate
from advisor.training.loop_state import plain_fault, random_states, set_random_states
from advisor.training.metrics import LARGEST_SCORE
from advisor.training.objective import to_device
from advisor.training.rows import Loader, SplitRows, other_loader, rows_of
from advisor.training.run import Run

LOSS_ROWS = 64
"""Validation rows whose loss stands in the curve of a loop that scores itself, at most."""


class Paused(Exception):  # noqa: N818  # not an error: the training goes on in another job
    """A training has come to the epoch that was asked for, and its state is kept."""


class LoopRun:
    """The run, as a training loop of the user's own sees it.

    Attributes:
        model: to train, on `device`, with the techniques applied. A loop that trains another object
            puts it here.
        train, valid: rows `(x, y)`, torch Datasets.
        loss: `(output, target) -> scalar tensor`, that of the task.
        batch: rows in a mini-batch.
        epochs: of a full training.
        epoch: epochs that are over; above 0 at the beginning of a training that goes on.
        device: where the model is.
        generator: draws the order of the rows in `loader`; anything may be drawn from it.
        seed: of the run; all arms of one seed share it.
    """

    def __init__(
        self,
        run: Run,
        settings: TrainingSettings,
        valid: Part,
        who: str,
        ended: Callable[[Epoch, bool], object],
        cut: Callable[[int], str] | None = None,
    ) -> None:
        self.train, self.valid = SplitRows(run.data.train, True), SplitRows(valid, False)
        self.batch, self.seed = settings.batch, run.seed
        self.epochs = settings.epochs or settings.to_epoch
        self.epoch = settings.from_epoch
        self.device = run.device
        self.generator = torch.Generator().manual_seed(mix(run.seed, "fit", "order"))
        self.asked: set[str] = set()
        self.over: Exception | None = None
        self.is_scored_here: bool | None = None
        self.draws_training_rows = self.saves = self.reported = self.took_loss = False

        self._run, self._settings, self._who = run, settings, who
        self._ended, self._cut = ended, cut
        self._saved: Mapping[str, Any] | None = None
        self._has_gone_on = settings.state is None
        self._since = time.perf_counter()
        self.freeze()

    # --- what a loop asks for -----------------------------------------------------------------

    @property
    def model(self) -> nn.Module:
        """The model to train."""
        return self._run.model

    @model.setter
    def model(self, model: nn.Module) -> None:
        """Say that another object is trained in its place."""
        self._run.model = model

    @property
    def loss(self) -> Callable[[Any, torch.Tensor], torch.Tensor]:
        """The loss of the task, as the techniques have changed it."""
        self.took_loss = True
        return self._run.loss

    @property
    def lr(self) -> float:
        """The learning rate of this trial; a loop that never asks for it is not tuned."""
        self.asked.add("lr")
        return self._settings.lr

    @property
    def weight_decay(self) -> float:
        """The weight decay of this trial, likewise."""
        self.asked.add("weight_decay")
        return self._settings.weight_decay

    def loader(self, dataset: Any, batch: int | None = None, shuffle: bool | None = None) -> Any:
        """Mini-batches of a dataset; rows to train on are shuffled, if nothing else is said.

        Training rows come with the study's augmentation, and as techniques change them. They are on
        the run's device.
        """
        found = rows_of(dataset)
        is_training = found is not None and found[0].is_training
        order = self.generator if (is_training if shuffle is None else shuffle) else None
        if found is None:
            return other_loader(dataset, batch or self.batch, order)
        self.draws_training_rows |= is_training
        rows, index = found
        return Loader(self._run, rows, index, batch or self.batch, order, lambda: self.epoch)

    # --- what a loop tells ----------------------------------------------------------------------

    def report(self, score: Any = None) -> None:
        """Say that an epoch is over, with its score on the validation rows; without one the model
        is scored.

        Raises:
            Stop: the training need not go on.
        """
        with self._stopping():
            self._take(score)

    def save(self, state: Mapping[str, Any]) -> None:
        """Give what the training goes on from after this epoch, before the epoch is reported.

        `state` is a dictionary of tensors, numbers and texts, such as of `state_dict()`s.
        """
        with self._stopping():
            fault = plain_fault(state)
            if not isinstance(state, Mapping) or fault:
                self._refuse(
                    f"run.save(…) was given {fault or type(state).__name__}; give a dictionary of "
                    "tensors, numbers and texts, such as {'model': model.state_dict()}"
                )
            if self.reported and not self.saves:
                self._refuse_unsaved(self.epoch)
            self._saved, self.saves = state, True

    @property
    def state(self) -> Mapping[str, Any] | None:
        """What `save` was given after the last epoch, or None at the beginning of a training.

        Reading it puts the random states back, too.
        """
        state = self._settings.state
        if state is None:
            return None
        self._has_gone_on = True
        set_random_states(state["random"], self.generator)
        return dict(state["loop"])

    # --- inside ---------------------------------------------------------------------------------

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stop the loop by whatever is raised inside; one that went on is stopped again."""
        if self.over is None:
            try:
                yield
            except Exception as problem:
                self.over = problem
        if self.over is not None:
            raise Stop(str(self.over) or explain(self.over)) from self.over

    def _take(self, score: Any) -> None:
        """Note an epoch. Raises what ends the training."""
        number = self.epoch + 1
        self._check(number)
        value = self._value(score)
        with undisturbed(self._run):
            value, loss = self._scored() if value is None else (value, self._loss_now())
            seconds = time.perf_counter() - self._since
            self._ended(Epoch(number, value, loss, seconds), bool(self.is_scored_here))
        self.epoch, self.reported = number, True
        self.freeze()
        self._go_on_or_end(number)
        self._saved, self._since = None, time.perf_counter()

    def _go_on_or_end(self, number: int) -> None:
        """End a training that need not go on, or has come to its epoch."""
        why = self._cut(number) if self._cut is not None else ""
        if why:
            raise StoppedEarly(Ended.OUTRANKED, why)
        if number == self._settings.to_epoch < self.epochs:
            self._keep()
            raise Paused(f"epoch {number} was asked for")

    def _check(self, number: int) -> None:
        """Refuse an epoch that cannot be."""
        if number > self.epochs:
            self._refuse(
                f"it reported more than the {self.epochs} epochs that it was asked for: one "
                "score after each epoch, and run.epochs of them; Study(epochs=…) says how many"
            )
        if not self._has_gone_on:
            self._refuse(
                "it saves its state and does not go on from it: where run.state is not None, load "
                "it, and begin with the epoch run.epoch"
            )
        if self.saves and self._saved is None:
            self._refuse_unsaved(number)

    def _refuse_unsaved(self, number: int) -> NoReturn:
        self._refuse(
            f"epoch {number} was reported without run.save(…): save after every epoch, before it "
            "is reported"
        )

    def _value(self, score: Any) -> float | None:
        """A score as a number, *as the metric counts*; None where the model is to be scored."""
        if self.is_scored_here is None:
            self.is_scored_here = score is None
        if self.is_scored_here != (score is None):
            self._refuse("it gave a score after one epoch and none after another: give all or none")
        if score is None:
            return None
        value = number_in(score)
        if value is None:
            self._refuse(
                f"it reported {_short(score)} as the score of an epoch: report one number, or "
                "nothing to have the model scored"
            )
        self._check_value(value)
        return value

    def _check_value(self, value: float) -> None:
        """Refuse a score that cannot be one."""
        metric = self._run.objective.metric
        if not math.isfinite(value) or abs(value) > LARGEST_SCORE:
            sentence = f"the {metric.name} that {self._who} reported became {value}"
            raise StoppedEarly(Ended.NOT_FINITE, sentence)
        if metric.most is not None and value > metric.most:
            self._refuse(
                f"it reported {value:g}, and {metric.name} is never above 1: report a share, not "
                "a percentage, or say what it is with Task(metric=…)"
            )

    def _scored(self) -> tuple[float, float]:
        """The score of the model, and its loss on the first rows that are scored together."""
        losses: list[float] = []

        def note(output: Any, target: torch.Tensor) -> None:
            losses.append(self._finite(self._run.loss(output, target)))

        value = evaluate(self._run, self.valid.part, self.batch, note)
        return value, losses[0]

    @torch.no_grad()
    def _loss_now(self) -> float:
        """The loss on the first validation rows, which tells trainings with equal scores apart."""
        part = self.valid.part
        index = torch.arange(min(LOSS_ROWS, len(part)))
        inputs, target = to_device(part.take(index), self._run.device)
        self._run.model.eval()
        return self._finite(self._run.loss(call(self._run.model, inputs), target))

    def _finite(self, loss: torch.Tensor) -> float:
        """A loss as a number. Raises `StoppedEarly` where it is none."""
        value = float(loss)
        if not math.isfinite(value):
            sentence = f"the loss on the validation rows became {value}"
            raise StoppedEarly(Ended.NOT_FINITE, sentence)
        return value

    def _keep(self) -> None:
        """Write what the training goes on from."""
        if self._settings.save is None or self._saved is None:
            return
        kept = {name: each.state_dict() for name, each in self._run.keep.items()}
        random = random_states(self.generator)
        self._settings.save.write({"loop": dict(self._saved), "random": random, "keep": kept})

    def freeze(self) -> None:
        """Let those parameters train whose epoch has come."""
        # A parameter that waits for its epoch has no gradient, so no optimizer moves it.
        for parameter, share in self._run.later:
            parameter.requires_grad_(self.epoch >= math.ceil(share * self.epochs))

    def _refuse(self, what: str) -> NoReturn:
        raise StoppedEarly(Ended.FAILED, f"{self._who}: {what}")


@contextmanager
def undisturbed(run: Run) -> Iterator[None]:
    """Score the model where it is, and leave it, and all random states, as the loop has them."""
    modes = [(module, module.training) for module in nn.Module.modules(run.model)]
    # A framework may have moved the model.
    for parameter in nn.Module.parameters(run.model):
        run.device = parameter.device
        break
    try:
        with preserved():
            yield
    finally:
        for module, is_training in modes:
            module.training = is_training


def _short(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, (str, bool)) else type(value).__name__
