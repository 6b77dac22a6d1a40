"""Numbers as people write them in cells: 1,234.5 or 1.234,5, $5, 12.5%, (300), 1.2M, 7 km."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd


class DecimalSign(Enum):
    """What stands before the decimals of a number."""

    POINT = "."
    COMMA = ","


WRITTEN_NUMBER = re.compile(
    r"""(?P<open>\()?\s*
    (?P<sign>[-+]?)\s*
    (?P<before>[A-Z]{0,3}[$€£¥₹₽₩₺₫₪₴฿¢]
        |USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL|Rs\.?)?
    \s*(?P<second_sign>[-+]?)\s*
    (?P<digits>\d[\d.,'\ ]*|[.,]\d+)
    (?P<exponent>[eE][-+]?\d+)?\s*
    (?P<after>[^\d\s.,()'+-][^\d()]*?)?\s*
    (?P<close>\))?""",
    re.VERBOSE,
)
"""A number with what may stand around it: brackets or a sign, a currency, a unit."""

DIGITS = {
    DecimalSign.POINT: re.compile(
        r"\d+\.?\d*|\.\d+"
        r"|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d*)?|[1-9]\d{0,2}(?:[ ']\d{3})+(?:\.\d*)?"
    ),
    DecimalSign.COMMA: re.compile(
        r"\d+,?\d*|,\d+"
        r"|[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?|[1-9]\d{0,2}(?:[ ']\d{3})+(?:,\d*)?"
    ),
}
"""The digits of a number by its decimal sign; thousands may be parted by the other sign, a blank
or an apostrophe.
"""

MAGNITUDES = {
    "k": 1e3,
    "K": 1e3,
    "m": 1e6,
    "M": 1e6,
    "mn": 1e6,
    "b": 1e9,
    "B": 1e9,
    "bn": 1e9,
    "T": 1e12,
}
"""What a letter behind a number multiplies it by."""

LETTERS_ALIKE = str.maketrans(
    {"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"}
)
"""Letters that are written for a minus sign, a blank or an apostrophe."""

LEAST_WITH_UNIT = 3
"""Distinct numbers that a column with a unit has at least: `2d` and `3d` are names."""


@dataclass(frozen=True)
class WrittenNumbers:
    """Distinct cells as numbers.

    Attributes:
        sign: the decimal sign by which they were read.
        values: float64 by cell, NaN for a cell that is no such number.
    """

    sign: DecimalSign
    values: Any

    @property
    def count(self) -> int:
        """How many of the cells are numbers."""
        return int(self.values.notna().sum())


def written_numbers(cells: Any) -> dict[DecimalSign, WrittenNumbers]:
    """Distinct texts as numbers, by each decimal sign.

    The numbers of a column have one currency and one unit, or magnitudes such as k and M; a cell
    with another one is no number of the column.
    """
    parts = cells.str.translate(LETTERS_ALIKE).str.strip()
    parts = parts.str.extract(re.compile(f"^{WRITTEN_NUMBER.pattern}$", re.VERBOSE))
    parts.index = pd.Index(cells)
    parts = parts.fillna("")
    is_number = (parts["digits"] != "") & ((parts["open"] == "") == (parts["close"] == ""))
    is_number &= (parts["sign"] == "") | (parts["second_sign"] == "")
    factors = _factors(parts, is_number)

    # Brackets and a minus sign both say that a number is negative.
    signs = np.where((parts["open"] != "") | (parts["sign"] + parts["second_sign"] == "-"), -1, 1)
    readings = {}
    for sign, pattern in DIGITS.items():
        digits = parts["digits"].str.strip()
        digits = digits.where(digits.str.fullmatch(pattern), "")
        other = "," if sign is DecimalSign.POINT else "."
        digits = digits.str.replace(re.compile(f"[{other}' ]"), "", regex=True)
        digits = digits.str.replace(sign.value, ".", regex=False)
        numbers = pd.to_numeric(digits + parts["exponent"], errors="coerce")
        readings[sign] = WrittenNumbers(sign, numbers.astype("float64") * signs * factors)
    return readings


def _factors(parts: Any, is_number: Any) -> Any:
    """What each number is multiplied by, NaN where its currency or unit is not the column's."""
    factors = pd.Series(np.where(is_number, 1.0, np.nan), parts.index)
    if not is_number.any():
        return factors
    # A currency may be left out, a unit may not.
    currency = parts["before"][is_number & (parts["before"] != "")].mode()
    if len(currency):
        factors = factors.where(parts["before"].isin(["", currency[0]]))
    units = parts["after"][is_number]
    are_magnitudes = units.isin(["", *MAGNITUDES]).all() and (units != "").any()
    if are_magnitudes and (units.nunique() > 1 or len(currency)):
        return factors * parts["after"].map({"": 1.0, **MAGNITUDES})

    unit = units.mode()[0]
    is_name = unit[:1].isalpha() and (units == unit).sum() < LEAST_WITH_UNIT
    return factors.where((parts["after"] == unit) & (not is_name))
