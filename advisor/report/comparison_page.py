"""A comparison as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from advisor.comparing.comparison import Comparison
from advisor.report.comparison_plots import plotted_sides
from advisor.report.comparison_words import (
    changed_findings,
    counted_verdicts,
    gain_text,
    headline,
    shared_recipe,
    shown_of,
    side_table,
    what_would_tell,
)
from advisor.report.first_screens import screen_of_comparison
from advisor.report.html import render, write_html
from advisor.report.table import PageColumn, PageTable
from advisor.verdict.records import ESTIMAND


def write_comparison(comparison: Comparison, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(comparison_page(comparison), path)


def comparison_page(comparison: Comparison) -> str:
    """The page as text; everything that comes from the user's files is escaped."""
    gains = [(shown_of(comparison, gain), gain_text(comparison, gain)) for gain in comparison.gains]
    told = [what_would_tell(comparison), counted_verdicts(comparison)]
    return render(
        "comparison.html",
        comparison=comparison,
        headline=headline(comparison),
        gains=gains,
        told=[line for line in told if line],
        screen=screen_of_comparison(comparison),
        sides=sides_table(comparison),
        recipe=shared_recipe(comparison),
        plotted=list(plotted_sides(comparison)),
        findings=[line for gain in comparison.gains for line in changed_findings(gain)],
        estimand=f"The gain is {ESTIMAND}.",
    )


def sides_table(comparison: Comparison) -> PageTable:
    """All sides, the first one as the user's own."""
    names, rows = side_table(comparison)
    meanings = {
        "score": f"mean {comparison.metric} on the fresh pairs, with the digits its error leaves",
        "test": "the same on the test rows",
        "seconds": "of one training on this machine",
        "parameters": "numbers that the model trains",
    }
    columns = [PageColumn("side")]
    for name in names[1:]:
        columns.append(PageColumn(name, meanings.get(name, ""), is_number=True))
    return PageTable(columns, rows, own=[0])
