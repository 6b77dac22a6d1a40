"""One gain and one error: rows crossed with pairs, as cases with readers in studies of imaging.

The estimand: training sets drawn as here, new rows of the same kind, averaged over seeds.
`part_of` reads what the pairs say of one set of rows, `crossed_gain` joins the test rows and the
rows that pairs held out, `gain_of_scores` has nothing but one gain for each pair. All of them give
a `CrossedGain`; `evidence.evidence_of` says what it means. Arrays may have leading dimensions, one
study each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from advisor.verdict.records import CONFLICT_ALPHA

Floats = NDArray[np.float64]
"""Numbers; leading dimensions are studies."""


@dataclass(frozen=True, eq=False)
class MeasuredRows:
    """What pairs say of one set of rows. A unit is a row, or a group of rows that belong together.

    Attributes:
        means: the gain of each pair on its rows `(…, pairs)`.
        total: variance of a unit's sum over its rows within one pair `(…)`.
        shared: the part of it that every pair has, their covariance `(…)`; noise can make it
            negative.
        shared_variance: the variance of that estimate `(…)`.
        weight: how many units two pairs have in common, times the pairs less one `(…)`.
        own: variance of a pair's mean where `total` is 1 `(…)`.
        overlap: covariance of two pairs' means where `shared` is 1 `(…)`.
        rows, units: how many different ones there are.
    """

    means: Floats
    total: Floats
    shared: Floats
    shared_variance: Floats
    weight: Floats
    own: Floats
    overlap: Floats
    rows: int
    units: int


@dataclass(frozen=True, eq=False)
class CrossedGain:
    """How much better one arm is than another; *higher is better*, in units of the metric.

    Attributes:
        mean: the gain.
        error: its standard error, for new seeds and new rows.
        freedom: degrees of freedom of that error.
        pairs, rows, units: how many of each were measured; no rows where only scores are known.
        seed_variance: variance of the gain from pair to pair.
        row_error: squared error that stays however many pairs there are, because rows are few.
        noise: the part of `seed_variance` that more rows would remove.
        test, rest: the gain on the test rows, and on rows that pairs held out; None without them.
        conflict: p-value of no difference between these two; 1 where there is one.
        identical: every pair has the same score on every row.
    """

    mean: Any
    error: Any
    freedom: Any
    pairs: int
    rows: int
    units: int
    seed_variance: Any
    row_error: Any
    noise: Any
    test: Any = None
    rest: Any = None
    conflict: Any = 1.0
    identical: Any = False

    def reach(self, level: Any) -> Any:
        """Half the width of the interval at a level such as .95, by Student's t."""
        return self.error * scipy.special.stdtrit(self.freedom, 0.5 + level / 2)

    def interval(self, level: Any = 0.95) -> tuple[Any, Any]:
        """The two ends of the interval at a level such as .95."""
        reach = self.reach(level)
        return self.mean - reach, self.mean + reach

    @property
    def p(self) -> Any:
        """Two-sided p-value of no difference; 1 where nothing differs."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * scipy.special.stdtr(self.freedom, -np.abs(self.mean) / self.error)
        return np.where(np.isnan(p), 1.0, p)[()]

    @property
    def conflicts(self) -> Any:
        """Whether the gains on test rows and on other rows differ by more than chance allows."""
        return self.conflict < CONFLICT_ALPHA


def part_of(values: Any, groups: Any = None) -> MeasuredRows:
    """What pairs say of one set of rows.

    Two pairs share the rows that both scored, and only what these rows do in both of them stays
    when there are many pairs: the mean covariance of two pairs over rows (Gallas 2006, "One-shot
    estimate of MRMC variance"; unbalanced: Gallas & Brown 2008).

    Arguments:
        values: what each row adds to the gain of each pair `(…, pairs, rows)`, higher is better,
            so that their mean is the gain; NaN for rows that a pair did not score.
        groups: a number for each row `(rows,)`, the same for rows that belong together.

    Raises:
        ValueError: there are fewer than two pairs, or a pair scored no row.
    """
    values = np.asarray(values)
    scored = np.isfinite(values)
    rows = scored.sum(-1)
    if values.shape[-2] < 2 or not rows.all():
        raise ValueError(f"two pairs with rows are the least, got {values.shape} with {rows} rows")
    means = np.where(scored, values, 0.0).sum(-1) / rows
    centered = np.where(scored, values - means[..., None], 0.0)

    # Rows that belong together are one unit, with the sum of what they add.
    held = scored
    if groups is not None:
        _, number = np.unique(np.asarray(groups), return_inverse=True)
        members = np.eye(number.max() + 1)[number]
        centered, held = centered @ members, scored @ members > 0
    # A mean that is taken from the same units makes their squares too small by this.
    units = held.sum(-1)
    centered = centered * np.sqrt(units / np.maximum(units - 1, 1))[..., None]
    total = ((centered**2).sum(-1) / units).mean(-1)
    shared, variance, weight = _shared(centered, held)

    share = held / rows[..., None]
    own = (share**2).sum(-1).mean(-1)
    pairs = values.shape[-2]
    overlap = ((share.sum(-2) ** 2).sum(-1) - pairs * own) / (pairs * (pairs - 1))
    return MeasuredRows(
        means=means,
        total=total,
        shared=shared,
        shared_variance=variance,
        weight=weight,
        own=own,
        overlap=overlap,
        rows=int(np.max(scored.any(-2).sum(-1))),
        units=int(np.max(held.any(-2).sum(-1))),
    )


def _shared(centered: Floats, held: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """The mean covariance of two pairs on a unit `(…)`, the variance of this estimate, its weight.

    Its variance is taken from unit to unit, so that heavy tails widen it.
    """
    # A unit in n pairs has n (n - 1) products of two; the weight n - 1 lies between those that are
    # best where units differ much and where they do not.
    times = held.sum(-2)
    products = (centered.sum(-2) ** 2 - (centered**2).sum(-2)) / np.maximum(times, 1)
    weights = np.maximum(times - 1, 0)
    weight = np.maximum(weights.sum(-1), 1)
    shared = products.sum(-1) / weight
    off = products - shared[..., None] * weights
    return shared, (off**2).sum(-1) / weight**2, weight


def crossed_gain(test: MeasuredRows | None, rest: MeasuredRows | None = None) -> CrossedGain:
    """The gain over pairs and rows, with an error for new ones of both.

    The mean over pairs has the variance s²/J + C: what varies from pair to pair, and the covariance
    C of two pairs, which the rows that they share cause. It is that of Obuchowski & Rockette (1995)
    where all pairs score the same rows; negative parts count as 0, so that the error is never below
    that of seeds alone nor that of rows alone. Degrees of freedom: Satterthwaite (1946), with the
    s² that was seen (Hillis 2007).

    Arguments:
        test: what the pairs say of the test rows; None where there are none.
        rest: what they say of rows that they held out, and that trained other pairs; None where
            there are none, or where the test rows measure alone.

    Raises:
        ValueError: there is neither, or they have unequal numbers of pairs.
    """
    given = [part for part in (test, rest) if part is not None]
    if not given or len({part.means.shape[-1] for part in given}) > 1:
        raise ValueError("crossed_gain needs rows, and as many pairs on the test rows as elsewhere")
    pairs = given[0].means.shape[-1]
    weights = _weights(given, pairs)

    # Rows are of one kind, so that what they share is estimated from all of them.
    shared, variance = _pooled(given)
    total = _mean_total(given)
    own = sum(w**2 * part.own for w, part in zip(weights, given, strict=True))
    overlap = sum(w**2 * part.overlap for w, part in zip(weights, given, strict=True))
    both = sum(w[..., None] * part.means for w, part in zip(weights, given, strict=True))
    seen = both.var(-1, ddof=1)
    noise = np.maximum(total * own - shared * overlap, 0.0)
    row_error = shared * overlap
    squared = np.maximum(seen, noise) / pairs + row_error

    spread = (seen / pairs) ** 2 / (pairs - 1) + variance * overlap**2 / 2
    freedom = np.where(spread > 0, squared**2 / np.where(spread > 0, spread, 1.0), np.inf)
    return CrossedGain(
        mean=both.mean(-1),
        error=np.sqrt(squared),
        freedom=freedom[()],
        pairs=pairs,
        rows=sum(part.rows for part in given),
        units=sum(part.units for part in given),
        seed_variance=seen,
        row_error=row_error,
        noise=noise,
        test=None if test is None else test.means.mean(-1),
        rest=None if rest is None else rest.means.mean(-1),
        conflict=1.0 if test is None or rest is None else _conflict(test, rest, shared),
        identical=np.all(both == 0, -1) & (total == 0),
    )


def _weights(parts: list[MeasuredRows], pairs: int) -> list[Any]:
    """How much each set of rows counts: by the variance of its mean that is its rows' alone."""
    if len(parts) == 1:
        return [np.ones(np.shape(parts[0].total))]
    shared, _ = _pooled(parts)
    total = np.maximum(_mean_total(parts), shared)
    first, second = (total * p.own + (pairs - 1) * shared * p.overlap for p in parts)
    both = first + second
    weight = np.where(both > 0, second / np.where(both > 0, both, 1.0), 0.5)
    return [weight, 1 - weight]


def _pooled(parts: list[MeasuredRows]) -> tuple[Any, Any]:
    """The shared variance of a unit over all parts, at least 0, and that of the estimate."""
    weight = sum(part.weight for part in parts)
    shared = sum(part.weight * part.shared for part in parts) / weight
    variance = sum(part.weight**2 * part.shared_variance for part in parts) / weight**2
    return np.maximum(shared, 0.0), variance


def _mean_total(parts: list[MeasuredRows]) -> Any:
    """The variance of a unit within one pair, over all parts; never below what pairs share."""
    weight = sum(part.weight for part in parts)
    return sum(part.weight * part.total for part in parts) / weight


def _conflict(test: MeasuredRows, rest: MeasuredRows, shared: Any) -> Any:
    """Two-sided p-value that the gain on the test rows is that on the other rows.

    What a seed does to both of them cancels, pair by pair.
    """
    differences = test.means - rest.means
    pairs = differences.shape[-1]
    seen = differences.var(-1, ddof=1) / pairs
    squared = seen + shared * (test.overlap + rest.overlap)
    freedom = (pairs - 1) * (squared / np.maximum(seen, 1e-300)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        standardized = differences.mean(-1) / np.sqrt(squared)
    p = 2 * scipy.special.stdtr(np.minimum(freedom, 1e6), -np.abs(standardized))
    return np.where(np.isnan(p), 1.0, p)[()]


def gain_of_scores(gains: Any) -> CrossedGain:
    """The gain where only scores are known: new seeds on the same rows, the paired t-test.

    `rows` is 0; this is what tells that the interval says nothing of new rows.

    Arguments:
        gains: that of each pair `(…, pairs)`, higher is better.

    Raises:
        ValueError: there are fewer than two pairs.
    """
    gains = np.asarray(gains, dtype=np.float64)
    pairs = gains.shape[-1]
    if pairs < 2:
        raise ValueError(f"two pairs are the least, got {pairs}")
    seen = gains.var(-1, ddof=1)
    return CrossedGain(
        mean=gains.mean(-1),
        error=np.sqrt(seen / pairs),
        freedom=np.full(seen.shape, pairs - 1.0)[()],
        pairs=pairs,
        rows=0,
        units=0,
        seed_variance=seen,
        row_error=0.0 * seen,
        noise=0.0 * seen,
        identical=np.all(gains == 0, -1),
    )
