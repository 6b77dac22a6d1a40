"""One gain and one error: against textbook values, and by what the intervals cover."""

import math

import numpy as np
import pytest
import scipy.stats

from advisor.verdict.crossed import crossed_gain, gain_of_scores, part_of
from advisor.verdict.evidence import (
    LOOK_LEVELS,
    breaking_p,
    breaks_more,
    evidence_of,
    level_after,
    level_of_each,
    level_of_look,
    shared_levels,
    tell,
)
from advisor.verdict.racing import pairs_for, spread_beside, still_possible
from advisor.verdict.records import Evidence


def crossed(studies, pairs, rows, seed_sd, row_sd, noise_sd, held=0, share=0.2):
    """Gains of many studies whose truth is 0, by normal parts, and their crossed gain."""
    generator = np.random.default_rng([pairs, rows, held])
    seed = generator.normal(0, seed_sd, (studies, pairs, 1))

    def part(number):
        row = generator.normal(0, row_sd, (studies, 1, number))
        return seed + row + generator.normal(0, noise_sd, (studies, pairs, number))

    test = part_of(part(rows)) if rows else None
    rest = None
    if held:
        values = part(held)
        order = generator.random((studies, pairs, held), dtype=np.float32).argsort(-1)
        values[order >= share * held] = np.nan
        rest = part_of(values)
    return crossed_gain(test, rest)


# --- textbook values ------------------------------------------------------------------------------


def test_the_error_is_that_of_two_random_factors_by_analysis_of_variance():
    values = np.random.default_rng(3).normal(0.01, 0.02, (6, 9))
    values += np.random.default_rng(4).normal(0, 0.05, 9)
    values += np.random.default_rng(5).normal(0, 0.05, (6, 1))
    pairs, rows = values.shape
    mean_square_rows = pairs * values.mean(0).var(ddof=1)
    mean_square_pairs = rows * values.mean(1).var(ddof=1)
    residual = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    mean_square_rest = (residual**2).sum() / ((pairs - 1) * (rows - 1))

    gain = crossed_gain(part_of(values))
    expected = (mean_square_rows + mean_square_pairs - mean_square_rest) / values.size
    assert gain.mean == pytest.approx(values.mean())
    assert gain.error**2 == pytest.approx(expected)


def test_the_error_is_that_of_obuchowski_and_rockette_with_jackknifed_covariances():
    # Their error of one difference of two modalities: (readers' mean square + r max(Cov, 0)) / r,
    # where Cov is the mean covariance of two readers, estimated by deleting each case.
    values = np.random.default_rng(8).normal(0, 1, (5, 30))
    values += np.random.default_rng(9).normal(0, 1, 30)
    readers, cases = values.shape
    without = (values.sum(1, keepdims=True) - values) / (cases - 1)
    covariance = np.cov(without) * (cases - 1) ** 2 / cases
    between = covariance[~np.eye(readers, dtype=bool)].mean()
    squared = values.mean(1).var(ddof=1) / readers + between

    assert crossed_gain(part_of(values)).error ** 2 == pytest.approx(squared)


def test_rows_without_variance_leave_the_paired_t_test():
    gains = np.array([0.02, 0.01, 0.03, 0.02, -0.01])
    gain = crossed_gain(part_of(np.repeat(gains[:, None], 40, 1)))
    expected = scipy.stats.ttest_1samp(gains, 0)
    assert gain.interval(0.95) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert gain.p == pytest.approx(expected.pvalue)
    alone = gain_of_scores(gains)
    assert alone.interval(0.99) == pytest.approx(gain.interval(0.99))
    assert alone.rows == 0


def test_pairs_without_variance_leave_the_interval_over_rows():
    rows = np.random.default_rng(0).normal(0.01, 0.1, 50)
    gain = crossed_gain(part_of(np.repeat(rows[None], 5, 0)))
    assert gain.error == pytest.approx(rows.std(ddof=1) / math.sqrt(50))
    # Degrees of freedom come from the fourth moments of the rows; many rows give the normal.
    assert gain.freedom > 20


def test_the_error_is_never_below_that_of_pairs_alone_nor_of_rows_alone():
    generator = np.random.default_rng(11)
    for _ in range(200):
        values = generator.normal(0, 1, (5, 12)) + generator.normal(0, 0.3, 12)
        gain = crossed_gain(part_of(values))
        of_pairs = values.mean(1).std(ddof=1) / math.sqrt(5)
        of_rows = values.mean(0).std(ddof=1) / math.sqrt(12)
        assert gain.error >= of_pairs - 1e-12
        assert gain.error >= of_rows - 1e-12


def test_groups_of_one_row_change_nothing_and_copies_of_a_row_say_nothing_new():
    values = np.random.default_rng(2).normal(0, 1, (5, 20))
    alone = crossed_gain(part_of(values))
    ones = crossed_gain(part_of(values, groups=np.arange(20)))
    assert ones.error == pytest.approx(alone.error)
    assert ones.freedom == pytest.approx(alone.freedom)
    copies = crossed_gain(part_of(np.tile(values, 3), groups=np.tile(np.arange(20), 3)))
    assert (copies.mean, copies.error) == pytest.approx((alone.mean, alone.error))
    assert (copies.rows, copies.units) == (60, 20)


def test_a_row_without_another_leaves_the_error_of_seeds_alone():
    values = np.array([[0.1], [0.3], [0.2]])
    assert crossed_gain(part_of(values)).error == pytest.approx(gain_of_scores(values[:, 0]).error)


def test_the_same_scores_are_identical_and_a_constant_gain_is_certain():
    same, better = (crossed_gain(part_of(np.full((5, 9), each))) for each in (0.0, 0.5))
    assert same.identical
    assert (same.p, same.interval(0.99)) == (1.0, (0.0, 0.0))
    assert evidence_of(same, 0.005) is Evidence.EQUIVALENT
    assert not better.identical
    assert (better.p, better.interval(0.99)) == (0.0, (0.5, 0.5))
    assert evidence_of(better, 0.005) is Evidence.BETTER


def test_pairs_without_rows_and_a_single_pair_are_refused():
    with pytest.raises(ValueError, match="two pairs"):
        part_of(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="two pairs"):
        part_of(np.array([[0.0, 1.0], [np.nan, np.nan]]))
    with pytest.raises(ValueError, match="needs rows"):
        crossed_gain(None)
    with pytest.raises(ValueError, match="two pairs"):
        gain_of_scores([0.1])


# --- coverage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [5, 20])
@pytest.mark.parametrize(("rows", "held"), [(100, 0), (100, 150), (0, 200)])
@pytest.mark.parametrize("parts", [(0.1, 0.0, 0.2), (0.05, 0.5, 0.5), (0.0, 1.0, 0.1)])
def test_the_interval_covers_whatever_the_gain_varies_by(pairs, rows, held, parts):
    gain = crossed(1500, pairs, rows, *parts, held=held)
    for level, least in ((0.95, 0.933), (0.99, 0.981)):
        assert np.mean(np.abs(gain.mean) <= gain.reach(level)) >= least
    # Nor is it wider than it needs to be, but where 5 pairs share few rows.
    assert np.sqrt(np.mean(gain.error**2)) < 1.12 * gain.mean.std()
    assert gain.mean.mean() == pytest.approx(0, abs=4 * gain.mean.std() / math.sqrt(1500))


def test_rows_of_groups_are_covered_only_where_the_groups_are_told():
    generator = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), 10)
    of_group = generator.normal(0, 1, (1000, 1, 30))[:, :, groups]
    values = of_group + generator.normal(0, 1, (1000, 10, 300))
    told, untold = crossed_gain(part_of(values, groups)), crossed_gain(part_of(values))
    covered = [np.mean(np.abs(gain.mean) <= gain.reach(0.95)) for gain in (told, untold)]
    assert covered[0] > 0.93
    assert covered[1] < 0.6


# --- test rows against the rest -------------------------------------------------------------------


def test_test_rows_that_contradict_the_rest_are_told_and_never_change():
    generator = np.random.default_rng(6)
    test = generator.normal(0.3, 0.1, (10, 100))
    rest = generator.normal(0.0, 0.1, (10, 300))
    rest[generator.random((10, 300)) > 0.3] = np.nan
    gain = crossed_gain(part_of(test), part_of(rest))
    assert gain.conflicts
    assert gain.interval(0.99)[0] > 0
    assert evidence_of(gain, 0.01) is Evidence.OPEN

    # Where both say that it is worth having, its size does not matter.
    gain = crossed_gain(part_of(test + 0.1), part_of(rest + 0.1))
    assert gain.conflicts
    assert evidence_of(gain, 0.01) is Evidence.BETTER


def test_test_rows_conflict_as_rarely_as_chance_allows():
    gain = crossed(3000, 10, 80, 0.3, 0.5, 0.5, held=200)
    assert np.mean(gain.conflicts) < 0.018
    assert np.mean(gain.conflict < 0.5) == pytest.approx(0.5, abs=0.04)


# --- evidence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (0.020, 0.005, Evidence.BETTER),
        (0.012, 0.005, Evidence.OPEN),
        (0.004, 0.0001, Evidence.EQUIVALENT),
        (0.000, 0.002, Evidence.EQUIVALENT),
        (-0.004, 0.004, Evidence.NOT_BETTER),
        (-0.020, 0.005, Evidence.WORSE),
        (0.000, 0.005, Evidence.OPEN),
    ],
)
def test_the_evidence_is_by_the_table(mean, error, expected):
    gains = scipy.stats.zscore(np.arange(2000.0), ddof=1) * error * math.sqrt(2000) + mean
    assert evidence_of(gain_of_scores(gains), 0.005) is expected


def test_an_open_question_says_how_many_pairs_or_rows_would_tell():
    # What varies from seed to seed alone, more pairs tell: t(.995) error below the gain.
    by_seeds = gain_of_scores(np.resize([0.0, 0.02], 10))
    assert evidence_of(by_seeds, 0.005) is Evidence.OPEN
    told = tell(by_seeds, 0.005)
    assert told.rows is None
    error = by_seeds.seed_variance**0.5 / math.sqrt(told.pairs)
    assert error * scipy.stats.t.ppf(0.995, told.pairs - 1) < 0.01
    assert told.pairs == pytest.approx(12, abs=2)

    # What rows do to all pairs, no number of pairs removes.
    rows = scipy.stats.zscore(np.arange(100.0), ddof=1) * 0.05 + 0.01
    by_rows = crossed_gain(part_of(np.repeat(rows[None], 5, 0)))
    assert evidence_of(by_rows, 0.005) is Evidence.OPEN
    told = tell(by_rows, 0.005)
    assert told.pairs is None
    assert 140 < told.rows < 220


# --- levels ---------------------------------------------------------------------------------------


def test_levels_are_spent_over_the_verdicts_on_the_same_rows():
    levels = [level_after([Evidence.OPEN] * before) for before in range(1000)]
    assert levels[:4] == [0.99] * 4
    assert levels == sorted(levels)
    assert sum(1 - level for level in levels) / 2 < 0.04
    assert level_after([Evidence.WORSE] * 50 + [Evidence.BETTER]) == 0.99
    assert sum(1 - level for level in LOOK_LEVELS) == pytest.approx(0.01)
    assert level_of_each(4, 0.95) == pytest.approx(0.9875)
    assert level_of_each(1, 0.95) == 0.95


def test_breaking_is_compared_by_mcnemar_and_shares_the_level_with_the_gain():
    for one, other in [(8, 0), (7, 0), (5, 4), (0, 12)]:
        expected = scipy.stats.binomtest(one, one + other).pvalue
        assert breaking_p(one, other) == pytest.approx(expected)
    assert breaking_p(0, 0) == 1.0
    assert breaks_more(8, 0)
    assert not breaks_more(0, 8)
    assert not breaks_more(7, 0)
    assert shared_levels(4, 3) == (0.99, 0.0)
    gain, breaking = shared_levels(8, 0)
    assert (1 - gain) + breaking == pytest.approx(0.01)


def test_what_breaking_may_mislead_by_in_two_looks_is_what_it_may_in_one():
    levels = [level_of_look(1), level_of_look(2)]
    assert levels == list(LOOK_LEVELS)
    both = [shared_levels(12, 0, level) for level in levels]
    assert sum(each.breaking for each in both) == pytest.approx(shared_levels(12, 0).breaking)
    assert sum(1 - each.gain for each in both) == pytest.approx(1 - shared_levels(12, 0).gain)
    least = [next(n for n in range(20) if breaks_more(n, 0, level)) for level in levels]
    assert least == [9, 11]
    assert [shared_levels(n - 1, 0, level) for n, level in zip(least, levels, strict=True)] == [
        (level, 0.0) for level in levels
    ]

    # Where both sides break equally often, all patterns of 30 pairs, 12 of them looked at before.
    misled = 0.0
    for first in range(13):
        for more in range(19):
            chance = scipy.stats.binom.pmf(first, 12, 0.5) * scipy.stats.binom.pmf(more, 18, 0.5)
            told = [(first, 12 - first, levels[0]), (first + more, 30 - first - more, levels[1])]
            ways = [(a, b, level) for a, b, level in told] + [(b, a, level) for a, b, level in told]
            misled += chance * any(breaks_more(*way) for way in ways)
    assert 0.001 < misled <= 0.008


def test_looks_share_the_level_of_a_later_verdict_on_the_same_rows():
    level = level_after([Evidence.OPEN] * 10)
    levels = [level_of_look(look, level) for look in (1, 2)]
    assert sum(1 - each for each in levels) == pytest.approx(1 - level)
    assert levels[0] > LOOK_LEVELS[0]


# --- choosing -------------------------------------------------------------------------------------


def test_a_gap_of_many_deviations_is_measured_with_5_pairs_and_none_with_20():
    noise = np.random.default_rng(0).normal(0, 0.005, (4, 3))
    plain = noise + np.array([[0.5], [0.9], [0.7], [0.9]])
    assert pairs_for(plain, 0, 1) == 5
    assert pairs_for(noise, 0, 1) == 20
    three = 3 * spread_beside(noise, 0, 1).sd
    between = noise - noise.mean(1, keepdims=True) + np.array([[0], [three], [0], [0]])
    assert pairs_for(between, 0, 1) == 10
    assert pairs_for(plain[:1], 0, 0) == 20


def test_one_erratic_arm_does_not_make_a_clear_gap_unclear():
    scores = [[0.1, 0.1, 0.101], [0.936, 0.93, 0.94], [0.946, 0.95, 0.943], [0.59, 0.9, 0.2]]
    assert pairs_for(scores, 0, 2) == 5
    assert pairs_for(scores, 0, 3) > 5


def test_one_erratic_arm_does_not_keep_the_others_in_the_race():
    """Elu of three seeds of a deep sigmoid net, beside arms that are clear after two."""
    scores = [[0.1, 0.1], [0.936, 0.93], [0.946, 0.95], [0.59, 0.9], [0.6, 0.61]]
    assert still_possible(scores, [0]) == [0, 1, 2, 3]


def test_what_cannot_become_the_best_is_dropped_and_one_rate_of_the_baseline_stays():
    noise = np.random.default_rng(0).normal(0, 0.005, (6, 3))
    level = np.array([[0.5], [0.3], [0.9], [0.9], [0.6], [0.5]])
    scores = level + noise
    assert still_possible(scores[:, :1], [0, 1]) == [0, 1, 2, 3, 4, 5]
    assert still_possible(scores[:, :2], [0, 1]) == [0, 2, 3]
    scores[3, 2] = np.nan
    assert 3 not in still_possible(scores, [0, 1])


def test_the_best_arm_is_seldom_dropped():
    generator = np.random.default_rng(0)
    kept = 0
    for _ in range(500):
        scores = generator.normal(0, 1, (5, 2))
        scores[2] += 0.5
        kept += 2 in still_possible(scores, [0])
    assert kept > 480
