"""Numbers as a person reads them."""

from __future__ import annotations

import math

import pytest

from advisor.readable import counted, interval_text, mean_text, rate_text, rounded


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.944321, 0.0123, "0.944"),
        (0.944321, 0.123, "0.94"),
        (0.944321, 0.00031, "0.94432"),
        (-0.005667, 0.0061, "-0.0057"),
        (12.3456, 1.5, "12.3"),
        (12345.6, 15.0, "12346"),
        (12345.6, 150.0, "12350"),
        (12345.6, 4200.0, "12300"),
        (1.23456e-9, 3e-11, "1.235e-09"),
        (0.0, 1e-12, "0"),
        # Without an error that is known, four digits.
        (0.944321, 0.0, "0.9443"),
        (0.944321, math.nan, "0.9443"),
        (math.inf, 0.1, "inf"),
    ],
)
def test_a_number_has_the_digits_that_its_error_leaves(value, error, text):
    assert rounded(value, error) == text


def test_a_gain_and_its_interval_end_at_the_same_digit_and_have_their_signs():
    text = interval_text(0.842612, 0.811334, 0.873889)
    assert text == "+0.843 [+0.811, +0.874]"
    text = interval_text(-0.005667, -0.0124, 0.0011, "accuracy")
    assert text == "-0.0057 accuracy [-0.0124, +0.0011]"


def test_a_mean_is_rounded_to_the_error_of_its_values():
    assert mean_text([0.94, 0.95, 0.93, 0.944]) == "0.9410"
    assert mean_text([0.5]) == "0.5"
    assert mean_text([0.25, 0.25]) == "0.25"


def test_one_is_not_plural():
    assert (counted(0, "trial"), counted(1, "trial"), counted(2, "trial")) == (
        "0 trials",
        "1 trial",
        "2 trials",
    )
    assert counted(3, "class", "classes") == "3 classes"


def test_a_rate_has_one_spelling():
    assert (rate_text(0.00316228), rate_text(0.001), rate_text(1e-5)) == (
        "0.00316",
        "0.001",
        "1e-05",
    )
