"""Being right about small differences: paired gains with intervals that own up to overlapping
splits.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import scipy.stats


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
        """What of the mean is to be expected again (James & Stein 1961): a gain that noise could
        have made is mostly noise.
        """
        return self.mean * max(0.0, 1 - (self.error / self.mean) ** 2) if self.mean else 0.0


@dataclass(frozen=True)
class Spread:
    """Where paired differences vary: `between` splits and `within` one (other draws), as variances;
    `error` of their mean.
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
    """The gain of `other` over `baseline`, whose i-th scores share a seed.

    Student's t. When every seed draws its train and validation rows anew from the same rows, the
    differences are not independent; `overlap` is then n_valid / n_train and the variance of the
    mean of J becomes (1/J + overlap) s² (Nadeau & Bengio 2003, "Inference for the generalization
    error", corrected resampled t). Only what the rows cause is shared, though,
    and not what an initial draw causes: where each of the `splits` (a label for each pair) was used
        by K seeds, the two are
    told apart by analysis of variance, with Satterthwaite's degrees of freedom. The interval speaks
    of new data of this kind; without overlap, of new seeds on these rows. Raises `ValueError` for
    fewer than two pairs or unequal numbers.
    """
    if len(baseline) != len(other) or len(baseline) < 2:
        raise ValueError(
            f"paired_gain needs at least two pairs, got {len(baseline)} and {len(other)} scores"
        )
    differences = [b - a for a, b in zip(baseline, other, strict=True)]
    n, mean = len(differences), round(statistics.fmean(differences), 12) + 0.0  # no -2e-17
    spread = _spread(differences, overlap, splits)
    if spread.error == 0.0:
        return Gain(mean, mean, mean, 1.0 if mean == 0 else 0.0, n, 0.0, n, mean == 0)
    t = scipy.stats.t(spread.freedom)
    reach = float(t.ppf(0.975)) * spread.error
    detectable = reach + float(t.ppf(0.8)) * spread.error
    p = float(2 * t.sf(abs(mean) / spread.error))
    needed = _needed(abs(mean), spread, overlap, splits)
    return Gain(mean, mean - reach, mean + reach, p, n, detectable, needed, error=spread.error)


def _spread(differences: Sequence[float], overlap: float, splits: Sequence[int] | None) -> Spread:
    n = len(differences)
    if not overlap or splits is None or len(set(splits)) == n:
        variance = statistics.variance(differences)
        return Spread(variance, 0.0, math.sqrt(variance * (1 / n + overlap)), n - 1)
    return _components(
        [
            [d for d, s in zip(differences, splits, strict=True) if s == split]
            for split in set(splits)
        ],
        overlap,
    )


LEAST_FREEDOM = 3.0
"""Degrees of freedom below which Satterthwaite's are not believed: simulated intervals then cover
92.5 to 96 %.
"""


def _components(groups: Sequence[Sequence[float]], overlap: float) -> Spread:
    """One-way random effects, equally many differences in each group: V = MSB / JK + overlap (MSB -
    MSW) / K.
    """
    j, k = len(groups), len(groups[0])
    if any(len(group) != k for group in groups):
        raise ValueError("paired_gain needs equally many pairs on every split")
    msb = k * statistics.variance([statistics.fmean(group) for group in groups])
    msw = statistics.fmean(statistics.variance(group) for group in groups)
    between = max(0.0, (msb - msw) / k)
    squared = msb / (j * k) + overlap * between
    freedom = float(j - 1)
    if between and squared:
        above, below = (1 / (j * k) + overlap / k) * msb, overlap / k * msw
        freedom = min(
            freedom,
            max(LEAST_FREEDOM, squared**2 / (above**2 / (j - 1) + below**2 / (j * (k - 1)))),
        )
    return Spread(between, msw, math.sqrt(squared), freedom)


def _needed(
    difference: float, spread: Spread, overlap: float, splits: Sequence[int] | None
) -> int | None:
    """The n at which the error is difference / (z_.975 + z_.80), or None where there is none."""
    draws = 1 if splits is None or not overlap else len(splits) // len(set(splits))
    rest = (difference / 2.802) ** 2 - overlap * spread.between
    return math.ceil((draws * spread.between + spread.within) / rest) if rest > 0 else None


def chosen_overlap(overlap: float, arms: int) -> float:
    """The overlap that a gain is measured with when its arm was chosen from `arms` by scores on the
    same rows.

    What the rows favour is the same on every split of them, so fresh seeds do not remove it; at
    worst the best of many arms has the largest share of it. The shared variance grows by the square
    of that: the expected maximum of `arms` normal numbers (Blom 1958), for a difference of two
        arms.
    """
    if arms < 2:
        return overlap
    largest = float(scipy.stats.norm.ppf((arms - 0.375) / (arms + 0.25)))
    return overlap * (1 + largest**2 / 2)


def published_gain(one: tuple[float, float, int], other: tuple[float, float, int]) -> Gain:
    """The gain of `other` over `one` from published tables: (mean, standard deviation, runs) each,
    unpaired (Welch 1947).
    """
    (mean, sd, n), (mean2, sd2, n2) = one, other
    found = scipy.stats.ttest_ind_from_stats(mean2, sd2, n2, mean, sd, n, equal_var=False)
    parts = sd**2 / n, sd2**2 / n2
    error, gain = math.sqrt(sum(parts)), mean2 - mean
    t = scipy.stats.t(sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (n2 - 1)))
    reach, rest = float(t.ppf(0.975)) * error, (gain / 2.802) ** 2
    needed = math.ceil((sd**2 + sd2**2) / rest) if rest else None
    low, high, detectable = gain - reach, gain + reach, reach + float(t.ppf(0.8)) * error
    return Gain(gain, low, high, float(found.pvalue), min(n, n2), detectable, needed, error=error)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted so that all of them hold at once (Holm 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def verdict(gain: Gain, min_gain: float, reachable: int = 60) -> str:
    """`change` for a gain that is real and worth it, else `keep`.

    `undecided` where what is to be expected of the gain is still worth it, and up to `reachable`
    seeds would tell.
    """
    if gain.mean < min_gain or gain.mean <= 0:
        return "keep"
    if gain.low > 0:
        return "change"
    return (
        "undecided"
        if gain.shrunk >= min_gain and gain.needed is not None and gain.needed <= reachable
        else "keep"
    )


RESOLUTION = 0.5
"""A comparison is precise enough when it would find this share of the gain that other seeds have
shown.
"""


def precise_enough(gain: Gain, min_gain: float, expected: float) -> bool:
    """Whether there are seeds enough, judged by the noise and not by the gain that is being
    measured.

    So neither the printed gain nor its interval is biased by when the seeds end (Stein 1945; Wittes
    & Brittain 1990, "The role of internal pilot studies"). `expected` is the gain on the seeds that
    chose the arm: independent of these. Where there was none, a difference too small to matter ends
        it, too, whichever sign it has, so that nothing is favoured.
    """
    if expected <= 0 and abs(gain.mean) < min_gain:
        return True
    return gain.detectable <= max(min_gain, RESOLUTION * abs(expected))
