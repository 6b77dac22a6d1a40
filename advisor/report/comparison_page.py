"""A comparison as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from advisor.comparing.comparison import Comparison
from advisor.report.comparison_plots import plotted_sides
from advisor.report.comparison_words import (
    ESTIMAND,
    changed_findings,
    counted_verdicts,
    gain_text,
    headline,
    shared_recipe,
    shown_of,
    side_table,
    what_would_tell,
)
from advisor.report.html import render, write_html


def write_comparison(comparison: Comparison, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(comparison_page(comparison), path)


def comparison_page(comparison: Comparison) -> str:
    """The page as text; everything that comes from the user's files is escaped."""
    gains = [(shown_of(comparison, gain), gain_text(comparison, gain)) for gain in comparison.gains]
    columns, rows = side_table(comparison)
    told = [what_would_tell(comparison), counted_verdicts(comparison)]
    return render(
        "comparison.html",
        comparison=comparison,
        headline=headline(comparison),
        gains=gains,
        told=[line for line in told if line],
        columns=columns,
        rows=rows,
        recipe=shared_recipe(comparison),
        plotted=list(plotted_sides(comparison)),
        findings=[line for gain in comparison.gains for line in changed_findings(gain)],
        estimand=ESTIMAND,
    )
