"""The plot of what each technique reached alone in the search, and why others are not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.readable import counted, rounded
from advisor.report.gain_plots import effect_kind
from advisor.report.plot import Plot, Scale, around, around_good
from advisor.report.study_words import error_of_score, gain_and_interval, shortened_text
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Interval, SingleTechnique

BEYOND = 6
"""A score is beyond a plot when it is so many times as far from the best as the median is."""
ROW = 22
"""Pixels of a line of the plot."""
WIDTH = 430
"""Pixels of the plot from left to right."""
NAME_ROOM = 180
"""Pixels at its left side, for the names."""
NUMBER_ROOM = 300
"""Pixels at its right side, for the numbers."""
TOP = 6
"""Pixels above it."""
PAD = 0.03
"""The room at both ends of its x axis, as a share of the distance between them."""
GROUP = -150
TECHNIQUE = -10
"""Pixels from the plot to where the name of a slot ends, and that of a technique."""
NUMBERS = 10
"""Pixels from the plot to where the numbers begin."""
DOWN = 4
"""Pixels by which a text is moved down, so that its middle is at its point."""
LONGEST = 26
"""Letters of a name beside the plot."""
IDENTICAL = "identical to your model"
"""What is said of a technique that computes what the user's model does already."""

Effect = tuple[SingleTechnique, Interval]
"""A technique with its gain."""


def plot_techniques(recommendation: Recommendation) -> Plot | None:
    """Each technique's gain over the model's best, with the interval of one seed.

    Slots with the best technique come first, and within a slot the best technique. None where
    nothing was measured.
    """
    slots = effects_by_slot(recommendation.isolation)
    ends: list[float] = []
    rows = 0
    # Slots have a row of their own, as the titles of their techniques.
    for effects in slots.values():
        rows += 1 + len(effects)
        for _, gain in effects:
            ends += [gain.low, gain.high]
    if not ends:
        return None

    # Gains are *higher is better*, and 0 is always in sight.
    good = around_good(ends, sign=1.0, reach=BEYOND)
    plot = Plot(
        about="Each technique alone",
        x=around([0.0, good.low, good.high], PAD),
        y=Scale(rows - 0.5, -0.5),
        x_name="gain over your model's best",
        width=WIDTH,
        height=ROW * rows,
        left=NAME_ROOM,
        right=NUMBER_ROOM,
        top=TOP,
    )
    plot.down(0, "zero")
    draw_slots(plot, slots)
    return plot


def effects_by_slot(techniques: Sequence[SingleTechnique]) -> dict[str, list[Effect]]:
    """The techniques that were measured, best first, by slot."""
    measured: list[tuple[float, str, Effect]] = []
    for each in techniques:
        if each.slot and each.gain:
            effect = (each, each.gain)
            measured.append((each.gain.mean, each.slot, effect))
    measured.sort(key=lambda row: -row[0])

    # A dictionary keeps this order, so the slot of the best technique comes first.
    slots: dict[str, list[Effect]] = {}
    for _, slot, effect in measured:
        effects = slots.setdefault(slot, [])
        effects.append(effect)
    return slots


def draw_slots(plot: Plot, slots: Mapping[str, Sequence[Effect]]) -> None:
    """Draw a row for each slot, and under it one for each of its techniques."""
    # Rows are counted from the top, as the y axis runs downwards.
    x = plot.x.low
    y = 0
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
    """Draw a gain with its interval, and write both beside it.

    Arguments:
        plot: where it is drawn.
        y: the row, counted from the top.
        technique: the technique.
        gain: its gain.
    """
    interval = gain_and_interval(gain)
    kind = effect_kind(gain.low, gain.high)
    low = (gain.low, y)
    high = (gain.high, y)
    plot.line([low, high], kind, interval)
    # A gain that is beyond the plot is hollow, at its edge.
    is_inside = gain.mean >= plot.x.low
    dot_kind = kind if is_inside else f"{kind} hollow"
    plot.dot(gain.mean, y, dot_kind, interval)

    trials = count_trials(technique)
    numbers = f"{interval}, {trials}"
    if technique.identical:
        numbers += f", {IDENTICAL}"
    plot.word(plot.x.high, y, numbers, "start", (NUMBERS, DOWN))


def count_trials(technique: SingleTechnique) -> str:
    """How many trials had it: `1 trial`, `3 trials`."""
    return counted(technique.trials, "trial")


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
        return IDENTICAL
    trials = count_trials(technique)
    if technique.alone is not None:
        score = rounded(technique.alone, error_of_score(recommendation))
        return f"{score} in {trials}, on one seed; its uncertainty is unknown"

    # The last trial with it alone that was cut gives the reason.
    text = f"never trained to the end alone ({trials})"
    arm = f"{technique.slot}={technique.technique}"
    for trial in reversed(recommendation.pruned):
        if trial.arm == arm:
            return f"{text}: {trial.why}"
    return text
