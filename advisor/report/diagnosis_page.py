"""A diagnosis as one self-contained HTML page, with the signal as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advisor.api.diagnose import DiagnosisReport
from advisor.diagnosis.measure import Signal
from advisor.report.floors_text import floor_lines
from advisor.report.html import render, write_html
from advisor.report.plot import Plot
from advisor.report.signal_plots import GRADIENT, SIGNAL, LayerLine, plot_by_layer, positive
from advisor.report.table import PageColumn, PageTable
from advisor.report.text import number

SIGNAL_KEY, GRADIENT_KEY = "deviation across rows", "norm of the weight gradient"
"""What the colours of the plot mean."""


def write_diagnosis(report: DiagnosisReport, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(diagnosis_page(report), path)


def diagnosis_page(report: DiagnosisReport) -> str:
    """The page as text; everything that comes from the user's model and data is escaped."""
    measured = report.diagnosis.measured
    plot = plot_signals(measured.signals)
    simple = floor_lines(report.score, report.floors, report.prepared.facts.sizes)
    return render(
        "diagnosis.html",
        report=report,
        measured=measured,
        plot=plot,
        simple=simple,
        layers=layers_table(measured.signals),
        sites=sites_table(report),
        fits=fits_table(report),
    )


def layers_table(signals: Sequence[Signal]) -> PageTable:
    """A row for each layer."""
    rows = []
    for signal in signals:
        layer, units = signal.layer, signal.units
        dead = f"{units.dead}/{units.count}" if units else ""
        flat = f"{units.saturated}/{units.count}" if units else ""
        words = [layer.name, layer.kind, layer.followed_by]
        rows.append([*words, number(signal.std), number(signal.gradient), dead, flat])
    columns = [
        PageColumn("layer"),
        PageColumn("kind"),
        PageColumn("then", "what follows the layer"),
        PageColumn("signal", SIGNAL, is_number=True),
        PageColumn("gradient", GRADIENT, is_number=True),
        PageColumn("dead", "units after it that no row wakes", is_number=True),
        PageColumn("flat", "units after it that hardly react to a change", is_number=True),
    ]
    return PageTable(columns, rows)


def sites_table(report: DiagnosisReport) -> PageTable:
    """A row for each activation of the model."""
    rows = []
    for site in report.anatomy.sites:
        rows.append([site.id, site.kind, site.label, str(site.calls), site.reason])
    columns = [
        PageColumn("site", "where in the model it is"),
        PageColumn("kind"),
        PageColumn("label", "what it is for"),
        PageColumn("calls", "how often a forward pass uses it", is_number=True),
        PageColumn("why"),
    ]
    return PageTable(columns, rows)


def fits_table(report: DiagnosisReport) -> PageTable:
    """A row for each technique, whether it fits or not."""
    rows = []
    for slot, techniques in report.fits.items():
        for name, why in techniques.items():
            rows.append([slot, name, "yes" if why is None else f"no: {why}"])
    return PageTable([PageColumn("slot"), PageColumn("technique"), PageColumn("fits")], rows)


def plot_signals(signals: Sequence[Signal]) -> Plot | None:
    """Signal and gradient of every layer; None where fewer than two layers have a signal."""
    stds = [signal.std for signal in signals]
    if len(positive(stds)) < 2:
        return None
    lines = [
        LayerLine("one", SIGNAL_KEY, stds),
        LayerLine("two", GRADIENT_KEY, [signal.gradient for signal in signals]),
    ]
    about = "Signal and gradient by layer, on a logarithmic scale"
    names = [signal.layer.name for signal in signals]
    return plot_by_layer(about, "deviation, norm", names, lines, has_signal=True)
