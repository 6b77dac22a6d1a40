"""A diagnosis as one self-contained HTML page, with the signal as a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from advisor.api.diagnose import DiagnosisReport
from advisor.diagnosis.finding import BOUNDS
from advisor.diagnosis.measure import Signal
from advisor.report.floors_text import floor_lines
from advisor.report.html import render, write_html
from advisor.report.plot import Plot, Scale

KEY = (("one", "deviation across rows"), ("two", "norm of the weight gradient"))
"""What the colours of the plot mean."""
BOUND_KEY = (("", "dashed: below it a signal has collapsed"),)
"""What the line across the plot means."""
APART = 70
"""Pixels between the names of two layers under the plot, at least."""
NAME = 14
"""Letters of a layer's name under the plot: the last ones, which tell layers apart."""

Values = list[tuple[int, float]]
"""Numbers of layers, each with its layer's place in the order of execution."""


def write_diagnosis(report: DiagnosisReport, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(diagnosis_page(report), path)


def diagnosis_page(report: DiagnosisReport) -> str:
    """The page as text; everything that comes from the user's model and data is escaped."""
    measured = report.diagnosis.measured
    plot = plot_signals(measured.signals)
    simple = floor_lines(report.score, report.floors, report.prepared.facts.sizes)
    return render("diagnosis.html", report=report, measured=measured, plot=plot, simple=simple)


def plot_signals(signals: Sequence[Signal]) -> Plot | None:
    """Signal and gradient of every layer; None where fewer than two layers have a signal."""
    stds = positive([signal.std for signal in signals])
    gradients = positive([signal.gradient for signal in signals])
    if len(stds) < 2:
        return None
    # One axis for both, with the bound across where it is in sight.
    scale = whole_powers([value for _, value in stds + gradients])
    bound = BOUNDS["collapsed"].value
    has_bound = scale.low < bound < scale.high
    plot = Plot(
        about="Signal and gradient by layer, on a logarithmic scale",
        x=Scale(0, len(signals) - 1),
        y=scale,
        y_name="deviation, norm",
        width=860,
        height=260,
        right=36,
        key=KEY + BOUND_KEY if has_bound else KEY,
    )
    if has_bound:
        plot.across(bound, "bad thin dashed")
    # Places of layers without a value stay empty, and the line goes past them.
    names = [signal.layer.name for signal in signals]
    draw_values(plot, stds, names, "one")
    draw_values(plot, gradients, names, "two")
    draw_names(plot, names)
    return plot


def whole_powers(values: Sequence[float]) -> Scale:
    """A logarithmic scale from power of ten to power of ten that holds the values."""
    powers = [math.log10(value) for value in values]
    low = math.floor(min(powers))
    # An axis has two different ends, also where all values are one power of ten.
    high = max(math.ceil(max(powers)), low + 1)
    return Scale(10.0**low, 10.0**high, log=True)


def draw_values(plot: Plot, values: Values, names: Sequence[str], kind: str) -> None:
    """Draw a value of each layer, joined by a line."""
    plot.line(values, kind)
    for i, value in values:
        plot.dot(i, value, kind, f"{names[i]}: {value:.2g}")


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
