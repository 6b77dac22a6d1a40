"""The pilot: how long the model as it is must be trained before it stops improving."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from advisor.model import Layer, call
from advisor.nested import tensors_in
from advisor.randomness import isolated, mix
from advisor.search.plan import RATE, Plan, rungs_of
from advisor.training.criterion import Criterion
from advisor.training.run import EXAMPLE_ROWS
from advisor.work.job import Job, Outcome, work
from advisor.work.prepare import Prepared

STRETCH = 4
"""The pilot goes to at most this many times the usual number of epochs,"""
SECONDS = 10.0
"""and to no longer trainings than this, by an estimate that is the same on every machine."""
SPEEDS = {"conv": 5e9, "conv_transpose": 5e9}
SPEED = 3e10
"""Floating-point operations a second of a laptop's core: in convolutions, and in everything else.
"""
CALL = 1e-4
"""Seconds that a layer costs in a step, however small it is."""
TRAININGS = 40
"""Full trainings that a study with a time limit must have room for; its epochs are cut so that it
does.
"""


def pilot(shared: Prepared, plan: Plan, folder: Path, workers: int) -> tuple[Plan, Outcome]:
    """The plan with as many epochs as the model as it is needs, and the training that showed it,
    which is the first trial's.

    The number is doubled while the second half of a training still brings a gain worth having, and
    a training stays short enough to try many. A study with a time limit gets fewer epochs where
    that leaves too few trainings. Numbers that the user gave are kept.
    """
    began, epochs = time.perf_counter(), shared.epochs
    job = first_job(shared, plan, folder, epochs)
    outcome = work(job)
    if (
        outcome.ended == "hopeless"
    ):  # it may train at a lower rate, which the search will find; else nothing can
        lower = work(replace(job, params={**job.params, RATE: job.params[RATE] / 10}))
        outcome.ended = "failed" if lower.ended else outcome.ended
    stretch = min(STRETCH, SECONDS / estimate(shared, epochs))
    most = epochs if shared.study.epochs else max(1.0, stretch) * epochs
    affordable = _affordable(shared, workers, time.perf_counter() - began, len(outcome.curve))
    while 2 * epochs <= min(most, affordable) and improving(shared, outcome, epochs):
        job = replace(
            job,
            from_epoch=epochs,
            to_epoch=2 * epochs,
            load=job.save,
            save=str(folder / f"pilot-{2 * epochs}.pt"),
        )
        epochs *= 2
        more = work(job)
        outcome.curve += more.curve
        outcome.costs["training"] += more.costs["training"]
        outcome.ended, outcome.why = more.ended, more.why
    if not shared.study.epochs:
        epochs = max(1, min(epochs, affordable))
    outcome.curve = outcome.curve[:epochs]
    return replace(plan, rungs=rungs_of(epochs, shared.steps)), outcome


def first_job(shared: Prepared, plan: Plan, folder: Path, epochs: int) -> Job:
    """The training of the first trial: the model as it is, at the first values of all parameters."""
    return Job(
        question=shared.question,
        params={**plan.baseline, **plan.defaults_of(plan.baseline)},
        seed=mix(shared.study.seed, "search"),
        split=shared.study.seed,
        batch=plan.batch,
        from_epoch=0,
        to_epoch=epochs,
        save=str(folder / f"pilot-{epochs}.pt"),
        device=str(shared.device),
    )


def improving(shared: Prepared, outcome: Outcome, epochs: int) -> bool:
    """Whether the second half of a training brought a gain worth having."""
    if outcome.ended or len(outcome.curve) < epochs or epochs < 2:
        return False
    curve = outcome.curve
    goal = Criterion(
        shared.objective.metric
    )  # also where arms race: they need room to reach a score
    half, whole = goal.score(curve, epochs // 2), goal.score(curve, epochs)
    return goal.sign * (whole - half) > goal.worth(half)


def estimate(shared: Prepared, epochs: int) -> float:
    """Seconds of a training on a laptop's core, by counting operations: deterministic, and right to
    a factor of a few.
    """
    run = shared.run(shared.study.seed, shared.splits(shared.study.seed))
    rows, seconds, calls = min(EXAMPLE_ROWS, len(run.data.train)), 0.0, 0

    def count(layer: Layer) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            nonlocal seconds, calls
            tensor = next(tensors_in(output), None)
            if tensor is not None:
                channels = tensor.shape[1 if layer.kind in SPEEDS else -1]
                weights = sum(p.numel() for p in layer.module.parameters(recurse=False))
                seconds += (
                    6 * weights * tensor.numel() / channels / rows / SPEEDS.get(layer.kind, SPEED)
                )
                calls += 1

        return hook

    heavy = [
        layer
        for layer in run.anatomy.layers
        if layer.kind not in ("embedding", "norm") and layer.callable
    ]
    handles = [layer.module.register_forward_hook(count(layer)) for layer in heavy]
    with torch.no_grad(), isolated(0):
        call(run.model.eval(), run.example())
    for handle in handles:
        handle.remove()
    return epochs * (shared.facts.sizes["train"] * seconds + shared.steps * calls * CALL)


def _affordable(shared: Prepared, workers: int, seconds: float, epochs: int) -> int:
    """Epochs of a training that a time limit has room for; a very large number without one."""
    if shared.study.minutes is None or not epochs:
        return 10**9
    return max(1, int(60 * shared.study.minutes * workers / TRAININGS / (seconds / epochs)))
