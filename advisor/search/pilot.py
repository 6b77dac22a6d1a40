"""The pilot: how long the model as it is must be trained before it stops improving."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from optuna.distributions import FloatDistribution
from torch import nn

from advisor.model.anatomy import Layer
from advisor.model.call import call
from advisor.model.handwritten import called
from advisor.nested import tensors_in
from advisor.randomness import isolated, mix
from advisor.search.arm import Skip
from advisor.search.limits import asked_seconds, trial_name
from advisor.search.plan import NUISANCE, RATE, Plan, rungs_of, why_unfit
from advisor.training.by_loop import LoopFacts
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.hooks import HOOKS
from advisor.training.metrics import Metric
from advisor.training.run import EXAMPLE_ROWS
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.prepare import Prepared

STRETCH = 4
"""The pilot goes to at most this many times the usual number of epochs."""
SECONDS = 10.0
"""It stops before a training would take longer than this many seconds, by an estimate that is the
same on every machine.
"""
SPEEDS = {"conv": 5e9, "conv_transpose": 5e9}
"""Floating-point operations a second of a laptop's core in layers of these kinds."""
SPEED = 3e10
"""Floating-point operations a second of a laptop's core in all other layers."""
CALL_SECONDS = 1e-4
"""What a layer costs in a step, however small it is."""
TRAININGS = 40
"""Full trainings that a time limit must have room for; epochs are cut so that it does."""


def pilot(
    prepared: Prepared, plan: Plan, folder: Path, crew: Crew, seconds: float = math.inf
) -> tuple[Plan, Outcome]:
    """The plan with as many epochs as the model as it is needs, and the training that showed it.

    That training is the first trial's. The number of epochs is doubled while the second half of a
    training still brings a gain worth having, and a training stays short enough to try many. A
    study with a time limit gets fewer epochs where that leaves too few trainings. A number that the
    user gave is kept.

    Arguments:
        prepared: the study, opened.
        plan: what is searched; its number of epochs is a first one.
        folder: for the training states.
        crew: runs the training.
        seconds: that a training may take in a study with a time limit.
    """
    began = time.perf_counter()
    job = first_job(prepared, plan, folder)
    outcome = first_training(job, crew)
    epochs = prepared.epochs
    # A number that the user gave is kept.
    if prepared.study.epochs is None:
        most = longest_training(prepared)
        elapsed = time.perf_counter() - began
        affordable = affordable_epochs(seconds, elapsed, len(outcome.curve))
        metric = prepared.objective.metric
        lengthen = train_longer_anew if lasts_a_training(prepared) else train_longer
        epochs = lengthen(metric, job, outcome, folder, min(most, affordable), crew)
        epochs = max(1, min(epochs, affordable))

    # A schedule lasts as long as a training, so that a part of one is no shorter training.
    if lasts_a_training(prepared) and epochs < len(outcome.curve):
        outcome = first_training(replace(job, to_epoch=epochs), crew)
    outcome.curve = outcome.curve[:epochs]
    rungs = rungs_of(epochs, prepared.steps)
    plan = with_loop(replace(plan, rungs=rungs), outcome.loop)
    if outcome.loop is not None:
        plan = without_unheard(plan, prepared, outcome.loop.honours)
    return plan, outcome


def lasts_a_training(prepared: Prepared) -> bool:
    """Whether a training depends on its length from its first step on."""
    return prepared.recipe.schedule is not None or prepared.loop is not None


def with_loop(plan: Plan, loop: LoopFacts | None) -> Plan:
    """The plan with what the first training showed of the user's own loop.

    A rate that the loop never reads is not searched. Where the loop cannot go on from a state, each
    trial is trained in one go.
    """
    if loop is None:
        return plan
    space = dict(plan.space)
    for name in NUISANCE:
        if name.partition(".")[2] not in loop.asked:
            space[name] = FloatDistribution(plan.first[name], plan.first[name])
    if loop.saves:
        return replace(plan, space=space)
    return replace(plan, space=space, rungs=plan.rungs[-1:], cut_at=plan.rungs[:-1])


def without_unheard(plan: Plan, prepared: Prepared, honours: frozenset[str]) -> Plan:
    """The plan without techniques that set hooks which the user's own loop does not use."""
    if honours.issuperset(HOOKS):
        return plan
    seed = prepared.study.seed
    run = prepared.run(seed, seed)
    run.honours = honours
    options, skipped = dict(plan.options), list(plan.skipped)
    for slot, name in plan.techniques:
        technique = prepared.host.find(slot, name)
        why = None if technique is None else why_unfit(technique, run)
        if why:
            options[slot] = [each for each in options[slot] if each != name]
            skipped.append(Skip(slot, name, why))
    return replace(plan, options=options, skipped=skipped)


def first_job(prepared: Prepared, plan: Plan, folder: Path) -> Job:
    """The training of the first trial: the model as it is, at its first parameters."""
    seed = prepared.study.seed
    epochs = prepared.epochs
    return Job(
        study=prepared.ref,
        opening_id=prepared.opening_id,
        content=prepared.digest,
        params={**plan.baseline, **plan.defaults_of(plan.baseline)},
        seed=mix(seed, "search"),  # that of all trials of the search
        split=seed,
        batch=plan.batch,
        from_epoch=0,
        to_epoch=epochs,
        save=state_file(folder, epochs),
        device=str(prepared.device),
        name=trial_name(0),
        seconds=asked_seconds(prepared.study),
        rows=plan.rows,
    )


def state_file(folder: Path, epochs: int) -> str:
    """The file of the pilot's training state after so many epochs."""
    return str(folder / f"pilot-{epochs}.pt")


def first_training(job: Job, crew: Crew) -> Outcome:
    """Do the first job, and try a lower learning rate where its loss was not finite.

    The outcome says `FAILED` where the lower rate does not train the model, either.
    """
    outcome = crew.run_by_itself(job)
    if outcome.ended == Ended.NOT_FINITE:
        # It may train at a lower rate, which the search will find; else nothing can.
        lower = {**job.params, RATE: job.params[RATE] / 10}
        if crew.run_by_itself(replace(job, params=lower)).ended:
            outcome.ended = Ended.FAILED
    return outcome


def train_longer(
    metric: Metric, job: Job, outcome: Outcome, folder: Path, most: float, crew: Crew
) -> int:
    """Double a training while that still brings a gain, and return its number of epochs.

    Arguments:
        metric: what a gain is measured by.
        job: the training, which has saved its state.
        outcome: what it brought; what further epochs bring is added to it.
        folder: for the training states.
        most: epochs that are not exceeded.
        crew: runs the training.
    """
    epochs = job.to_epoch
    while 2 * epochs <= most and still_improves(metric, outcome, epochs):
        # The job goes on from the state that it has saved.
        save = state_file(folder, 2 * epochs)
        job = replace(job, from_epoch=epochs, to_epoch=2 * epochs, load=job.save, save=save)
        more = crew.run_by_itself(job)
        training = more.costs.get("training", 0.0)
        outcome.costs["training"] = outcome.costs.get("training", 0.0) + training

        # The further epochs belong to the same training. Where it broke in them, it is not longer
        # than it was.
        if more.ended is not None:
            break
        again = {epoch.epoch for epoch in more.curve}
        before = [epoch for epoch in outcome.curve if epoch.epoch not in again]
        outcome.curve = before + more.curve
        epochs *= 2
    return epochs


def train_longer_anew(
    metric: Metric, job: Job, outcome: Outcome, folder: Path, most: float, crew: Crew
) -> int:
    """Train twice as long from the start while that brings a gain, and return the number of epochs.

    A schedule lasts as long as a training, so that a longer one is another from its first step on.
    The arguments are those of `train_longer`.
    """
    epochs = job.to_epoch
    criterion = Criterion(metric)
    while 2 * epochs <= most and len(outcome.curve) == epochs:
        save = state_file(folder, 2 * epochs)
        more = crew.run_by_itself(replace(job, to_epoch=2 * epochs, save=save))
        spent = [each.costs.get("training", 0.0) for each in (outcome, more)]
        outcome.costs["training"] = sum(spent)
        if more.ended is not None:
            break
        before = criterion.score(outcome.curve, epochs)
        gained = criterion.sign * (criterion.score(more.curve, 2 * epochs) - before)
        if gained <= criterion.worth(before):
            break
        outcome.curve = more.curve
        epochs *= 2
    return epochs


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
    half = criterion.score(curve, epochs // 2)
    whole = criterion.score(curve, epochs)
    return criterion.sign * (whole - half) > criterion.worth(half)


def longest_training(prepared: Prepared) -> float:
    """The most epochs of a training that is short enough to try many, by its estimated time."""
    stretch = SECONDS / estimate(prepared, prepared.epochs)
    return prepared.epochs * max(1.0, min(STRETCH, stretch))


def affordable_epochs(room: float, seconds: float, epochs: int) -> int:
    """Epochs of a training that may take so many seconds; a very large number without a limit.

    Arguments:
        room: seconds that it may take.
        seconds: that a training of `epochs` epochs took.
        epochs: of that training.
    """
    if room == math.inf or not epochs:
        return 10**9
    return max(1, int(room * epochs / max(seconds, 1e-6)))


@dataclass
class LayerCosts:
    """What the layers of a model cost in a step, counted while a batch passes through them.

    Attributes:
        rows: of the batch.
        seconds_a_row: time on a laptop's core for the operations, forward and backward.
        calls: of layers, each of which costs `CALL_SECONDS` a step.
    """

    rows: int
    seconds_a_row: float = 0.0
    calls: int = 0

    def count(self, layer: Layer, _module: nn.Module, _inputs: object, output: object) -> None:
        """Add one call of a layer; with the layer set, this is a forward hook of its module."""
        tensor = next(tensors_in(output), None)
        if tensor is None:
            return
        # Forward and backward take six operations for each weight at each place of the output.
        channels = tensor.shape[1 if layer.kind in SPEEDS else -1]
        weights = sum(p.numel() for p in layer.module.parameters(recurse=False))
        operations = 6 * weights * tensor.numel() / channels / self.rows
        self.seconds_a_row += operations / SPEEDS.get(layer.kind, SPEED)
        self.calls += 1


def estimate(prepared: Prepared, epochs: int) -> float:
    """Seconds of a training on a laptop's core, by counting operations.

    It is the same every time, and right to a factor of a few.
    """
    seed = prepared.study.seed
    run = prepared.run(seed, seed)
    costs = LayerCosts(rows=min(EXAMPLE_ROWS, len(run.data.train)))
    # Embeddings and normalizations take hardly any time beside the other layers.
    handles = []
    for layer in run.anatomy.layers:
        if layer.callable and layer.kind not in ("embedding", "norm"):
            hook = partial(costs.count, layer)
            handles.append(layer.module.register_forward_hook(hook))
    # One batch passes through the model; no other random stream notices it.
    modules = [layer.module for layer in run.anatomy.layers]
    with torch.no_grad(), isolated(0), called(modules):
        call(run.model.eval(), run.example())
    for handle in handles:
        handle.remove()
    # Every row takes its operations once an epoch, and every step its calls.
    # A model without such layers is called, too.
    overhead = prepared.steps * max(1, costs.calls) * CALL_SECONDS
    return epochs * (prepared.facts.sizes["train"] * costs.seconds_a_row + overhead)
