"""A plot of what each technique did alone, and why some did nothing that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.readable import counted
from advisor.report.plot import Plot, Scale, around, around_good
from advisor.report.study_words import IDENTICAL, own_score_alone, shortened_text, why_not_judged
from advisor.report.text import cell
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import SingleTechnique

BEYOND = 6
"""A score is beyond a plot when it is so many times as far from the best as the median is."""
ROW = 22
"""Pixels of a line of the plot."""
WIDTH = 215
"""Pixels of the plot from left to right."""
NAME_ROOM = 165
"""Pixels at its left side, for the names."""
NUMBER_ROOM = 260
"""Pixels at its right side, for the numbers."""
TOP = 6
"""Pixels above it."""
PAD = 0.03
"""The room at both ends of its x axis, as a share of the distance between them."""
GROUP = -140
TECHNIQUE = -10
"""Pixels from the plot to where the name of a slot ends, and that of a technique."""
NUMBERS = 10
"""Pixels from the plot to where the numbers begin."""
DOWN = 4
"""Pixels by which a text is moved down, so that its middle is at its point."""
LONGEST = 26
"""Letters of a name beside the plot."""
OWN = "your model as it is"
"""What the model is called with which techniques are compared."""

Effect = tuple[SingleTechnique, float]
"""A technique with how much better it is than the user's model, on one seed."""


def plot_techniques(recommendation: Recommendation) -> Plot | None:
    """Each technique's best score alone, as its difference to the model's best.

    Slots with the best technique come first, and within a slot the best technique. None where
    nothing was measured.
    """
    slots = effects_by_slot(recommendation)
    differences = [difference for effects in slots.values() for _, difference in effects]
    if not differences:
        return None
    # Slots have a row of their own, as the titles of their techniques; the model comes first.
    rows = 1 + len(slots) + len(differences)

    # Differences are *higher is better*, and 0 is always in sight.
    good = around_good(differences, sign=1.0, reach=BEYOND)
    plot = Plot(
        about="Each technique alone",
        x=around([0.0, good.low, good.high], PAD),
        y=Scale(rows - 0.5, -0.5),
        x_name="difference to your model's best",
        width=WIDTH,
        height=ROW * rows,
        left=NAME_ROOM,
        right=NUMBER_ROOM,
        top=TOP,
    )
    plot.down(0, "zero")
    draw_own(plot, recommendation)
    draw_slots(plot, slots)
    return plot


def draw_own(plot: Plot, recommendation: Recommendation) -> None:
    """Draw the user's model, with which techniques are compared, in the first row."""
    own = next(each for each in recommendation.isolation if each.slot is None)
    text = f"{OWN}: {cell(own.alone)}"
    plot.dot(0, 0, "base", text)
    plot.word(plot.x.low, 0, OWN, "end", (TECHNIQUE, DOWN))
    numbers = f"({cell(own.alone)}), {counted(own.trials, 'trial')}"
    plot.word(plot.x.high, 0, numbers, "start", (NUMBERS, DOWN))


def effects_by_slot(recommendation: Recommendation) -> dict[str, list[Effect]]:
    """The techniques that were trained to their end alone, best first, by slot."""
    own, sign = own_score_alone(recommendation), recommendation.sign
    measured: list[tuple[float, str, Effect]] = []
    for each in recommendation.isolation:
        if each.slot and each.alone is not None and own is not None:
            difference = sign * (each.alone - own)
            measured.append((difference, each.slot, (each, difference)))
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
    y = 1
    for slot, effects in slots.items():
        title = shortened_text(slot, LONGEST)
        plot.word(x, y, title, "end", (GROUP, DOWN), "group")
        for technique, difference in effects:
            y += 1
            name = shortened_text(technique.technique, LONGEST)
            plot.word(x, y, name, "end", (TECHNIQUE, DOWN))
            draw_effect(plot, y, technique, difference)
        y += 1


def draw_effect(plot: Plot, y: float, technique: SingleTechnique, difference: float) -> None:
    """Draw a difference, and write it with the score beside it.

    Arguments:
        plot: where it is drawn.
        y: the row, counted from the top.
        technique: the technique.
        difference: how much better it is than the user's model.
    """
    # It is the best of several trials on one seed, so that no colour says that it is better. One
    # that is beyond the plot is hollow, at its edge.
    text = f"{difference:+.2g} ({cell(technique.alone)})"
    is_inside = difference >= plot.x.low
    plot.dot(difference, y, "one" if is_inside else "one hollow", text)

    numbers = f"{text}, {counted(technique.trials, 'trial')}"
    if technique.identical:
        numbers += f", {IDENTICAL}"
    plot.word(plot.x.high, y, numbers, "start", (NUMBERS, DOWN))


def untrained_techniques(recommendation: Recommendation) -> list[tuple[str, str, str]]:
    """Slot, technique, and why it is not in the plot."""
    rows = []
    for each in recommendation.isolation:
        if each.slot and each.alone is None:
            why = IDENTICAL if each.identical else why_cut(recommendation, each)
            rows.append((each.slot, each.technique, why))
    return rows


def why_cut(recommendation: Recommendation, technique: SingleTechnique) -> str:
    """That a technique was not judged, with the number that cut its last trial alone."""
    text = why_not_judged(recommendation, technique)
    arm = f"{technique.slot}={technique.technique}"
    for trial in reversed(recommendation.pruned):
        if trial.arm == arm:
            return f"{text}: {trial.why}"
    return text
