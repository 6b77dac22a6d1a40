"""How many pairs measure, and which arms go on being trained while arms are chosen.

`still_possible(scores, baselines)` after each choosing seed, `pairs_for(scores, baseline, best)`
after the last. Both read choosing seeds alone, which say nothing of measuring seeds.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

NUMBERS_OF_PAIRS = ((4.0, 5), (2.0, 10), (0.0, 20))
"""A shrunk gain of at least so many paired deviations, and how many pairs measure it then."""
LEAST_SEEDS = 2
"""After so many choosing seeds arms may be dropped; one seed shows no deviation."""
RACE_ALPHA = 0.01
"""How often the best of two arms may be dropped."""
MEDIAN_KNOWS = 0.4
"""What a median of variances knows of the deviation, beside what their mean would know."""
CAUTION = 0.3
"""The deviation is taken as large as it is with this probability, given what few seeds show."""


class PairedSpread(NamedTuple):
    """The deviation of a paired difference between two arms, with its degrees of freedom."""

    sd: float
    freedom: int


def still_possible(scores: Any, baselines: Collection[int]) -> list[int]:
    """The arms that go on to the next choosing seed, by their rows in `scores`.

    An arm is dropped where its paired differences to the leading one say that it is not the best.
    The rates of the baseline race among themselves, and so do the other arms, so that one of each
    always stays.

    Arguments:
        scores: one for each arm and choosing seed `(arms, seeds)`, higher is better; NaN where an
            arm was dropped before, or broke.
        baselines: the rows of the baseline, one for each of its rates.
    """
    scores = np.asarray(scores, dtype=np.float64)
    arms, seeds = scores.shape
    possible = [i for i in range(arms) if np.isfinite(scores[i, -1])]
    if seeds < LEAST_SEEDS:
        return possible
    left: list[int] = []
    for race in (set(baselines), set(range(arms)) - set(baselines)):
        runners = [i for i in possible if i in race]
        leader = max(runners, key=lambda i: float(np.nanmean(scores[i])), default=-1)
        left += [i for i in runners if i == leader or not _is_behind(scores, i, leader)]
    return sorted(left)


def _is_behind(scores: NDArray[np.float64], arm: int, leader: int) -> bool:
    """Whether an arm's paired differences to the leading one say that it is worse."""
    spread = spread_beside(scores, leader, arm)
    if not spread.freedom:
        return False
    seeds = scores.shape[1]
    freedom = max(1.0, MEDIAN_KNOWS * spread.freedom)
    allowed = spread.sd * float(scipy.special.stdtrit(freedom, 1 - RACE_ALPHA / 2))
    return float(np.mean(scores[leader] - scores[arm])) > allowed / math.sqrt(seeds)


def spread_beside(scores: NDArray[np.float64], baseline: int, best: int) -> PairedSpread:
    """The deviation of the best arm's paired gain: its own, or the usual one of all arms, where
    that is larger.

    Few seeds show little of an arm's own; and the mean over all arms would be that of the one
    that is erratic.

    Arguments:
        scores: one for each arm and seed `(arms, seeds)`, NaN where an arm has none.
        baseline: the row of the baseline.
        best: the row of the best arm.
    """
    whole = [bool(row.all()) for row in np.isfinite(scores)]
    freedom = scores.shape[1] - 1
    others = [i for i in range(len(scores)) if whole[i] and i != baseline]
    if freedom < 1 or not whole[baseline] or best not in others:
        return PairedSpread(math.inf, 0)
    variances = {i: float(np.var(scores[i] - scores[baseline], ddof=1)) for i in others}
    # The median of such variances is below their mean.
    usual = float(np.median(list(variances.values())))
    usual *= freedom / float(scipy.special.chdtri(freedom, 0.5))
    return PairedSpread(math.sqrt(max(variances[best], usual)), freedom * len(others))


def pairs_for(scores: Any, baseline: int, best: int) -> int:
    """How many pairs measure the gain of one arm: 5, 10 or 20, fixed before the first of them.

    It comes from choosing seeds, which are independent of measuring ones, so that it biases
    nothing. The gain is shrunk by what noise alone makes of it (James & Stein 1961).

    Arguments:
        scores: one for each arm and choosing seed `(arms, seeds)`, NaN where an arm has none.
        baseline: the row of the baseline.
        best: the row of the arm that is to be measured beside it.
    """
    scores = np.asarray(scores, dtype=np.float64)
    differences = scores[best] - scores[baseline]
    seeds = int(np.isfinite(differences).sum())
    spread = spread_beside(scores, baseline, best)
    if not seeds or not spread.freedom:
        return NUMBERS_OF_PAIRS[-1][1]
    quantile = float(scipy.special.chdtri(spread.freedom, 1 - CAUTION))
    sd = spread.sd * math.sqrt(spread.freedom / quantile)
    gain = float(np.nanmean(differences))
    shrunk = abs(gain) * max(0.0, 1 - sd**2 / seeds / gain**2) if gain else 0.0
    return next(pairs for deviations, pairs in NUMBERS_OF_PAIRS if shrunk >= deviations * sd)
