"""How long a training takes, by a few of its steps."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from advisor.data import Part
from advisor.model import call
from advisor.randomness import isolated, mix
from advisor.training.batches import mini_batches, whole_batches
from advisor.training.hooks import scoring
from advisor.training.loop import TrainingSettings, loss_of
from advisor.training.objective import to_device
from advisor.training.quick_layers import QuickLayers
from advisor.training.run import Run
from advisor.training.stepping import Stepping

FIRST_STEPS = 2
"""Steps that are not counted: in them memory is taken and code is loaded."""
MOST_STEPS = 10
"""Steps that are measured, at most."""
LONGEST = 3.0
"""Seconds after which no further step is measured."""


@dataclass(frozen=True)
class Timed:
    """What a few steps of a training took.

    Attributes:
        step: seconds of a step on a mini-batch.
        scored: seconds of scoring a batch of validation rows.
        steps: how many were measured.
        epoch: seconds of an epoch that follow from them.
    """

    step: float
    scored: float
    steps: int
    epoch: float


def timed_steps(run: Run, valid: Part, settings: TrainingSettings) -> Timed:
    """Measure a few steps of a run, whose model is changed by them.

    Arguments:
        run: a training that begins.
        valid: the rows that are scored after each epoch.
        settings: how it is trained.

    Raises:
        StoppedEarly: the optimizer does not fit the model.
    """
    run.model.to(run.device).train()
    batch = settings.batch
    with isolated(mix(run.seed, "timing")):
        order = whole_batches(torch.randperm(len(run.data.train)), batch)
        batches = order.split(batch)
        # A schedule is as long as it will be, and no further step is taken.
        total, epochs = settings.to_epoch * len(batches), settings.to_epoch
        stepping = Stepping(run, settings.lr, settings.weight_decay, total, epochs)
        quick = QuickLayers(run.model)

        def one_step(number: int) -> None:
            """One mini-batch forward and backward, and a step."""
            index = batches[number % len(batches)]
            (taken,) = mini_batches(run.data.train, index, batch, run.device)
            stepping.take(loss_of(run, run.model, taken, 0, number, quick), 1, True, 0)

        steps = seconds_of(one_step, total)
        scored = seconds_of(lambda number: score_once(run, valid, batch, number), MOST_STEPS)
    step, each = statistics.median(steps), statistics.median(scored)
    epoch = len(batches) * step + math.ceil(len(valid) / batch) * each
    return Timed(step, each, len(steps), epoch)


def score_once(run: Run, valid: Part, batch: int, number: int) -> None:
    """Let the model answer one batch of the rows that are scored."""
    batches = torch.arange(len(valid)).split(batch)
    with scoring(run), torch.inference_mode():
        run.model.eval()
        inputs, target = to_device(valid.take(batches[number % len(batches)]), run.device)
        run.objective.answer(call(run.model, inputs), target)


def seconds_of(do: Callable[[int], None], most: int) -> list[float]:
    """How long something takes each time that it is done, as often as there is time for.

    `do` is called with how often it was done before, at most `most` times. What is slow counts from
    its first time on.
    """
    began, seconds = time.perf_counter(), []
    for number in range(min(most, FIRST_STEPS + MOST_STEPS)):
        before = time.perf_counter()
        do(number)
        now = time.perf_counter()
        seconds.append(now - before)
        if now - began > LONGEST:
            break
    return seconds[FIRST_STEPS:] or seconds[-1:]
