"""Adjusted p-values, and a published comparison in the words of this project."""

from __future__ import annotations

import math

import pytest
import scipy.stats

from advisor.verdict.crossed import CrossedGain
from advisor.verdict.evidence import CHANGE_LEVEL, evidence_of, holm


def test_holm_is_bonferroni_for_the_smallest_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


# Mish against others on CIFAR-10, SqueezeNet, 23 runs each: mean accuracy and deviation as the Mish
# repository gives them.
RUNS = 23
PUBLISHED = {
    "Swish": (87.32, 0.414),
    "E-Swish": (87.49, 0.4115),
    "GELU": (87.37, 0.472),
    "ReLU": (86.66, 0.584),
    "ELU": (86.41, 0.3371),
    "SELU": (83.91, 0.5995),
}
MISH = (87.48, 0.3967)


def unpaired(one, other):
    """The gain of `other` over `one`, each a mean and a deviation over runs (Welch 1947)."""
    squared = [deviation**2 / RUNS for _, deviation in (one, other)]
    error = math.sqrt(sum(squared))
    freedom = error**4 / sum(each**2 / (RUNS - 1) for each in squared)
    varying = one[1] ** 2 + other[1] ** 2
    gain = other[0] - one[0]
    return CrossedGain(gain, error, freedom, RUNS, 0, 0, varying, 0.0, 0.0)


def test_the_published_comparison_of_mish_is_read_as_it_was():
    gains = {name: unpaired(row, MISH) for name, row in PUBLISHED.items()}
    for name, (mean, deviation) in PUBLISHED.items():
        welch = scipy.stats.ttest_ind_from_stats(
            *MISH, RUNS, mean, deviation, RUNS, equal_var=False
        )
        assert gains[name].p == pytest.approx(welch.pvalue, rel=1e-9)
    adjusted = dict(zip(gains, holm([float(gain.p) for gain in gains.values()]), strict=True))
    assert {name for name, p in adjusted.items() if p < 0.05} == {"ReLU", "ELU", "SELU"}
    assert gains["Swish"].p == pytest.approx(0.197, abs=0.02)
    found = {name: evidence_of(gain, 0.5, CHANGE_LEVEL).value for name, gain in gains.items()}
    better = dict.fromkeys(("ReLU", "ELU", "SELU"), "better")
    assert found == {
        "Swish": "equivalent",
        "E-Swish": "equivalent",
        "GELU": "equivalent",
        **better,
    }
