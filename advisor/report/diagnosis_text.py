"""A diagnosis on a screen of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from torch import nn

from advisor.api.diagnose import DiagnosisReport
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Signal
from advisor.diagnosis.rules import guessing
from advisor.diagnosis.steps import Steps
from advisor.model import Site
from advisor.report.text import console, number, print_section, print_wrapped

MOST = 16
"""Layers that are shown; of more, the first and the last half of these. --json has them all."""
MOST_SITES = 12
"""Lines about activations that are shown."""
COLUMNS = {
    "layer": 25,
    "kind": 14,
    "then": 11,
    "signal": 8,
    "": 1,
    "gradient": 8,
    "dead": 5,
    "flat": 5,
}
"""The widest that each column of the layers' table gets, so that a row fits into 80 columns."""
WORDS = 3
"""The first so many columns hold words; the others hold numbers, which stand at the right."""
LEGEND = (
    "signal: deviation across rows of the layer's output; gradient: norm; "
    "dead, flat: share of the units after it."
)
"""What the columns of the layers' table mean."""
FAINTEST, LOUDEST = -8.0, 1.0
"""Powers of ten between which the bars of the signal lie."""
BARS = "▁▂▃▄▅▆▇█"
"""The bars, from the faintest signal to the loudest."""


def show_report(report: DiagnosisReport) -> None:
    """Show model, layers with their signal, activations, findings, and the techniques that fit."""
    out, diagnosis = console(), report.diagnosis
    measured, anatomy = diagnosis.measured, report.anatomy
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    total = sum(parameter.numel() for parameter in nn.Module.parameters(report.model))
    shape = "×".join(["rows", *map(str, anatomy.output_shape[1:])])
    output = f"output {report.output} ({shape})"
    title = f"{type(report.model).__name__}: {total:,} parameters · {output}"
    out.print(Text(f"\n{title}", style="bold"))

    guess = guessing(measured)
    loss = f"loss {measured.loss:.3g}" + (f" (a guess: {guess:.3g})" if guess else "")
    facts = f"{measured.rows} rows, before training · {loss} · {diagnosis.seconds:.2g} s"
    out.print(Text(f"{facts}\n", style="dim"))

    _show_layers(out, measured.signals)
    sites = _site_lines(anatomy.sites) or ["none that this finds"]
    print_section(out, "Activations", sites, most=MOST_SITES)
    tables = []
    for table in anatomy.tables:
        source = table.source or "something unknown"
        tables.append(f"{table.name}: {table.rows:,} × {table.width}, indexed by {source}")
    print_section(out, "Embedding tables", tables)
    if diagnosis.steps is not None:
        _show_steps(out, diagnosis.steps)
    _show_findings(out, report.findings)
    _show_fits(out, report.fits)


# --- layers and sites ---------------------------------------------------------------------------


def _show_layers(out: Console, signals: Sequence[Signal]) -> None:
    if not signals:
        out.print(Text("  no layer with weights ran"))
        return
    rows = [_row(signal) for signal in shortened(signals)]

    # A column is as wide as its longest cell, up to its limit.
    widths = []
    for i, (title, widest) in enumerate(COLUMNS.items()):
        longest = max(len(title), *(len(row[i]) for row in rows))
        widths.append(min(widest, longest))

    out.print(Text(_aligned(list(COLUMNS), widths), style="bold"))
    for row in rows:
        out.print(Text(_aligned(row, widths)))
    more = ""
    if len(signals) > MOST:
        more = f" Of {len(signals)} layers, {MOST} are shown (--json has all)."
    print_wrapped(out, "", LEGEND + more)


def shortened(signals: Sequence[Signal]) -> list[Signal | None]:
    """The first and the last of many, with None for those between."""
    if len(signals) <= MOST:
        return list(signals)
    return [*signals[: MOST // 2], None, *signals[-MOST // 2 :]]


def _row(signal: Signal | None) -> list[str]:
    """The cells of a layer; a row of dots for layers that are left out."""
    if signal is None:
        return ["⋮"] + [""] * (len(COLUMNS) - 1)
    layer, units = signal.layer, signal.units
    return [
        layer.name or "(model)",
        layer.kind,
        layer.followed_by,
        number(signal.std),
        bar(signal.std),
        number(signal.gradient),
        share(units.dead, units.count) if units else "",
        share(units.saturated, units.count) if units else "",
    ]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for i, (text, width) in enumerate(zip(row, widths, strict=True)):
        cells.append(cut(text, width).ljust(width) if i < WORDS else text.rjust(width))
    return "  " + " ".join(cells).rstrip()


def cut(text: str, width: int) -> str:
    """A text without its middle where it is too long: both ends of a layer's name say something."""
    if len(text) <= width:
        return text
    start = width // 3
    end = width - start - 1
    return f"{text[:start]}…{text[len(text) - end :]}"


def share(part: int, whole: int) -> str:
    """A share in percent, a dash for nothing."""
    return f"{part / whole:.0%}" if part and whole else "–"


def bar(value: float | None) -> str:
    """A bar on a logarithmic scale."""
    if value is None or math.isnan(value):
        return ""
    power = math.log10(value) if value > 0 else FAINTEST
    power = min(max(power, FAINTEST), LOUDEST)
    height = (power - FAINTEST) / (LOUDEST - FAINTEST)
    return BARS[round(height * (len(BARS) - 1))]


def _site_lines(sites: Sequence[Site]) -> list[str]:
    """Sites of one label and kind together, with the reason of the first."""
    groups: dict[tuple[str, str], list[Site]] = {}
    for site in sorted(sites, key=lambda site: (site.label, site.kind)):
        groups.setdefault((site.label, site.kind), []).append(site)
    lines = []
    for (label, kind), members in groups.items():
        names = [f"{site.id} ×{site.calls}" if site.calls > 1 else site.id for site in members[:3]]
        if len(members) > 3:
            names.append(f"… ({len(members)} in all)")
        lines.append(f"{label} · {kind}: {', '.join(names)}. {members[0].reason}")
    return lines


# --- findings and techniques --------------------------------------------------------------------


def _show_steps(out: Console, steps: Steps) -> None:
    line = f"loss {steps.before:.4g} → {steps.after:.4g}"
    if steps.ratios:
        lowest, highest = min(steps.ratios.values()), max(steps.ratios.values())
        moves = f"{number(lowest)} to {number(highest)} of its size (healthy: about 0.001)"
        line += f"; a step moves a weight by {moves}"
    print_section(out, f"The first {len(steps.losses)} steps", [line])


def _show_findings(out: Console, findings: Sequence[Finding]) -> None:
    if not findings:
        nothing = "Nothing that a look before training can tell."
        print_section(out, "What is wrong", [nothing])
        return
    out.print(Text("\nWhat is wrong", style="bold"))
    for finding in findings:
        print_wrapped(out, "· ", finding.sentence)
        slot = f"slot {finding.slot} · " if finding.slot else ""
        bound = f"(bound {finding.threshold:g}): {finding.source}"
        print_wrapped(out, "  ", f"{slot}{finding.kind} {number(finding.number)} {bound}")


def _show_fits(out: Console, fits: dict[str, dict[str, str | None]]) -> None:
    """Show the techniques of each slot that fit, then the others by why they do not."""
    out.print(Text("\nWhat can be tried", style="bold"))
    for slot, techniques in fits.items():
        fitting: list[str] = []
        unfit: dict[str, list[str]] = {}
        for name, why in techniques.items():
            names = fitting if why is None else unfit.setdefault(why, [])
            names.append(name)
        print_wrapped(out, f"{slot:<13}", ", ".join(fitting) or "nothing")
        for why in sorted(unfit):
            print_wrapped(out, " " * 13, f"not {', '.join(unfit[why])}: {why}")
