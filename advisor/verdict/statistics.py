"""Being right about small differences: paired gains with intervals that own up to overlapping splits."""

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
        needed: pairs that would find a true difference of `mean` with 80 % power; None where no number would, because the
            rows are too few.
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: int
    detectable: float
    needed: int | None


def paired_gain(baseline: Sequence[float], other: Sequence[float], overlap: float = 0.0) -> Gain:
    """The gain of `other` over `baseline`, whose i-th scores share a seed.

    Student's t with n - 1 degrees of freedom. When every seed draws its train and validation rows anew from the same rows,
    the differences are not independent; `overlap` is then n_valid / n_train and the variance of the mean becomes
    (1/n + overlap) s² (Nadeau & Bengio 2003, "Inference for the generalization error", corrected resampled t).
    Raises `ValueError` for fewer than two pairs or unequal numbers.
    """
    if len(baseline) != len(other) or len(baseline) < 2:
        raise ValueError(f"paired_gain needs at least two pairs, got {len(baseline)} and {len(other)} scores")
    differences = [b - a for a, b in zip(baseline, other, strict=True)]
    n, mean, spread = len(differences), round(statistics.fmean(differences), 12), statistics.stdev(differences)  # no -2e-17
    error = spread * math.sqrt(1 / n + overlap)
    if error == 0.0:
        return Gain(mean, mean, mean, 1.0 if mean == 0 else 0.0, n, 0.0, n)
    t = scipy.stats.t(n - 1)
    reach = float(t.ppf(0.975)) * error
    detectable = float(t.ppf(0.975) + t.ppf(0.8)) * error
    p = float(2 * t.sf(abs(mean) / error))
    return Gain(mean, mean - reach, mean + reach, p, n, detectable, _needed(abs(mean), spread, overlap))


def _needed(difference: float, spread: float, overlap: float) -> int | None:
    """The n at which (z_.975 + z_.80)² s² (1/n + overlap) = difference², or None where there is none."""
    rest = (difference / (2.802 * spread)) ** 2 - overlap
    return math.ceil(1 / rest) if rest > 0 else None


REACHABLE = 30
"""Seeds beyond which *more seeds would tell* is no help to anybody."""


def verdict(gain: Gain, min_gain: float) -> str:
    """`change` for a gain that is real and worth it, else `keep`; `undecided` where a few more seeds would tell."""
    if gain.mean < min_gain:
        return "keep"
    if gain.low > 0:
        return "change"
    return "undecided" if gain.needed is not None and gain.needed <= REACHABLE else "keep"
