"""Plots of what each layer gives before training, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.diagnosis.finding import BOUNDS
from advisor.report.plot import Plot, Scale
from advisor.report.table import PageColumn, PageTable
from advisor.report.text import number
from advisor.verdict.records import LayerSignal, LayerSignals

BOUND_KEY = ("", "dashed: below it a signal has collapsed")
"""What the line across a plot means."""
APART = 110
"""Pixels between the names of two layers under the plot, at least."""
NAME = 11
"""Letters of a layer's name under the plot: the last ones, which tell layers apart."""
HEIGHT = 220
"""Pixels of a plot from top to bottom."""
SIGNAL = "how far a layer's output differs from row to row; near 0, all rows look alike to the rest"
"""What the signal of a layer is."""
GRADIENT = "how strongly the loss pulls at a layer's weights; near 0, the layer does not learn"
"""What the gradient of a layer is."""

Values = list[tuple[int, float]]
"""Numbers of layers, each with its layer's place in the order of execution."""


@dataclass(frozen=True)
class LayerLine:
    """A value of each layer, as it is drawn.

    Attributes:
        kind: classes of the style sheet.
        meaning: what it is called above the plot.
        values: by the layer's place; None where a layer has none.
    """

    kind: str
    meaning: str
    values: Sequence[float | None]


def plot_by_layer(
    about: str, y_name: str, names: Sequence[str], lines: Sequence[LayerLine], has_signal: bool
) -> Plot | None:
    """Lines over the layers; None where none of them has two values.

    Arguments:
        about: what the plot shows.
        y_name: what is written at the y axis.
        names: of the layers.
        lines: what is drawn.
        has_signal: whether the bound of a signal has a place in it.
    """
    drawn = [positive(line.values) for line in lines]
    if max(map(len, drawn), default=0) < 2:
        return None
    # One axis for all, with the bound across where it is in sight.
    scale = whole_powers([value for values in drawn for _, value in values])
    bound = BOUNDS["collapsed"].value
    has_bound = has_signal and scale.low < bound < scale.high
    key = [(line.kind, line.meaning) for line, values in zip(lines, drawn, strict=True) if values]
    plot = Plot(
        about=about,
        x=Scale(0, len(names) - 1),
        y=scale,
        y_name=y_name,
        height=HEIGHT,
        right=36,
        key=[*key, BOUND_KEY] if has_bound else key,
    )
    if has_bound:
        plot.across(bound, "bad thin dashed")
    # Places of layers without a value stay empty, and the line goes past them.
    for line, values in zip(lines, drawn, strict=True):
        draw_values(plot, values, names, line)
    draw_names(plot, names)
    return plot


def whole_powers(values: Sequence[float]) -> Scale:
    """A logarithmic scale from power of ten to power of ten that holds the values."""
    powers = [math.log10(value) for value in values]
    low = math.floor(min(powers))
    # An axis has two different ends, also where all values are one power of ten.
    high = max(math.ceil(max(powers)), low + 1)
    return Scale(10.0**low, 10.0**high, log=True)


def draw_values(plot: Plot, values: Values, names: Sequence[str], line: LayerLine) -> None:
    """Draw a value of each layer, joined by a line."""
    plot.line(values, line.kind, line.meaning)
    for i, value in values:
        plot.dot(i, value, line.kind, f"{names[i]}: {value:.2g} ({line.meaning})")


def draw_names(plot: Plot, names: Sequence[str]) -> None:
    """Write the layers' names under the plot, as many as there is room for."""
    gap = plot.width / (len(names) - 1)
    every = math.ceil(APART / gap)
    for i in range(0, len(names), every):
        name = names[i] or "(model)"
        plot.name_below(i, name[-NAME:])


def positive(values: Sequence[float | None]) -> Values:
    """The values that a logarithmic scale can show, each with its place."""
    shown = []
    for i, value in enumerate(values):
        if value and math.isfinite(value):
            shown.append((i, value))
    return shown


# --- before and after -----------------------------------------------------------------------------


@dataclass(frozen=True)
class SignalsShown:
    """The signal per layer of both models, as a page shows it.

    Attributes:
        signal, gradient: a plot of each; None where too few layers have one.
        table: all numbers.
    """

    signal: Plot | None
    gradient: Plot | None
    table: PageTable


def shown_signals(signals: LayerSignals) -> SignalsShown | None:
    """The signals of a recommendation; None where it has none."""
    if not signals.before:
        return None
    names = list(dict.fromkeys(each.layer for each in [*signals.before, *signals.after]))
    own, after = by_layer(signals.before), by_layer(signals.after)
    return SignalsShown(
        signal=plot_both("Signal by layer", names, own, after, "std"),
        gradient=plot_both("Gradient by layer", names, own, after, "gradient"),
        table=signal_table(names, own, after),
    )


def by_layer(signals: Sequence[LayerSignal]) -> dict[str, LayerSignal]:
    """LayerSignals by the names of their layers."""
    return {each.layer: each for each in signals}


def plot_both(
    about: str,
    names: Sequence[str],
    own: Mapping[str, LayerSignal],
    after: Mapping[str, LayerSignal],
    what: str,
) -> Plot | None:
    """One number of each layer, without and with the changes."""
    lines = [
        LayerLine("base", "your model as it is", values_of(names, own, what)),
        LayerLine("one", "with the changes", values_of(names, after, what)),
    ]
    y_name = {"std": "signal", "gradient": "gradient"}[what]
    return plot_by_layer(about, y_name, names, lines, has_signal=what == "std")


def values_of(
    names: Sequence[str], signals: Mapping[str, LayerSignal], what: str
) -> list[float | None]:
    """One number of each layer; None for a layer that a model has not."""
    return [signals[name][what] if name in signals else None for name in names]


def signal_table(
    names: Sequence[str], own: Mapping[str, LayerSignal], after: Mapping[str, LayerSignal]
) -> PageTable:
    """The numbers of both plots."""
    models = {"your model": own, "with the changes": after} if after else {"your model": own}
    columns = [PageColumn("layer")]
    values: list[Sequence[float | None]] = []
    for what, word, meaning in (("std", "signal", SIGNAL), ("gradient", "gradient", GRADIENT)):
        for model, signals in models.items():
            columns.append(PageColumn(f"{word}, {model}", meaning, is_number=True))
            values.append(values_of(names, signals, what))
    rows = [[name, *map(number, row)] for name, *row in zip(names, *values, strict=True)]
    return PageTable(columns, rows)
