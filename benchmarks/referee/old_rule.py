"""The rule of the code before: paired differences, and what splits that overlap do to them.

It is kept to be compared with.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import scipy.stats

from advisor.verdict.records import Verdict

LEAST_FREEDOM = 3.0
"""Satterthwaite's degrees of freedom are not believed below this: simulated intervals then cover
92.5 to 96 %.
"""
ERRORS_NEEDED = 2.802
"""Standard errors, z₀.₉₇₅ + z₀.₈₀, that a true difference must be to be found with 80 % power."""
REACHABLE_SEEDS = 60
"""More seeds than this are not asked of anybody: a gain that needs more of them stays unproven."""
RESOLUTION = 0.5
"""A comparison is precise enough when it would find this share of the gain that other seeds showed.
"""


@dataclass(frozen=True)
class Gain:
    """How much better one arm is than another over paired seeds; *higher is better*.

    Attributes:
        mean: mean paired difference, in units of the metric.
        low, high: its 95 % confidence interval.
        p: two-sided p-value of no difference.
        seeds: number of pairs.
        detectable: the smallest true difference that this many pairs would find with 80 % power.
        needed: pairs that would find a true difference of `mean` with 80 % power; None where no
            number would, because the rows are too few.
        identical: whether every pair has the same score twice.
        error: standard error of the mean.
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: int
    detectable: float
    needed: int | None
    identical: bool = False
    error: float = 0.0

    @property
    def shrunk(self) -> float:
        """The part of the mean that is to be expected again (James & Stein 1961).

        A gain that noise could have made is mostly noise.
        """
        if not self.mean:
            return 0.0
        return self.mean * max(0.0, 1 - (self.error / self.mean) ** 2)


@dataclass(frozen=True)
class Spread:
    """How paired differences vary.

    Attributes:
        between: variance from split to split.
        within: variance from draw to draw on one split.
        error: standard error of the mean difference.
        freedom: degrees of freedom of that error.
    """

    between: float
    within: float
    error: float
    freedom: float


def paired_gain(
    baseline: Sequence[float],
    other: Sequence[float],
    overlap: float = 0.0,
    splits: Sequence[int] | None = None,
) -> Gain:
    """The gain of `other` over `baseline`, with Student's t.

    When every seed draws its train and validation rows anew from the same rows, the differences
    are not independent, and the variance of the mean of J becomes (1/J + overlap) s² (Nadeau &
    Bengio 2003, "Inference for the generalization error", corrected resampled t). Only what the
    rows cause is shared, though, not what an initial draw causes: where each split was used by K
    seeds, analysis of variance tells the two apart, with Satterthwaite's degrees of freedom. The
    interval speaks of new data of this kind; without overlap, of new seeds on these rows.

    Arguments:
        baseline: scores of one arm, *higher is better*.
        other: scores of the other; the i-th of each share a seed.
        overlap: n_valid / n_train where every seed draws both from the same rows, else 0.
        splits: a label of the split of each pair; None where each pair has a split of its own.

    Raises:
        ValueError: there are fewer than two pairs, or unequal numbers of scores.
    """
    pairs = len(baseline)
    if len(other) != pairs or pairs < 2:
        raise ValueError(
            f"paired_gain needs at least two pairs, got {pairs} and {len(other)} scores"
        )
    differences = [b - a for a, b in zip(baseline, other, strict=True)]
    # Rounding removes what sums leave of zero, -2e-17 say, and adding 0.0 a minus before it.
    mean = round(statistics.fmean(differences), 12) + 0.0
    spread = spread_of(differences, overlap, splits)
    # Differences that are all the same are certain.
    if spread.error == 0.0:
        p = 1.0 if mean == 0 else 0.0
        return Gain(mean, mean, mean, p, pairs, 0.0, pairs, identical=mean == 0)

    # A true difference must exceed half the interval by some to be seen four times in five.
    t = scipy.stats.t(spread.freedom)
    reach = float(t.ppf(0.975)) * spread.error
    return Gain(
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        p=float(2 * t.sf(abs(mean) / spread.error)),
        seeds=pairs,
        detectable=reach + float(t.ppf(0.8)) * spread.error,
        needed=pairs_needed(abs(mean), spread, overlap, splits),
        error=spread.error,
    )


def spread_of(differences: Sequence[float], overlap: float, splits: Sequence[int] | None) -> Spread:
    """How paired differences vary, and the standard error of their mean; see `paired_gain`."""
    pairs = len(differences)
    # With one seed on each split, all on one, or rows that no two seeds share, there is nothing to
    # tell apart.
    if not overlap or splits is None or len(set(splits)) in (1, pairs):
        variance = statistics.variance(differences)
        error = math.sqrt(variance * (1 / pairs + overlap))
        return Spread(between=variance, within=0.0, error=error, freedom=pairs - 1)

    groups: dict[int, list[float]] = {}
    for split, difference in zip(splits, differences, strict=True):
        groups.setdefault(split, []).append(difference)
    return variance_components(list(groups.values()), overlap)


def variance_components(groups: Sequence[Sequence[float]], overlap: float) -> Spread:
    """One-way random effects with N differences in J groups, about K in each.

    The variance of the mean is V = MSB / N + overlap (MSB - MSW) / K. Where a training broke, the
    groups are of unequal sizes; then K is what makes the expected mean squares right (Searle 1971,
    "Linear models").
    """
    j, sizes = len(groups), [len(group) for group in groups]
    n = sum(sizes)
    k = (n - sum(size**2 for size in sizes) / n) / (j - 1)
    # `statistics.variance` is exact, so that what does not vary has a variance of zero.
    means = [mean for group in groups for mean in [statistics.fmean(group)] * len(group)]
    msb = statistics.variance(means) * (n - 1) / (j - 1)
    inside = [statistics.variance(group) * (len(group) - 1) for group in groups if len(group) > 1]
    msw = sum(inside) / (n - j)
    between = max(0.0, (msb - msw) / k)
    squared = msb / n + overlap * between

    # V is a sum of two mean squares, whose joint degrees of freedom Satterthwaite approximates.
    freedom = float(j - 1)
    if between and squared:
        above = (1 / n + overlap / k) * msb
        below = overlap / k * msw
        approximate = squared**2 / (above**2 / (j - 1) + below**2 / (n - j))
        freedom = min(freedom, max(LEAST_FREEDOM, approximate))
    return Spread(between, msw, math.sqrt(squared), freedom)


def pairs_needed(
    difference: float, spread: Spread, overlap: float, splits: Sequence[int] | None
) -> int | None:
    """How many pairs have an error of difference / 2.802, or None where no number has."""
    draws = 1.0
    if splits is not None and overlap:
        draws = len(splits) / len(set(splits))
    # What overlapping splits share stays in the error, however many pairs there are.
    left = (difference / ERRORS_NEEDED) ** 2 - overlap * spread.between
    if left <= 0:
        return None
    return math.ceil((draws * spread.between + spread.within) / left)


def chosen_overlap(overlap: float, arms: int) -> float:
    """The overlap to measure a gain with when its arm was chosen from `arms` on the same rows.

    What the rows favour is the same on every split of them, so fresh seeds do not remove it; at
    worst the best of many arms has the largest share of it. The shared variance grows by the square
    of that: the expected maximum of `arms` normal numbers (Blom 1958), for a difference of two
    arms.
    """
    if arms < 2:
        return overlap
    largest = float(scipy.stats.norm.ppf((arms - 0.375) / (arms + 0.25)))
    return overlap * (1 + largest**2 / 2)


def verdict(gain: Gain, min_gain: float, reachable: int = REACHABLE_SEEDS) -> Verdict:
    """`change` for a gain that is real and at least `min_gain`, else `keep`.

    `undecided` where what is to be expected of the gain is still worth it, and up to `reachable`
    seeds would tell.
    """
    if gain.mean < min_gain or gain.mean <= 0:
        return Verdict.KEEP
    if gain.low > 0:
        return Verdict.CHANGE
    # The gain may be chance. More seeds are asked for only where they would tell and are few.
    is_within_reach = gain.needed is not None and gain.needed <= reachable
    if is_within_reach and gain.shrunk >= min_gain:
        return Verdict.UNDECIDED
    return Verdict.KEEP


def precise_enough(gain: Gain, min_gain: float, expected: float) -> bool:
    """Whether there are seeds enough, judged by the noise and not by the gain that is measured.

    So neither the printed gain nor its interval is biased by when the seeds end (Stein 1945; Wittes
    & Brittain 1990, "The role of internal pilot studies"). `expected` is the gain on the seeds that
    chose the arm, which are independent of these. Where there was none, a difference too small to
    matter ends it, too, whichever sign it has, so that nothing is favoured.
    """
    if expected <= 0 and abs(gain.mean) < min_gain:
        return True
    return gain.detectable <= max(min_gain, RESOLUTION * abs(expected))
