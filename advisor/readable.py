"""Numbers as a person reads them: with the digits that their error leaves, and the right plural."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

MOST_DECIMALS = 6
"""Digits after the point; a smaller error is written with an exponent."""

ROUNDING = 1e-9
"""By how much a power of ten may be off, when it is computed."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 trial`, `2 trials`; `plural` where the noun does not just take an s."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {plural or noun + 's'}"


def rounded(value: float, error: float, sign: bool = False) -> str:
    """A value to the second digit of its error: `0.944` where the error is 0.012.

    Arguments:
        value: what was measured.
        error: how far it may be off; four digits are written where it is 0 or not known.
        sign: whether a plus is written, too.
    """
    plus = "+" if sign else ""
    if not math.isfinite(value) or not math.isfinite(error) or error <= 0:
        return f"{value:{plus}.4g}"
    # The place of the second digit of the error, after the point or before it.
    decimals = 1 - math.floor(math.log10(error) + ROUNDING)
    if decimals <= 0:
        return f"{round(value, decimals):{plus}.0f}"
    if decimals <= MOST_DECIMALS:
        return f"{value:{plus}.{decimals}f}"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:{plus}.{max(size + decimals + 1, 1)}g}"


def interval_text(mean: float, low: float, high: float, unit: str = "") -> str:
    """A gain with its interval, all to the same digit: `+0.040 [+0.031, +0.049]`.

    The sign is always written, as a gain may be a loss. The unit stands after the mean.
    """
    width = (high - low) / 2
    numbers = [rounded(number, width, sign=True) for number in (mean, low, high)]
    after = f" {unit}" if unit else ""
    return f"{numbers[0]}{after} [{numbers[1]}, {numbers[2]}]"


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean of independent values; 0 where one value tells nothing."""
    if len(values) < 2:
        return 0.0
    return statistics.stdev(values) / math.sqrt(len(values))


def mean_text(values: Sequence[float]) -> str:
    """The mean of some values, to the second digit of its standard error."""
    return rounded(statistics.fmean(values), standard_error(values))


def rate_text(rate: float) -> str:
    """A learning rate or a weight decay, in the one spelling that it has everywhere."""
    return f"{rate:.3g}"
