"""The number of pairs that measure, from what the seeds that choose have shown."""

from __future__ import annotations

import pytest

from advisor.verdict.candidates import Candidate, FreshScore
from advisor.verdict.choosing import MOST_PAIRS, is_erratic


def arm(name: str, searched: float | None) -> Candidate:
    """A candidate with a score in the search."""
    return Candidate({"activation": name}, {}, searched)


@pytest.mark.parametrize(
    ("searched", "erratic"),
    [
        pytest.param((0.97, 0.96), True, id="the baseline collapsed on all three"),
        pytest.param((0.62, 0.96), False, id="it always does"),
        pytest.param((0.65, 0.99), False, id="the best of the search is a little too good"),
        pytest.param((0.62, 0.62), True, id="the other arm collapsed in the search"),
        pytest.param((None, None), False, id="not in the search"),
    ],
)
def test_what_one_seed_did_to_an_arm_counts_beside_the_gain(searched, erratic):
    baseline, best = arm("keep", searched[0]), arm("elu", searched[1])
    results = {
        baseline.label: [FreshScore(score, 1.0) for score in (0.62, 0.62, 0.63)],
        best.label: [FreshScore(score, 1.0) for score in (0.96, 0.95, 0.97)],
    }
    assert is_erratic(results, baseline, best) is erratic
    assert MOST_PAIRS == 20
