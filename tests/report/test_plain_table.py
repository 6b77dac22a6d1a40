"""A table in a pipe is the same, whether rich makes it or not."""

from __future__ import annotations

import io

import pytest

from advisor.report import text
from advisor.report.plain_table import plain_table

COLUMNS = ["study", "number", "score"]


@pytest.mark.parametrize(
    "rows",
    [
        [["a b", 1, 0.123456], ["xyz", None, None], ["[red]q[/red]", 10, 1e-7]],
        [["a", "x", None]],
        [[None, None, None]],
    ],
)
def test_the_lines_are_those_of_rich(rows, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(text, "answer_stream", lambda: out)
    text.show_table(COLUMNS, rows, "no rows")
    assert f"{plain_table(COLUMNS, rows)}\n" == out.getvalue()


@pytest.mark.parametrize("value", ["x" * 201, "日本", "two\nlines", "a\tb"])
def test_what_needs_wrapping_or_wider_letters_is_left_to_rich(value):
    assert plain_table(COLUMNS, [[value, 1, 2]]) is None
