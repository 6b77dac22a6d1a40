"""The pilot: how long the model as it is must be trained before it stops improving."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from optuna.distributions import FloatDistribution

from advisor.randomness import mix
from advisor.readable import counted
from advisor.search.arm import Skip
from advisor.search.estimate import estimate
from advisor.search.limits import asked_seconds, trial_name
from advisor.search.plan import NUISANCE, RATE, Plan, why_unfit
from advisor.search.ranges import rungs_of
from advisor.search.trial import state_file
from advisor.training.by_loop import LoopFacts
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.training.hooks import HOOKS
from advisor.training.metrics import Metric
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.prepare import Prepared

STRETCH = 4
"""The pilot goes to at most this many times the usual number of epochs."""
SECONDS = 10.0
"""It stops before a training would take longer than this many seconds, by an estimate that is the
same on every machine.
"""
TRAININGS = 40
"""Full trainings that a time limit must have room for; epochs are cut so that it does."""


def pilot(
    prepared: Prepared, plan: Plan, folder: Path, crew: Crew, seconds: float = math.inf
) -> tuple[Plan, Outcome]:
    """The plan with as many epochs as the model as it is needs, and the training that showed it.

    That training is the first trial's. Where its second half still brings a gain worth having, the
    plan says how long a training may become: the search makes it longer where that changes the
    order of the leading arms (`length.order_changes`), and it stays short enough to try many. Where
    that cannot be seen in trainings that go on, the number of epochs is doubled here while the
    second half brings such a gain. A study with a time limit gets fewer epochs where that leaves
    too few trainings. A number that the user gave is kept.

    Arguments:
        prepared: the study, opened.
        plan: what is searched; its number of epochs is a first one.
        folder: for the training states.
        crew: runs the training.
        seconds: that a training may take in a study with a time limit.
    """
    began = time.perf_counter()
    job = pilot_job(prepared, plan, folder)
    outcome = first_training(job, crew)
    epochs = longest = prepared.epochs
    # A number that the user gave is kept.
    if prepared.study.epochs is None:
        elapsed = time.perf_counter() - began
        affordable = affordable_epochs(seconds, elapsed, len(outcome.curve))
        most = min(longest_training(prepared), affordable)
        metric = prepared.objective.metric
        if is_settled_by_order(prepared):
            longest = doubled(epochs, most) if still_improves(metric, outcome, epochs) else 0
        else:
            lengthen = train_longer_anew if lasts_a_training(prepared) else train_longer
            epochs = lengthen(metric, job, outcome, folder, most, crew)
        epochs = max(1, min(epochs, affordable))

    # A schedule lasts as long as a training, so that a part of one is no shorter training.
    if lasts_a_training(prepared) and epochs < len(outcome.curve):
        outcome = first_training(replace(job, to_epoch=epochs), crew)
    outcome.curve = outcome.curve[:epochs]
    rungs = rungs_of(epochs, prepared.steps)
    longest = longest if longest > epochs else 0
    plan = with_loop(replace(plan, rungs=rungs, longest=longest), outcome.loop)
    if outcome.loop is not None:
        plan = without_unheard(plan, prepared, outcome.loop.honours)
    return plan, outcome


def told_of_pilot(plan: Plan) -> str:
    """How long trials train, as far as the pilot says."""
    more = "" if plan.is_settled else f", or up to {plan.longest} if that changes which arms lead"
    return f"trials train for {counted(plan.epochs, 'epoch')}{more}"


def is_settled_by_order(prepared: Prepared) -> bool:
    """Whether the order of arms in trainings that go on says how long a training must be.

    A schedule, and a loop of the user's own, last a training: a longer one is another. And where
    arms are compared by the epochs to a score, there is no order before the score is reached.
    """
    return not lasts_a_training(prepared) and prepared.criterion.reach is None


def doubled(least: int, most: float) -> int:
    """The largest number of epochs up to `most` that doublings of `least` come to."""
    while 2 * least <= most:
        least *= 2
    return least


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


def pilot_job(prepared: Prepared, plan: Plan, folder: Path) -> Job:
    """The training that the pilot begins with."""
    job = first_job(prepared, plan, folder)
    # The search goes on from the state of this training.
    return replace(job, epochs=job.to_epoch) if is_settled_by_order(prepared) else job


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
        save=state_file(folder, 0, epochs),
        device=str(prepared.device),
        name=trial_name(0),
        seconds=asked_seconds(prepared.study),
        rows=plan.rows,
    )


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
        save = state_file(folder, 0, 2 * epochs)
        job = replace(job, from_epoch=epochs, to_epoch=2 * epochs, load=job.save, save=save)
        more = crew.run_by_itself(job)
        training = more.costs.get("training", 0.0)
        outcome.costs["training"] = outcome.costs.get("training", 0.0) + training

        # The further epochs belong to the same training. Where it broke in them, it is not longer
        # than it was.
        if more.ended is not None:
            break
        outcome.curve = more.after(outcome.curve)
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
        save = state_file(folder, 0, 2 * epochs)
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
