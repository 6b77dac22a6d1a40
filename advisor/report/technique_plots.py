"""The plot of what each technique reached alone in the search, and why others are not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
DOWN = 4
"""Pixels by which a text is moved down, so that its middle is at its point."""
LONGEST = 26
"""Letters of a name beside the plot."""

Effect = tuple[SingleTechnique, Interval]
"""A technique with its gain."""


def plot_techniques(recommendation: Recommendation) -> Plot | None:
    """Each technique's gain over the model's best, with the interval of one seed.

    Slots with the best technique come first, and within a slot the best technique. None where
    nothing was measured.
    """
    # Slots have a line of their own, as the titles of their techniques.
    slots = effects_by_slot(recommendation.isolation)
    gains = [gain for effects in slots.values() for _, gain in effects]
    if not gains:
        return None
    good = around_good([end for gain in gains for end in (gain.low, gain.high)], 1.0, BEYOND)
    rows = len(slots) + len(gains)
    plot = Plot(
        about="Each technique alone",
        x=around([0.0, good.low, good.high], 0.03),
        y=Scale(rows - 0.5, -0.5),
        x_name="gain over your model's best",
        width=430,
        height=ROW * rows,
        left=180,
        right=300,
        top=6,
    )
    plot.down(0, "zero")
    draw_slots(plot, slots)
    return plot


def effects_by_slot(techniques: Sequence[SingleTechnique]) -> dict[str, list[Effect]]:
    """The techniques that were measured, best first, by slot."""
    effects: list[tuple[str, Effect]] = []
    for each in techniques:
        if each.slot and each.gain:
            effects.append((each.slot, (each, each.gain)))
    # A dictionary keeps this order, so the slot of the best technique comes first.
    effects.sort(key=lambda pair: -pair[1][1].mean)
    slots: dict[str, list[Effect]] = {}
    for slot, effect in effects:
        slots.setdefault(slot, []).append(effect)
    return slots


def draw_slots(plot: Plot, slots: Mapping[str, Sequence[Effect]]) -> None:
    """Draw a row for each slot, and under it one for each of its techniques."""
    x, y = plot.x.low, 0
    for slot, effects in slots.items():
        title = shortened_text(slot, LONGEST)
        plot.word(x, y, title, "end", (GROUP, DOWN), "group")
        for technique, gain in effects:
            y += 1
            name = shortened_text(technique.technique, LONGEST)
            plot.word(x, y, name, "end", (TECHNIQUE, DOWN))
            draw_effect(plot, y, technique, gain)
        y += 1


def draw_effect(plot: Plot, y: float, technique: SingleTechnique, gain: Interval) -> None:
    """Draw a gain with its interval, and write both beside it."""
    interval = gain_and_interval(gain)
    kind = effect_kind(gain.low, gain.high)
    plot.line([(gain.low, y), (gain.high, y)], kind, interval)
    # A gain that is beyond the plot is hollow, at its edge.
    inside = gain.mean >= plot.x.low
    plot.dot(gain.mean, y, kind if inside else f"{kind} hollow", interval)

    numbers = f"{interval}, {count_trials(technique)}"
    if technique.identical:
        numbers += ", identical to your model"
    plot.word(plot.x.high, y, numbers, "start", (10, DOWN))


def count_trials(technique: SingleTechnique) -> str:
    """How many trials had it: `1 trial`, `3 trials`."""
    count = technique.trials
    return f"{count} trial" if count == 1 else f"{count} trials"


def untrained_techniques(recommendation: Recommendation) -> list[tuple[str, str, str]]:
    """Slot, technique, and why it is not in the plot."""
    rows = []
    for each in recommendation.isolation:
        if each.slot and not each.gain:
            why = why_not_measured(recommendation, each)
            rows.append((each.slot, each.technique, why))
    return rows


def why_not_measured(recommendation: Recommendation, technique: SingleTechnique) -> str:
    """Identical, measured on too little, never trained to the end, or not tried."""
    if technique.identical:
        return "identical to your model"
    trials = count_trials(technique)
    if technique.alone is not None:
        score = cell(technique.alone)
        return f"{score} in {trials}, on one seed; how much that says is not known"

    # The last trial with it alone that was cut gives the reason.
    text = f"never trained to the end alone ({trials})"
    arm = f"{technique.slot}={technique.technique}"
    for trial in reversed(recommendation.pruned):
        if trial.arm == arm:
            return f"{text}: {trial.why}"
    return text
