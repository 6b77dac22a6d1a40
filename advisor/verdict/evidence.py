"""What a gain means: the five kinds of evidence, their levels, and what would tell where none is
shown.

`evidence_of(gain, min_gain, level)` is the table, `VERDICT_OF` what is to be done,
`tell(gain, min_gain)` what would settle an open question. Levels: `CHANGE_LEVEL` for one verdict,
`LOOK_LEVELS` for a planned second look, `level_after(outcomes)` for many verdicts on the same rows,
`level_of_look(look, level)` and `level_of_each(sides, level)` for a look and a side of one verdict,
`shared_levels(broken, level)` where trainings broke.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from advisor.verdict.crossed import CrossedGain
from advisor.verdict.records import Evidence, Verdict

PRINTED_LEVEL = 0.95
"""The level of the interval that is printed."""
CHANGE_LEVEL = 0.99
"""The level of the interval that must be above zero for a change."""
LOOK_LEVELS = (0.992, 0.998)
"""The levels of a first and a planned second look, which together are wrong as seldom as one."""
FULL_LEVEL_VERDICTS = 4
"""So many verdicts on the same rows have the level of the first; later ones have a stricter one."""
REACHABLE_PAIRS = 60
"""More pairs than this are not asked of anybody."""
REACHABLE_ROWS = 20
"""More than so many times the rows that were measured are not asked of anybody."""
BREAKING_SHARE = 0.8
"""The share of what a verdict may be wrong by that breaking has, where enough broke to tell."""

VERDICT_OF = {
    Evidence.BETTER: Verdict.CHANGE,
    Evidence.WORSE: Verdict.KEEP,
    Evidence.EQUIVALENT: Verdict.KEEP,
    Evidence.NOT_BETTER: Verdict.KEEP,
    Evidence.OPEN: Verdict.UNDECIDED,
}
"""What is to be done, by the evidence."""


def evidence_of(
    gain: CrossedGain,
    min_gain: float,
    level: float = CHANGE_LEVEL,
    printed: float = PRINTED_LEVEL,
) -> Evidence:
    """What a gain shows.

    Arguments:
        gain: the gain of one study.
        min_gain: the smallest gain worth having, in units of the metric.
        level: that of the interval which must be above zero for `better`.
        printed: that of the interval which is printed, stricter where there are several sides.
    """
    low, high = gain.interval(printed)
    is_above = gain.interval(level)[0] > 0 and gain.mean >= min_gain
    if is_above and not contradicts(gain, min_gain):
        return Evidence.BETTER
    if high < 0:
        return Evidence.WORSE
    if -min_gain <= low and high <= min_gain:
        return Evidence.EQUIVALENT
    if high < min_gain:
        return Evidence.NOT_BETTER
    return Evidence.OPEN


def contradicts(gain: CrossedGain, min_gain: float) -> Any:
    """Whether test rows and other rows contradict each other, which never recommends a change.

    They differ by more than chance allows, and by one of them the gain is not worth having. Where
    both say that it is, how large it is does not matter.
    """
    if gain.test is None or gain.rest is None:
        return False
    return gain.conflicts & (np.minimum(gain.test, gain.rest) < min_gain)


# --- what would tell ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tell:
    """What would settle an open question, if the gain stays as it was measured.

    Attributes:
        pairs: so many in all; None where no number that can be asked for would.
        rows: so many in all, with the pairs of now; None likewise.
    """

    pairs: int | None
    rows: int | None


def tell(gain: CrossedGain, min_gain: float, level: float = CHANGE_LEVEL) -> Tell:
    """How many pairs, or how many rows, would settle an open question."""
    pairs = range(gain.pairs + 1, REACHABLE_PAIRS + 1)
    enough = (n for n in pairs if _is_settled(gain, min_gain, level, n, 1.0))
    shares = np.geomspace(1.0, REACHABLE_ROWS, 60)[1:] if gain.rows else ()
    more = (share for share in shares if _is_settled(gain, min_gain, level, gain.pairs, share))
    share = next(more, None)
    return Tell(next(enough, None), None if share is None else math.ceil(share * gain.rows))


def _is_settled(
    gain: CrossedGain, min_gain: float, level: float, pairs: int, times_rows: float
) -> bool:
    """Whether the measured gain would be no open question with so many pairs and rows."""
    # More pairs leave what rows do to all of them, more rows leave what a seed does to all rows.
    of_seeds = max(gain.seed_variance - gain.noise, 0.0)
    varying = of_seeds + gain.noise / times_rows
    error = math.sqrt(varying / pairs + gain.row_error / times_rows)
    freedom = max(gain.freedom, pairs - 1)
    reach = error * float(scipy.special.stdtrit(freedom, 0.5 + PRINTED_LEVEL / 2))
    if gain.mean < min_gain:
        return bool(gain.mean + reach < min_gain)
    return bool(gain.mean > error * float(scipy.special.stdtrit(freedom, 0.5 + level / 2)))


# --- levels ---------------------------------------------------------------------------------------


def level_after(outcomes: Sequence[Evidence]) -> float:
    """The level of the next verdict on rows that gave these verdicts before, in order.

    The chance of a wrong `better` is a wealth of 4 % that verdicts spend, .5 % each of the first
    four and less each later one; a `better` earns it anew (alpha-investing, Foster & Stine 2008).
    So a chain of edits that do nothing, however long, is wrong once in at most 4 % of chains.
    """
    spent = 0
    for outcome in outcomes:
        spent = 0 if outcome is Evidence.BETTER else spent + 1
    share = min(1.0, FULL_LEVEL_VERDICTS / (spent + 1))
    return 1 - (1 - CHANGE_LEVEL) * share**2


def level_of_look(look: int, level: float = CHANGE_LEVEL) -> float:
    """The level of a look, counted from 1, at what has this level in all its looks."""
    share = (1 - LOOK_LEVELS[look - 1]) / (1 - CHANGE_LEVEL)
    return 1 - (1 - level) * share


def level_of_each(sides: int, level: float) -> float:
    """The level of each interval where so many sides are held against the first (Bonferroni)."""
    return 1 - (1 - level) / max(sides, 1)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted so that all of them hold at once (Holm 1979)."""
    # The smallest of n is multiplied by n, the next by n - 1, and none gets below a smaller one.
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = [0.0] * len(p)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


# --- broken trainings -----------------------------------------------------------------------------


class SharedLevels(NamedTuple):
    """The levels of the two ways to a change.

    Attributes:
        gain: that of the interval of the gain.
        breaking: the largest p-value that shows that one side breaks more often; 0 for none.
    """

    gain: float
    breaking: float


def shared_levels(only_one: int, only_other: int, level: float = CHANGE_LEVEL) -> SharedLevels:
    """How the gain and the breaking share the level of one look at two arms.

    The number of pairs in which one side broke says nothing of which side it was. So where they are
    too few to show anything, the gain has the whole level.

    Arguments:
        only_one: pairs of which the baseline alone broke.
        only_other: pairs of which the other arm alone broke.
        level: of this look, at all sides and rows that share it.
    """
    breaking = BREAKING_SHARE * (1 - level)
    if breaking_p(only_one + only_other, 0) > breaking:
        return SharedLevels(level, 0.0)
    return SharedLevels(level + breaking, breaking)


def breaking_p(only_one: int, only_other: int) -> float:
    """Two-sided p-value that both sides break equally often: exact McNemar test (1947)."""
    if only_one + only_other == 0:
        return 1.0
    from scipy.stats import binomtest  # only at the end of a study: it takes a second

    return float(binomtest(only_one, only_one + only_other).pvalue)


def breaks_more(only_one: int, only_other: int, level: float = CHANGE_LEVEL) -> bool:
    """Whether the baseline is shown to break more often than the other arm, at a look's level."""
    alpha = shared_levels(only_one, only_other, level).breaking
    return only_one > only_other and breaking_p(only_one, only_other) <= alpha
