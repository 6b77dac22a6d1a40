"""Words about a recommendation that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.search.arm import Skip
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Interval, RowGain


def gain_and_interval(gain: Interval | RowGain) -> str:
    """A gain with its 95 % interval: `+0.04 [+0.03, +0.05]`."""
    interval = f"[{gain.low:+.4g}, {gain.high:+.4g}]"
    return f"{gain.mean:+.4g} {interval}"


def metric_of_test_rows(recommendation: Recommendation) -> str:
    """The metric that test rows are scored by, where arms are compared by another one.

    Arms may be compared by `epochs to accuracy 0.9`; then it is `accuracy`, else empty. A
    recommendation keeps no more of this than the name.
    """
    name = recommendation.metric
    _, epochs_to, metric_and_score = name.partition("epochs to ")
    if not epochs_to:
        return ""
    metric, _, _ = metric_and_score.rpartition(" ")
    return metric


def group_skips(skips: Iterable[Skip]) -> list[tuple[str, str, str]]:
    """Slot, techniques and why they are not applicable, those together that share the reason."""
    # Sorted first, so that the groups are in the order of their slots.
    groups: dict[tuple[str, str], list[str]] = {}
    for skip in sorted(skips, key=lambda skip: (skip.slot, skip.why)):
        names = groups.setdefault((skip.slot, skip.why), [])
        names.append(skip.technique)
    rows = []
    for (slot, why), names in groups.items():
        rows.append((slot, ", ".join(names), why))
    return rows


def arm_name(arm: str) -> str:
    """An arm in words as a reader calls it."""
    return "your model" if arm == KEEP else arm


def shortened_text(text: str, most: int) -> str:
    """A text of at most so many letters, with a mark where it was cut."""
    if len(text) <= most:
        return text
    return text[: most - 1] + "…"
