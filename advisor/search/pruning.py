"""Which trials of a round go on, and which training is given up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from advisor.host.host import Host
from advisor.search.history import History
from advisor.search.plan import Plan
from advisor.search.trial import Round, Stage, Trial
from advisor.technique import KEEP
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.work.stacked import blocks_of, is_by_itself

LOSS_MARGIN = 1.1
"""A training is given up when its early loss is this many times that of every good trial."""
LOSSES_NEEDED = 3
"""Good trials that there must be before a training is given up by its early loss."""

LEAST_STEPS = 100
"""Steps of a training to the next rung from which on trials are trained together."""

Ranked = list[tuple[Trial, float]]
"""Trials with their scores, *higher is better*, best first."""


def ranked(criterion: Criterion, trials: Sequence[Trial], rung: int) -> Ranked:
    """Trials with their score after `rung` epochs, best first.

    Scores tie while nothing is learnt yet; then the lower training loss shows who will learn.
    """
    rows = []
    for trial in trials:
        score = criterion.sign * criterion.score(trial.curve, rung)
        losses = [epoch.loss for epoch in trial.curve if epoch.epoch <= rung]
        rows.append((-score, min(losses), trial.number, trial))

    # The number decides where score and loss are equal; trials themselves have no order.
    rows.sort(key=lambda row: row[:3])
    return [(trial, -score) for score, _, _, trial in rows]


def rungs_of(plan: Plan, current: Round) -> list[int]:
    """The epochs after which a round's trials are compared: the last one alone where all of them
    are trained to it.
    """
    return [plan.epochs] if current.stage == Stage.WHOLE else plan.rungs_from(current.start)


def next_after(rung: int, rungs: Sequence[int]) -> int | None:
    """The rung that comes after this one; None after the last."""
    return next((each for each in rungs if each > rung), None)


def survivors(plan: Plan, current: Round, trials: Ranked) -> set[int]:
    """Numbers of the trials that go on from a rung.

    In an exploration the best third goes on, else the better half; two at least. Outside
    explorations the model as it is goes on, too: all its trials while techniques are judged, its
    best one while rates are tuned. While techniques are judged, so does the best of each slot: a
    slow starter is not cut by another's curve.
    """
    kept = {trial.number for trial, _ in trials[: best_of(current, len(trials))]}
    if current.stage == Stage.EXPLORE:
        return kept

    baseline = [trial.number for trial, _ in trials if trial.arm == plan.baseline]
    if current.stage == Stage.TUNE:
        return kept.union(baseline[:1])
    kept.update(baseline)
    # The trials are in order, so the first one with a technique in a slot is the best.
    for slot in plan.options:
        changed = [trial.number for trial, _ in trials if trial.arm[slot] != KEEP]
        kept.update(changed[:1])
    return kept


def best_of(current: Round, trials: int) -> int:
    """How many of so many trials go on from a rung for their scores alone."""
    share = 3 if current.stage == Stage.EXPLORE else 2
    return max(2, math.ceil(trials / share))


def sure_of(current: Round, trials: Ranked, to_come: int) -> list[Trial]:
    """The trials that go on from a rung whatever so many others bring there, best first.

    Each of those may be better, or break and not be compared at all.
    """
    sure = best_of(current, len(trials)) - to_come
    return [trial for trial, _ in trials[: max(0, sure)]]


def stacks_of(host: Host, alive: Sequence[Trial], from_epoch: int, steps: int) -> list[list[int]]:
    """Numbers of the trials that are trained together from an epoch to the next rung, by blocks.

    The trials at the rung and their techniques decide, and nothing that the training to it brings:
    a search that goes on has the same blocks. Trial 0 is trained to its end at once, and a trial
    that is taken without a technique comes after the others. So few `steps` as a first rung has
    are done by the time that it is known what models have in common.
    """
    if steps < LEAST_STEPS:
        return []
    # Trials with the same techniques are neighbours, so that they are in one block.
    asked = sorted(alive, key=lambda each: ([*each.asked_arm.values()], each.number))
    able = [
        each for each in asked if each.number and not is_by_itself(host, each.asked_arm, from_epoch)
    ]
    blocks = []
    for block in blocks_of(able):
        blocks.append(
            [
                each.number
                for each in block
                if not each.no_effect and each.ended not in (Ended.NOT_TRAINED, Ended.NO_EFFECT)
            ]
        )
    return blocks


def why_outranked(
    criterion: Criterion, score: float, better: Sequence[float], of: int, rung: int
) -> str:
    """Why a trial does not go on from a rung, in a sentence with the numbers that decided.

    Arguments:
        criterion: what trials are compared by.
        score: the trial's score, *higher is better*.
        better: the scores of those that go on before it, best first.
        of: how many were compared.
        rung: after so many epochs.
    """
    own = criterion.sign * score
    last = criterion.sign * better[-1]
    tie = " with a lower training loss" if better[-1] == score else ""
    were = "was" if len(better) == 1 else "were"
    return (
        f"{criterion.name} {own:.4g} after epoch {rung}, and {len(better)} of {of} {were} better, "
        f"the last of them {last:.4g}{tie}"
    )


def loss_limit(history: History, current: Round) -> float | None:
    """The training loss before step 20 above which a trial of the round is given up, or None.

    It is a tenth above the worst early loss among the better half of the earlier full trials. Only
    explorations have one: elsewhere a low learning rate, which starts slowly, must be judged, too.
    """
    if current.stage != Stage.EXPLORE:
        return None

    full = history.full_trials(before=current.start)
    better_half = full[: len(full) // 2]
    losses = []
    for trial in better_half:
        if trial.early_loss is not None:
            losses.append(trial.early_loss)

    # A factor on the loss means nothing where it is not positive.
    if len(losses) < LOSSES_NEEDED or max(losses) <= 0:
        return None
    return LOSS_MARGIN * max(losses)


def cut_limits(history: History, current: Round, arm: Mapping[str, str]) -> dict[int, float]:
    """The scores, *higher is better*, below which a training in one go is given up, by epoch.

    They are the lowest after as many epochs among the better half of the earlier full trials, so
    that one which starts slowly and ends well lowers them. The model as it is, and a training that
    was asked for to its end, are never cut.
    """
    plan, criterion = history.plan, history.criterion
    if current.stage == Stage.WHOLE or arm == plan.baseline:
        return {}
    full = history.full_trials(before=current.start)
    better_half = full[: len(full) // 2]
    if len(better_half) < LOSSES_NEEDED:
        return {}
    limits = {}
    for rung in plan.cut_at:
        limits[rung] = min(
            criterion.sign * criterion.score(each.curve, rung) for each in better_half
        )
    return limits


def is_same_training(one: Sequence[Epoch], other: Sequence[Epoch]) -> bool:
    """Whether two trainings from one seed are the same computation, by the epochs that both have.

    Rounding may differ and grows with time: the losses agree to a millionth after the first epoch
    and to a thousandth later.
    """
    # The one that was stopped earlier has fewer epochs.
    pairs = list(zip(one, other, strict=False))
    tolerance = 1e-6
    for mine, theirs in pairs:
        if abs(mine.loss - theirs.loss) > tolerance * abs(theirs.loss):
            return False
        tolerance = 1e-3
    return bool(pairs)
