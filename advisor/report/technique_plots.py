"""The plot of what each technique reached alone in the search, and why others are not in it."""

from __future__ import annotations

from advisor.report.gain_plots import effect_kind
from advisor.report.plot import Plot, Scale, around, around_good
from advisor.report.study_words import gain_and_interval, shortened_text
from advisor.report.text import cell
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Interval, SingleTechnique

BEYOND = 6
"""A score is beyond a plot when it is so many times as far from the best as the median is."""
ROW = 22
"""Pixels of a line of the plot."""
GROUP, TECHNIQUE = -150, -10
"""Where the name of a slot begins and that of a technique ends, in pixels from the plot."""


def plot_techniques(recommendation: Recommendation) -> Plot | None:
    """Each technique's gain over the model's best, with the interval of one seed.

    Slots with the best technique come first, and within a slot the best technique. None where
    nothing was measured.
    """
    slots = _measured_by_slot(recommendation)
    gains = [gain for members in slots.values() for _, gain in members]
    if not gains:
        return None
    ends = [end for gain in gains for end in (gain.low, gain.high)]
    good = around_good(ends, 1.0, BEYOND)
    lines = len(slots) + len(gains)
    plot = Plot(
        "Each technique alone",
        around([0.0, good.low, good.high], 0.03),
        Scale(lines - 0.5, -0.5),
        "gain over your model's best",
        width=430,
        height=ROW * lines,
        left=180,
        right=300,
        top=6,
    )
    plot.down(0, "zero")

    y = 0
    for slot, members in slots.items():
        plot.word(plot.x.low, y, shortened_text(slot, 26), "end", (GROUP, 4), "group")
        for technique, gain in members:
            y += 1
            name = shortened_text(technique.technique, 26)
            plot.word(plot.x.low, y, name, "end", (TECHNIQUE, 4))
            _draw_effect(plot, y, technique, gain)
        y += 1
    return plot


def _measured_by_slot(
    recommendation: Recommendation,
) -> dict[str, list[tuple[SingleTechnique, Interval]]]:
    measured = []
    for each in recommendation.isolation:
        if each.slot and each.gain:
            measured.append((each.slot, each, each.gain))
    measured.sort(key=lambda row: -row[2].mean)
    slots: dict[str, list[tuple[SingleTechnique, Interval]]] = {}
    for slot, technique, gain in measured:
        slots.setdefault(slot, []).append((technique, gain))
    return slots


def _draw_effect(plot: Plot, y: float, technique: SingleTechnique, gain: Interval) -> None:
    """Draw a gain with its interval, and write both beside it."""
    kind, text = effect_kind(gain.low, gain.high), gain_and_interval(gain)
    plot.line([(gain.low, y), (gain.high, y)], kind, text)
    is_inside = gain.mean >= plot.x.low
    plot.dot(gain.mean, y, kind if is_inside else f"{kind} hollow", text)
    identical = ", identical to your model" if technique.identical else ""
    numbers = f"{text}, {_trials(technique)}{identical}"
    plot.word(plot.x.high, y, numbers, "start", (10, 4))


def _trials(technique: SingleTechnique) -> str:
    return f"{technique.trials} trial{'' if technique.trials == 1 else 's'}"


def untrained_techniques(recommendation: Recommendation) -> list[tuple[str, str, str]]:
    """Slot, technique, and why it is not in the plot."""
    rows = []
    for each in recommendation.isolation:
        if each.slot and not each.gain:
            rows.append((each.slot, each.technique, _why_not(recommendation, each)))
    return rows


def _why_not(recommendation: Recommendation, technique: SingleTechnique) -> str:
    """Identical, measured on too little, never trained to the end, or not tried."""
    if technique.identical:
        return "identical to your model"
    trials = _trials(technique)
    if technique.alone is not None:
        score = cell(technique.alone)
        return f"{score} in {trials}, on one seed; how much that says is not known"

    arm = f"{technique.slot}={technique.technique}"
    reasons = [trial.why for trial in recommendation.pruned if trial.arm == arm]
    why = f": {reasons[-1]}" if reasons else ""
    return f"never trained to the end alone ({trials}){why}"
