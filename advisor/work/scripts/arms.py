"""What `advisor.arm()` gives a script in a worker: checks what the script says, and notes it."""

from __future__ import annotations

import math
import numbers
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from advisor.errors import InputError
from advisor.script import Arm
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.epoch import Epoch, number_in
from advisor.training.metrics import LARGEST_SCORE
from advisor.user_code import place_of
from advisor.values import shown
from advisor.work.scripts.running import ScriptEnded

MOST_ROWS = 10**8
"""The largest number of a row."""


class WorkingArm(Arm):
    """An arm that a command runs. The script is ended where it says what it must not.

    Attributes:
        problem: why the script was ended; None where it was not, or has done all that is needed.
        first_rate, first_decay: those that the script asked with first; None where it did not ask.
        curve: the epochs that it has reported.
        given: what it has said of rows, after an epoch each.
    """

    def __init__(self, seed: int, scored: int, epochs: int | None) -> None:
        self.seed, self.scored = seed, scored
        self.problem: BaseException | None = None
        self.first_rate: float | None = None
        self.first_decay: float | None = None
        self.curve: list[Epoch] = []
        self.given: list[tuple[Tensor, Tensor]] = []
        self.is_applied = False
        self._epochs = epochs
        self._since = time.perf_counter()

    def apply(self, model: Any, batch: Any) -> Any:
        """The model with the techniques of this arm."""
        with self._ends_at_faults("arm.apply(model, batch)"):
            if self.is_applied:
                raise InputError(
                    "it is called a second time; call it once, for the model that is trained"
                )
            if not isinstance(model, nn.Module):
                raise InputError(
                    f"the model is of the class {type(model).__name__}; give a torch.nn.Module"
                )
            self.is_applied = True
            changed = self.changed(model, batch)
            self._since = time.perf_counter()
            return changed

    def changed(self, model: nn.Module, batch: Any) -> nn.Module:
        """The model of this arm."""
        del batch
        return model

    def lr(self, given: float) -> float:
        """The learning rate of this trial."""
        with self._ends_at_faults(f"arm.lr({shown(given)})"):
            rate = one_number(given)
            if not 0 < rate < math.inf:
                raise InputError("give the learning rate that you use, a number above 0")
            if self.first_rate is None:
                self.first_rate = rate
            return rate * self.rate_factor(self.first_rate)

    def rate_factor(self, first: float) -> float:
        """What this trial multiplies rates by, of which `first` is the one asked with first."""
        del first
        return 1.0

    def weight_decay(self, given: float) -> float:
        """The weight decay of this trial."""
        with self._ends_at_faults(f"arm.weight_decay({shown(given)})"):
            decay = one_number(given)
            if not 0 <= decay < math.inf:
                raise InputError("give the weight decay that you use, 0 or more")
            if self.first_decay is None:
                self.first_decay = decay
            return decay * self.decay_factor(self.first_decay)

    def decay_factor(self, first: float) -> float:
        """The same of weight decays."""
        del first
        return 1.0

    def epochs(self, given: int) -> int:
        """How many epochs to train."""
        with self._ends_at_faults(f"arm.epochs({shown(given)})"):
            if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
                raise InputError("give the number of epochs that you train, 1 or more")
            return int(given) if self._epochs is None else self._epochs

    def report(self, score: Any) -> None:
        """Note the score after an epoch."""
        with self._ends_at_faults(f"arm.report({shown(score)})"):
            value = one_number(score)
            if not math.isfinite(value) or abs(value) > LARGEST_SCORE:
                told = f"the score became {value:g} in epoch {len(self.curve) + 1}"
                raise StoppedEarly(Ended.NOT_FINITE, told)
            now = time.perf_counter()
            seconds, self._since = now - self._since, now
            # A script says no training loss; what is compared is its score.
            self.curve.append(Epoch(len(self.curve) + 1, value, value, seconds))
            self.reported()

    def reported(self) -> None:
        """Called after each epoch."""

    def rows(self, values: Any, numbers: Any = None) -> None:
        """Note what each measured row adds to the score."""
        with self._ends_at_faults("arm.rows(values)"):
            column = column_of(values, "values").double()
            if not bool(column.isfinite().all()):
                raise StoppedEarly(Ended.NOT_FINITE, "arm.rows(values): a value is not finite")
            named = torch.arange(len(column))
            if numbers is not None:
                named = column_of(numbers, "numbers").long()
                if len(named) != len(column) or len(named.unique()) != len(named):
                    raise InputError("give each row a number of its own, as many as values")
                if int(named.min()) < 0 or int(named.max()) > MOST_ROWS:
                    raise InputError(f"the numbers of rows are from 0 to {MOST_ROWS}")
            if self.scored:
                self.given.append((column, named))

    def end(self, problem: BaseException | None = None) -> NoReturn:
        """End the script, by whatever it was ended before."""
        self.problem = self.problem or problem
        raise ScriptEnded

    @contextmanager
    def _ends_at_faults(self, call: str) -> Iterator[None]:
        """End the script where the block raises; a wrong call is told with its line."""
        if self.problem is not None:  # the script has caught what was to end it
            raise ScriptEnded
        place = place_of(sys._getframe(3)).removeprefix("<module>, ")
        try:
            yield
        except InputError as problem:
            self.end(InputError(f"{place}, {call}: {problem}."))
        except Exception as problem:  # techniques may raise anything
            self.end(problem)


def one_number(value: Any) -> float:
    """A number, also in a tensor or an array of one. Raises `InputError` for anything else."""
    number = number_in(value)
    if number is None:
        raise InputError("give one number")
    return number


def column_of(values: Any, name: str) -> Tensor:
    """One number for each row, from a tensor, an array or a list. Raises `InputError` for anything
    else.
    """
    try:
        given = values.detach().cpu() if isinstance(values, Tensor) else np.asarray(values)
        column = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InputError(f"{name} is {shown(values)}; give one number for each row") from problem
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or not len(column) or column.is_complex():
        shape = tuple(column.shape)
        raise InputError(f"{name} has the shape {shape}; give one number for each row, (N,)")
    return column
