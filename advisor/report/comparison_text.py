"""A comparison in a terminal."""

from __future__ import annotations

from rich.text import Text

from advisor.comparing.comparison import Comparison
from advisor.report.comparison_words import (
    changed_findings,
    counted_verdicts,
    gain_text,
    shared_recipe,
    shown_of,
    side_table,
    what_would_tell,
)
from advisor.report.first_screen import print_first_screen
from advisor.report.first_screens import screen_of_comparison
from advisor.report.text import console, print_section, print_wrapped, show_table
from advisor.verdict.records import ESTIMAND


def show_comparison(comparison: Comparison, why: bool = False) -> None:
    """Show the first screen of a comparison; with `why`, also all gains, what each side costs, and
    findings that came or went.
    """
    print_first_screen(screen_of_comparison(comparison))
    if not why:
        return
    out = console()
    out.print()
    for gain in comparison.gains:
        print_wrapped(out, "evidence  ", shown_of(comparison, gain))
        print_wrapped(out, "gain      ", gain_text(comparison, gain))
    for line in (what_would_tell(comparison), counted_verdicts(comparison)):
        if line:
            print_wrapped(out, "! ", line)
    out.print()
    show_table(*side_table(comparison), "no sides")
    recipe = shared_recipe(comparison)
    if recipe:
        print_wrapped(out, "trained   ", recipe)

    changed = [line for gain in comparison.gains for line in changed_findings(gain)]
    print_section(out, "Findings that came or went", changed)
    print_section(out, "Warnings", comparison.warnings)
    out.print(Text(f"\nThe gain is {ESTIMAND}."), soft_wrap=True)
    out.print(Text(f"{comparison.seconds:.1f} s; advisor show {comparison.comparison}"))
