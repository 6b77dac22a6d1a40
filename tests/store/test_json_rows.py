"""Rows as JSON that every program reads."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal

import pytest

from advisor.store.json_rows import rows_as_json, unique_names


@pytest.mark.parametrize(
    ("value", "plain", "lost"),
    [
        (None, None, 0),
        (1, 1, 0),
        (2**70, 2**70, 0),
        (True, True, 0),
        (0.1, 0.1, 0),
        ("é[/]", "é[/]", 0),
        (math.inf, None, 1),
        (-math.inf, None, 1),
        (math.nan, None, 1),
        (Decimal("2.50"), 2.5, 0),
        (Decimal("3.000"), 3, 0),
        (Decimal("NaN"), None, 1),
        (Decimal("Infinity"), None, 1),
        (b"\x00\xff", "00ff", 0),
        (memoryview(b"\x01"), "01", 0),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02 03:04:00", 0),
        ([1.0, math.inf], [1.0, None], 1),
        ({"a": [math.nan]}, {"a": [None]}, 1),
    ],
)
def test_every_value_of_a_database_becomes_a_value_of_json(value, plain, lost):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    answered = rows_as_json(["a"], [[value]])
    assert json.loads(answered.text, parse_constant=refuse) == [{"a": plain}]
    assert answered.not_numbers == lost


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        (["", ""], ["", "_2"]),
    ],
)
def test_each_column_has_a_name_of_its_own(columns, names):
    assert unique_names(columns) == names
