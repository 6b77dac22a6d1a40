"""The pilot: how long the model as it is must be trained before it stops improving."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from advisor.model.anatomy import Layer
from advisor.model.call import call
from advisor.nested import tensors_in
from advisor.randomness import isolated, mix
from advisor.search.plan import RATE, Plan, rungs_of
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.metrics import Metric
from advisor.training.run import EXAMPLE_ROWS
from advisor.work.job import Job, Outcome, work
from advisor.work.prepare import Prepared

STRETCH = 4
"""The pilot goes to at most this many times the usual number of epochs."""
SECONDS = 10.0
"""It goes to no longer trainings than this, by an estimate that is the same on every machine."""
SPEEDS = {"conv": 5e9, "conv_transpose": 5e9}
"""Floating-point operations a second of a laptop's core in layers of these kinds."""
SPEED = 3e10
"""Floating-point operations a second of a laptop's core in all other layers."""
CALL_SECONDS = 1e-4
"""What a layer costs in a step, however small it is."""
TRAININGS = 40
"""Full trainings that a time limit must have room for; epochs are cut so that it does."""


def pilot(prepared: Prepared, plan: Plan, folder: Path, workers: int) -> tuple[Plan, Outcome]:
    """The plan with as many epochs as the model as it is needs, and the training that showed it.

    That training is the first trial's. The number of epochs is doubled while the second half of a
    training still brings a gain worth having, and a training stays short enough to try many. A
    study with a time limit gets fewer epochs where that leaves too few trainings. A number that the
    user gave is kept.
    """
    began = time.perf_counter()
    epochs = prepared.epochs
    is_given = prepared.study.epochs is not None
    job = _first_job(prepared, plan, folder, epochs)
    outcome = work(job)
    if outcome.ended == Ended.NOT_FINITE:
        # It may train at a lower rate, which the search will find; else nothing can.
        lower = {**job.params, RATE: job.params[RATE] / 10}
        if work(replace(job, params=lower)).ended:
            outcome.ended = Ended.FAILED

    most = float(epochs)
    if not is_given:
        most *= max(1.0, min(STRETCH, SECONDS / estimate(prepared, epochs)))
    elapsed = time.perf_counter() - began
    affordable = _affordable(prepared, workers, elapsed, len(outcome.curve))
    metric = prepared.objective.metric
    while 2 * epochs <= min(most, affordable) and still_improves(metric, outcome, epochs):
        save = str(folder / f"pilot-{2 * epochs}.pt")
        job = replace(job, from_epoch=epochs, to_epoch=2 * epochs, load=job.save, save=save)
        epochs *= 2
        more = work(job)
        outcome.curve += more.curve
        outcome.costs["training"] += more.costs["training"]
        outcome.ended, outcome.why = more.ended, more.why

    if not is_given:
        epochs = max(1, min(epochs, affordable))
    outcome.curve = outcome.curve[:epochs]
    return replace(plan, rungs=rungs_of(epochs, prepared.steps)), outcome


def _first_job(prepared: Prepared, plan: Plan, folder: Path, epochs: int) -> Job:
    """The training of the first trial: the model as it is, at its first parameters."""
    seed = prepared.study.seed
    return Job(
        study=prepared.ref,
        opening=prepared.opening,
        params={**plan.baseline, **plan.defaults_of(plan.baseline)},
        seed=mix(seed, "search"),
        split=seed,
        batch=plan.batch,
        from_epoch=0,
        to_epoch=epochs,
        save=str(folder / f"pilot-{epochs}.pt"),
        device=str(prepared.device),
    )


def still_improves(metric: Metric, outcome: Outcome, epochs: int) -> bool:
    """Whether the second half of a training of `epochs` epochs brought a gain worth having."""
    if outcome.ended or len(outcome.curve) < epochs:
        return False
    return gains_in_second_half(metric, outcome.curve, epochs)


def gains_in_second_half(metric: Metric, curve: list[Epoch], epochs: int) -> bool:
    """Whether the score after `epochs` is better than after half of them by what is worth having.

    The score itself counts also where arms are compared by the epochs to a score: they need room to
    reach it.
    """
    if epochs < 2:
        return False
    criterion = Criterion(metric)
    half, whole = criterion.score(curve, epochs // 2), criterion.score(curve, epochs)
    return criterion.sign * (whole - half) > criterion.worth(half)


def estimate(prepared: Prepared, epochs: int) -> float:
    """Seconds of a training on a laptop's core, by counting operations.

    It is the same every time, and right to a factor of a few.
    """
    seed = prepared.study.seed
    run = prepared.run(seed, seed)
    rows = min(EXAMPLE_ROWS, len(run.data.train))
    seconds_a_row = 0.0
    calls = 0

    def count(layer: Layer) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            nonlocal seconds_a_row, calls
            tensor = next(tensors_in(output), None)
            if tensor is None:
                return
            # Forward and backward take six operations for each weight at each place of the output.
            channels = tensor.shape[1 if layer.kind in SPEEDS else -1]
            weights = sum(p.numel() for p in layer.module.parameters(recurse=False))
            operations = 6 * weights * tensor.numel() / channels / rows
            seconds_a_row += operations / SPEEDS.get(layer.kind, SPEED)
            calls += 1

        return hook

    handles = []
    for layer in run.anatomy.layers:
        if layer.callable and layer.kind not in ("embedding", "norm"):
            handles.append(layer.module.register_forward_hook(count(layer)))
    with torch.no_grad(), isolated(0):
        call(run.model.eval(), run.example())
    for handle in handles:
        handle.remove()

    overhead = prepared.steps * calls * CALL_SECONDS
    return epochs * (prepared.facts.sizes["train"] * seconds_a_row + overhead)


def _affordable(prepared: Prepared, workers: int, seconds: float, epochs: int) -> int:
    """Epochs of a training that a time limit has room for, where `epochs` took `seconds`.

    A very large number without a limit.
    """
    minutes = prepared.study.minutes
    if minutes is None or not epochs:
        return 10**9
    seconds_each = 60 * minutes * workers / TRAININGS
    return max(1, int(seconds_each / (seconds / epochs)))
