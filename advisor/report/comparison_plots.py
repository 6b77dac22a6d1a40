"""Plots of what the fresh pairs of a comparison measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.comparing.comparison import Comparison, SideGain, SideResult
from advisor.readable import interval_text
from advisor.report.gain_plots import (
    LONGEST,
    ShownGain,
    differences_in,
    gain_plot,
    paired_plot,
)
from advisor.report.plot import Plot
from advisor.report.study_data import Pairs
from advisor.report.study_words import shortened_text

LONGEST_BESIDE = LONGEST // 2
"""Letters of a side under a plot, beside which another name of any length stands."""


@dataclass(frozen=True)
class PlottedSide:
    """What the pairs of one side and the first one showed.

    Attributes:
        label: of the side.
        pairs: a line for each pair.
        gain: the gain beside the pairs' differences.
    """

    label: str
    pairs: Plot | None
    gain: Plot | None


def plotted_sides(comparison: Comparison) -> Iterator[PlottedSide]:
    """The plots of each side that was measured beside the first one."""
    first, *others = comparison.sides
    sign = 1.0 if comparison.direction == "maximize" else -1.0
    for side, gain in zip(others, comparison.gains, strict=True):
        pairs = pairs_of(first, side)
        shown = shown_gain(comparison, gain)
        if not pairs or shown is None:
            continue
        names = shortened_text(first.label, LONGEST_BESIDE), shortened_text(side.label, LONGEST)
        yield PlottedSide(
            label=side.label,
            pairs=paired_plot(pairs, names, sign, comparison.metric),
            gain=gain_plot(shown, differences_in(pairs, sign), comparison.min_gain),
        )


def pairs_of(first: SideResult, other: SideResult) -> Pairs:
    """The scores of both sides with each seed on which neither broke."""
    pairs = []
    for own, its in zip(first.scores, other.scores, strict=False):
        if own is not None and its is not None:
            pairs.append((own, its))
    return pairs


def shown_gain(comparison: Comparison, gain: SideGain) -> ShownGain | None:
    """A gain as it is drawn; None where none was measured."""
    if gain.identical is not None or gain.mean is None or gain.low is None or gain.high is None:
        return None
    return ShownGain(
        mean=gain.mean,
        low=gain.low,
        high=gain.high,
        least=gain.low if gain.least is None else gain.least,
        interval=interval_text(gain.mean, gain.low, gain.high, comparison.metric),
    )
