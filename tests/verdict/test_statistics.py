"""The statistics themselves: what intervals cover, how often a verdict is wrong, and that nothing
is biased.
"""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from advisor.training.metrics import METRICS
from advisor.verdict.bootstrap import row_gain
from advisor.verdict.fresh_seeds import Seed, growing_seeds
from advisor.verdict.statistics import (
    chosen_overlap,
    holm,
    paired_gain,
    precise_enough,
    published_gain,
    verdict,
)


def test_the_paired_interval_is_student_s_t():
    one, two = [0.90, 0.91, 0.89, 0.92, 0.90], [0.93, 0.92, 0.93, 0.94, 0.91]
    gain, expected = paired_gain(one, two), scipy.stats.ttest_rel(two, one)
    interval = expected.confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high))
    assert gain.p == pytest.approx(expected.pvalue)
    assert gain.mean == pytest.approx(0.022)


def test_overlapping_splits_widen_the_interval_as_nadeau_and_bengio_say():
    one, two = [0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.25, 0.5, 0.5, 0.6]
    plain, corrected = paired_gain(one, two), paired_gain(one, two, overlap=1 / 3)
    assert corrected.high - corrected.low == pytest.approx(
        (plain.high - plain.low) * math.sqrt((1 / 5 + 1 / 3) / (1 / 5))
    )
    assert corrected.mean == plain.mean


def test_identical_scores_are_no_gain_and_a_constant_gain_is_certain():
    assert (paired_gain([0.5] * 3, [0.5] * 3).p, paired_gain([0.5] * 3, [0.5] * 3).high) == (
        1.0,
        0.0,
    )
    assert paired_gain([0.25] * 3, [0.75] * 3).low == 0.5
    with pytest.raises(ValueError, match="at least two pairs"):
        paired_gain([0.5], [0.6])


def test_the_interval_covers_and_the_verdict_seldom_changes_where_there_is_no_gain():
    generator = np.random.default_rng(0)
    shared = generator.normal(0.9, 0.01, (2000, 5))
    one, two = (
        shared + generator.normal(0, 0.005, (2000, 5)),
        shared + generator.normal(0, 0.005, (2000, 5)),
    )
    gains = [paired_gain(list(a), list(b)) for a, b in zip(one, two, strict=True)]
    assert 0.93 <= np.mean([gain.low <= 0 <= gain.high for gain in gains]) <= 0.97
    assert np.mean([verdict(gain, 0.001) == "change" for gain in gains]) <= 0.035


def test_the_detectable_difference_is_found_about_four_times_in_five():
    generator = np.random.default_rng(1)
    detectable = np.mean(
        [paired_gain([0.0] * 8, list(generator.normal(0, 1, 8))).detectable for _ in range(500)]
    )
    found = [
        paired_gain([0.0] * 8, list(generator.normal(detectable, 1, 8))).low > 0
        for _ in range(2000)
    ]
    assert 0.72 <= np.mean(found) <= 0.88


PAIRS = {
    "a real gain that is worth it": ([0.1, 0.12, 0.11], [0.8, 0.83, 0.82], "change"),
    "a real gain that is not worth it": ([0.900, 0.910, 0.905], [0.901, 0.911, 0.906], "keep"),
    "a loss": ([0.9, 0.91, 0.92], [0.8, 0.82, 0.81], "keep"),
    "a gain that a few more seeds would prove": (
        [0.90, 0.91, 0.90],
        [0.92, 0.96, 0.91],
        "undecided",
    ),
    "noise": ([0.90, 0.60, 0.99, 0.70], [0.62, 0.99, 0.70, 0.90], "keep"),
}


@pytest.mark.parametrize("case", PAIRS)
def test_the_verdict_is_change_only_for_a_gain_that_is_real_and_worth_it(case):
    one, two, expected = PAIRS[case]
    assert verdict(paired_gain(one, two), 0.005) == expected


def simulated(generator, gain, between, within, overlap, splits, draws=2):
    """Paired differences of a study: what the rows cause is partly shared by all splits, what the
    draw causes is not.
    """
    shared = generator.normal(0, math.sqrt(overlap) * between)
    rows = generator.normal(0, between, splits)
    return {
        Seed(i, k): gain + shared + rows[i] + generator.normal(0, within)
        for i in range(splits)
        for k in range(draws)
    }


def gain_of(differences, wanted, overlap):
    found = [differences[seed] for seed in wanted]
    return paired_gain([0.0] * len(found), found, overlap, [seed.split for seed in wanted])


SPREADS = {"by rows": (1.0, 0.0), "by draws": (0.0, 1.0), "by both": (0.7, 0.7)}


@pytest.mark.parametrize("case", SPREADS)
@pytest.mark.parametrize("longer", [1, 2])
def test_second_draws_on_the_same_rows_keep_the_interval_honest_whatever_the_differences_vary_by(
    case, longer
):
    generator, wanted = np.random.default_rng(0), growing_seeds(5)[longer]
    gains = [
        gain_of(simulated(generator, 0.0, *SPREADS[case], 1 / 3, 10), wanted, 1 / 3)
        for _ in range(1000)
    ]
    assert 0.92 <= np.mean([gain.low <= 0 <= gain.high for gain in gains]) <= 0.98


def test_second_draws_prove_a_gain_that_splits_alone_never_could():
    generator, wanted = np.random.default_rng(1), growing_seeds(5)[2]
    studies = [simulated(generator, 1.2, 0.0, 1.0, 1 / 3, 10) for _ in range(300)]
    apart = [gain_of(study, wanted, 1 / 3).low > 0 for study in studies]
    alike = [
        paired_gain([0.0] * 20, [study[seed] for seed in wanted], 1 / 3).low > 0
        for study in studies
    ]
    assert np.mean(apart) > np.mean(alike) + 0.2


def test_pairs_that_are_missing_leave_the_interval_right():
    generator, seeds = np.random.default_rng(3), growing_seeds(5)[1]
    left = [seed for place, seed in enumerate(seeds) if place not in (1, 8)]
    for between, within in ((0.0, 1.0), (1.0, 0.5)):
        gains = []
        for _ in range(1000):
            study = simulated(generator, 0.0, between, within, 1 / 3, 10)
            gains.append(gain_of(study, left, 1 / 3))
        assert 0.92 <= np.mean([gain.low <= 0 <= gain.high for gain in gains]) <= 0.98
    gain = paired_gain([0.0] * 3, [0.1, 0.2, 0.4], 0.25, [0, 0, 1])
    assert gain.mean == pytest.approx(0.7 / 3)
    assert paired_gain([0.0] * 3, [0.1] * 3, 0.25, [0, 0, 1]).low == 0.1


def test_seeds_are_added_to_those_before_and_each_first_draw_has_a_split_of_its_own():
    growing = growing_seeds(5)
    assert [len(seeds) for seeds in growing] == [5, 10, 20]
    assert growing[1][:5] == growing[0]
    assert growing[2][:10] == growing[1]
    assert len({seed.split for seed in growing[0]}) == 5
    assert len(set(growing[2])) == 20


@pytest.mark.parametrize("gain", [0.0, 1.0, 2.0])
def test_when_the_seeds_end_biases_neither_the_printed_gain_nor_its_interval(gain):
    generator, means, covered, changed, counts = np.random.default_rng(2), [], [], [], []
    for _ in range(1200):
        study, chosen_by = (
            simulated(generator, gain, 0.0, 1.0, 0.0, 10),
            gain + generator.normal(0, 1 / math.sqrt(3)),
        )
        for seeds in growing_seeds(5):
            found = gain_of(study, seeds, 0.0)
            if precise_enough(found, 0.5, chosen_by):
                break
        means.append(found.mean)
        covered.append(found.low <= gain <= found.high)
        changed.append(verdict(found, 0.5) == "change")
        counts.append(found.seeds)
    assert abs(np.mean(means) - gain) < 0.1 * np.std(means)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(changed) <= 0.03 if gain == 0 else np.mean(changed) > 0.75
    assert np.mean(counts) < 19.9


def test_the_shared_variance_grows_with_the_number_of_arms_that_were_chosen_from():
    grown = [chosen_overlap(1 / 3, arms) * 3 for arms in (1, 2, 3, 8, 17)]
    assert grown[0] == 1.0
    assert grown == sorted(grown)
    generator = np.random.default_rng(3)
    chosen = np.sqrt(0.5) * (
        generator.normal(size=(20000, 9))[:, 1:].max(1) - generator.normal(size=20000)
    )
    assert np.mean(chosen**2) <= chosen_overlap(1.0, 8) <= 1.25 * np.mean(chosen**2)


def test_holm_is_bonferroni_for_the_smallest_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


# Mish against others on CIFAR-10, SqueezeNet, 23 runs each: mean accuracy and deviation as the Mish
# repository gives them.
PUBLISHED = {
    "Swish": (87.32, 0.414),
    "E-Swish": (87.49, 0.4115),
    "GELU": (87.37, 0.472),
    "ReLU": (86.66, 0.584),
    "ELU": (86.41, 0.3371),
    "SELU": (83.91, 0.5995),
}
MISH = (87.48, 0.3967, 23)


def test_the_published_comparison_of_mish_is_read_as_it_was():
    gains = {name: published_gain((*row, 23), MISH) for name, row in PUBLISHED.items()}
    adjusted = dict(zip(gains, holm([gain.p for gain in gains.values()]), strict=True))
    assert {name for name, p in adjusted.items() if p < 0.05} == {"ReLU", "ELU", "SELU"}
    assert gains["Swish"].p == pytest.approx(0.197, abs=0.02)
    assert gains["E-Swish"].p == pytest.approx(0.908, abs=0.03)
    assert gains["GELU"].p == pytest.approx(0.400, abs=0.02)
    assert gains["ReLU"].p < 1e-4
    verdicts = {name: verdict(gain, 0.5) for name, gain in gains.items()}
    assert verdicts == {
        "Swish": "keep",
        "E-Swish": "keep",
        "GELU": "keep",
        "ReLU": "change",
        "ELU": "change",
        "SELU": "change",
    }


def test_the_interval_over_test_rows_is_that_of_the_share_that_changed():
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 2, (400,), generator=generator)
    one, other = (
        torch.where(torch.rand(400, generator=generator) < share, target, 1 - target)
        for share in (0.85, 0.92)
    )
    found = row_gain(
        METRICS["accuracy"], [((as_scores(one), target), (as_scores(other), target))], 0
    )
    differences = (other == target).double() - (one == target).double()
    reach = 1.96 * float(differences.std()) / 20
    assert found.mean == pytest.approx(float(differences.mean()))
    assert (found.low, found.high) == pytest.approx(
        (found.mean - reach, found.mean + reach), abs=0.006
    )
    by_score = row_gain(
        METRICS["macro_f1"], [((as_scores(one), target), (as_scores(other), target))], 0
    )
    assert by_score.low == pytest.approx(found.low, abs=0.01)


def as_scores(classes):
    return torch.nn.functional.one_hot(classes, 2).double()


def test_a_metric_that_cannot_be_computed_on_most_resamples_has_no_interval():
    target, scores = (
        torch.tensor([0] * 50 + [1]),
        torch.rand(51, generator=torch.Generator().manual_seed(0)),
    )
    assert row_gain(METRICS["auc"], [((scores, target), (scores, target))], 0) is not None
    lonely = torch.zeros(3, dtype=torch.long)
    assert row_gain(METRICS["auc"], [((scores[:3], lonely), (scores[:3], lonely))], 0) is None


def test_the_error_of_a_gain_on_test_rows_counts_groups_and_not_rows():
    # Twenty groups of twenty rows that are all right or all wrong: twenty facts, not four hundred.
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(400) // 20
    better = (torch.rand(20, generator=generator) < 0.6)[group]
    target = torch.ones(400, dtype=torch.long)
    answers = [
        torch.stack([~right, right], 1).float() for right in (torch.zeros(400).bool(), better)
    ]
    pairs = [((answers[0], target), (answers[1], target))] * 2
    accuracy = METRICS["accuracy"]
    by_row, by_group = row_gain(accuracy, pairs, 0), row_gain(accuracy, pairs, 0, group)
    assert by_row.mean == by_group.mean
    assert by_group.error == pytest.approx(by_row.error * 20**0.5, rel=0.25)
    assert (by_row.sample, by_group.sample) == ("400 rows", "400 rows of 20 groups")
    assert row_gain(accuracy, pairs, 0, torch.zeros(400)) is None
