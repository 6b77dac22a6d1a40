"""About how many trainings a study takes, before any of them is done: how rounds are cut, and what
the fresh seeds train.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from advisor.search.plan import Plan
from advisor.search.ranges import rungs_of
from advisor.search.stages import FAIR_SHARE, LEADERS, QUOTA, TUNE_SHARE
from advisor.study import Study
from advisor.verdict.choosing import CHOOSING_SEEDS, MOST_PAIRS
from advisor.verdict.racing import LEAST_SEEDS, NUMBERS_OF_PAIRS
from advisor.verdict.room import BASELINE_RATES, FEW_PAIRS

UNKNOWN_EPOCHS = [1, 1000]
"""Epochs of a training of which nothing is known: of one nothing is cut, of many nearly all."""


@dataclass(frozen=True)
class AskedRounds:
    """Some rounds of a search that are alike.

    Attributes:
        size: trials of each.
        share: one in so many trials goes on from a rung.
        count: how many rounds there are.
    """

    size: int
    share: int
    count: float = 1.0


def rounds_of(plan: Plan, trials: int) -> Iterator[AskedRounds]:
    """The rounds of a search of so many trials, as far as its sizes say.

    They follow `stages.sizes_of_stages`, which asks the history as well.
    """
    arms = len(plan.each_technique())
    alone = min(arms, trials)
    yield AskedRounds(alone, share=2)
    if plan.has_own_rate:
        yield AskedRounds(plan.asked_together, 3, (trials - alone) / plan.asked_together)
    else:
        yield from further_rounds(arms, trials, trials - alone, plan.asked_together)


def further_rounds(arms: int, trials: int, asked: int, together: int) -> Iterator[AskedRounds]:
    """The rounds of `asked` of all trials: further ones for each arm, then combinations, so many
    together, then the rates of the leaders.
    """
    quota = max(1, min(QUOTA, 1 + math.floor((FAIR_SHARE * trials - arms) / arms)))
    fair = min(arms * (quota - 1), asked)
    yield AskedRounds(arms, 2, fair / arms)
    left = asked - fair
    tuning = round(left * TUNE_SHARE)
    yield AskedRounds(together, 3, (left - tuning) / together)
    tuned = 2 * (1 + min(LEADERS, arms - 1))
    yield AskedRounds(tuned, 2, tuning / tuned)


def epochs_of_search(plan: Plan, trials: int, epochs: int, steps: int) -> float:
    """About how many epochs a search trains, as most of its trials are cut before their end.

    Arguments:
        plan: what is searched.
        trials: how many.
        epochs: of a full training.
        steps: in an epoch.
    """
    rungs = [0, *rungs_of(epochs, steps)]
    total = 0.0
    for each in rounds_of(plan, trials):
        alive = each.size
        trained = 0
        for before, rung in pairwise(rungs):
            trained += alive * (rung - before)
            alive = min(alive, max(2, math.ceil(alive / each.share)))
        total += each.count * trained
    return total


@dataclass(frozen=True)
class Span:
    """From the least to the most."""

    low: float
    high: float


@dataclass(frozen=True)
class Amount:
    """About how many trainings a study has.

    Attributes:
        search: whole trainings that take as long as all trials of the search, most of which are
            cut.
        choosing: of fresh seeds that choose an arm.
        measuring: of fresh seeds that measure the gain.
    """

    search: Span
    choosing: Span
    measuring: Span

    @property
    def total(self) -> Span:
        """All of them."""
        parts = (self.search, self.choosing, self.measuring)
        return Span(sum(each.low for each in parts), sum(each.high for each in parts))


def amount_of(plan: Plan, study: Study, epochs: Span, steps: int) -> Amount:
    """About how many trainings a study has.

    Arguments:
        plan: what is searched.
        study: with its trials and seeds.
        epochs: of a full training; 0 where that is not known.
        steps: in an epoch.
    """
    counts = [int(epochs.low), int(epochs.high)] if epochs.low else UNKNOWN_EPOCHS
    searched = [
        round(epochs_of_search(plan, study.trials, count, steps) / count, 1) for count in counts
    ]

    others = min(LEADERS, len(plan.techniques))
    sides = 2 if others else 1
    pairs = (study.seeds or FEW_PAIRS, study.seeds or MOST_PAIRS)
    return Amount(
        Span(min(searched), max(searched)),
        choosing(plan, others),
        Span(sides * pairs[0], sides * pairs[1]),
    )


def usual_trainings(amount: Amount, plan: Plan, study: Study) -> float:
    """About how many trainings a study usually has: races drop what cannot win, and the middle
    number of pairs tells most gains.
    """
    searched = (amount.search.low + amount.search.high) / 2
    # Most arms are dropped after the seeds that a race needs at least; two always stay.
    raced = amount.choosing.high * LEAST_SEEDS / CHOOSING_SEEDS + 2 if plan.techniques else 0
    sides = 2 if plan.techniques else 1
    pairs = study.seeds or NUMBERS_OF_PAIRS[1][1]
    return searched + min(amount.choosing.high, raced) + sides * pairs


def choosing(plan: Plan, others: int) -> Span:
    """About how many trainings choose among so many arms besides the model as it is."""
    if not others:
        return Span(0, 0)
    # Of several changes each is undone, and the model as it is has two pairs of rates.
    slots = sum(len(names) > 1 for names in plan.options.values())
    undone = slots if slots > 1 else 0
    most = BASELINE_RATES + others + undone
    return Span(CHOOSING_SEEDS * (1 + others), CHOOSING_SEEDS * most)


def times(amount: Amount, epochs: Span, seconds: float, workers: int) -> Span:
    """About how many seconds all trainings take on so many workers, by those of an epoch."""
    total = amount.total
    each = seconds / workers
    return Span(total.low * epochs.low * each, total.high * epochs.high * each)
