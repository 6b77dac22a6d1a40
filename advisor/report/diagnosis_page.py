"""A diagnosis as one self-contained HTML page, with the signal as a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from advisor.api.diagnose import DiagnosisReport
from advisor.diagnosis.finding import BOUNDS
from advisor.diagnosis.measure import Signal
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


def write_diagnosis(report: DiagnosisReport, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(diagnosis_page(report), path)


def diagnosis_page(report: DiagnosisReport) -> str:
    """The page as text; everything that comes from the user's model and data is escaped."""
    measured = report.diagnosis.measured
    plot = plot_signals(measured.signals)
    return render("diagnosis.html", report=report, measured=measured, plot=plot)


def plot_signals(signals: Sequence[Signal]) -> Plot | None:
    """Signal and gradient of every layer; None where fewer than two layers have a signal."""
    stds = _positive([signal.std for signal in signals])
    gradients = _positive([signal.gradient for signal in signals])
    if len(stds) < 2:
        return None

    # The axis goes from power of ten to power of ten.
    powers = [math.log10(value) for _, value in stds + gradients]
    low = math.floor(min(powers))
    high = max(math.ceil(max(powers)), low + 1)
    bound = BOUNDS["collapsed"].value
    has_bound = low < math.log10(bound) < high
    key = KEY + BOUND_KEY if has_bound else KEY
    plot = Plot(
        "Signal and gradient by layer, on a logarithmic scale",
        Scale(0, len(signals) - 1),
        Scale(10.0**low, 10.0**high, log=True),
        y_name="deviation, norm",
        width=860,
        height=260,
        right=36,
        key=key,
    )
    if has_bound:
        plot.across(bound, "bad thin dashed")
    for values, kind in ((stds, "one"), (gradients, "two")):
        plot.line(values, kind)
        for i, value in values:
            plot.dot(i, value, kind, f"{signals[i].layer.name}: {value:.2g}")

    # As many names as there is room for.
    every = math.ceil(APART * (len(signals) - 1) / plot.width)
    for i in range(0, len(signals), every):
        plot.name_below(i, (signals[i].layer.name or "(model)")[-NAME:])
    return plot


def _positive(values: Sequence[float | None]) -> list[tuple[int, float]]:
    """The values that a logarithmic scale can show, each with its place."""
    shown = []
    for i, value in enumerate(values):
        if value and math.isfinite(value):
            shown.append((i, value))
    return shown
