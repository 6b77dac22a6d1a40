"""A diagnosis on a screen of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from advisor.api.diagnose import Report
from advisor.diagnosis.measure import Signal
from advisor.model import Site
from advisor.report.study_text import section, wrapped
from advisor.report.text import console

MOST = 16
"""Layers that are shown; of more, the first and the last half of these. --json has them all."""
FAINTEST, LOUDEST = -8.0, 1.0
"""Powers of ten between which the bars of the signal lie."""
BARS = "▁▂▃▄▅▆▇█"


def show_report(found: Report) -> None:
    """Model, layers with their signal, activation sites, findings, and the techniques that fit."""
    out, seen = console(), found.diagnosis.measured
    total = sum(p.numel() for p in found.model.parameters())
    shape = "×".join(["rows", *map(str, found.anatomy.output_shape[1:])])
    out.print(
        Text(
            f"\n{type(found.model).__name__}: {total:,} parameters · output {found.output} ({shape})",
            style="bold",
        )
    )
    out.print(
        Text(
            f"{seen.rows} rows, before training · {_loss(found)} · {found.diagnosis.seconds:.2g} s\n",
            style="dim",
        )
    )
    _layers(out, seen.signals)
    _sites(out, found.anatomy.sites)
    section(out, "Embedding tables", [_table(table) for table in found.anatomy.tables])
    _steps(out, found)
    _findings(out, found)
    _fits(out, found)


def _loss(found: Report) -> str:
    from advisor.diagnosis.rules import guessing

    seen = found.diagnosis.measured
    guess = guessing(seen)
    return f"loss {seen.loss:.3g}" + (f" (a guess: {guess:.3g})" if guess else "")


# ---------------------------------------------------------------- layers and sites


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
"""Widest that the columns of the layers' table get, which leaves room for 80."""


def _layers(out: Console, signals: Sequence[Signal]) -> None:
    if not signals:
        out.print(Text("  no layer with weights ran"))
        return
    rows = [
        _row(signal) if signal else ("⋮",) + ("",) * (len(COLUMNS) - 1)
        for signal in shortened(signals)
    ]
    widths = [
        min(most, max(len(text) for text in (column, *cells)))
        for (column, most), cells in zip(COLUMNS.items(), zip(*rows, strict=True), strict=True)
    ]
    for row in (tuple(COLUMNS), *rows):
        cells = [
            cut(cell, width).ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.print(
            Text(
                "  " + " ".join(cells).rstrip(),
                style="bold" if row[0] == "layer" and row[1] == "kind" else "",
            )
        )
    more = (
        f" Of {len(signals)} layers, {MOST} are shown (--json has all)."
        if len(signals) > MOST
        else ""
    )
    legend = "signal: deviation across rows of the layer's output; gradient: norm; dead, flat: share of the units after it."
    wrapped(out, "", legend + more)


def cut(text: str, width: int) -> str:
    """A text that is too long, without its middle: both ends of a layer's name tell something."""
    return (
        text
        if len(text) <= width
        else f"{text[: width // 3]}…{text[len(text) - (width - width // 3 - 1) :]}"
    )


def shortened(signals: Sequence[Signal]) -> list[Signal | None]:
    """The first and the last of many, with None for those between."""
    if len(signals) <= MOST:
        return list(signals)
    return [*signals[: MOST // 2], None, *signals[-MOST // 2 :]]


def _row(signal: Signal) -> tuple[str, ...]:
    layer, units = signal.layer, signal.units
    shares = (
        [_share(units.dead, units.count), _share(units.saturated, units.count)]
        if units
        else ["", ""]
    )
    return (
        layer.name or "(model)",
        layer.kind,
        layer.followed_by,
        number(signal.std),
        bar(signal.std),
        number(signal.gradient),
        *shares,
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if part and whole else "–"


def number(value: float | None) -> str:
    """Two digits, a dash for nothing."""
    return "–" if value is None else f"{value:.2g}"


def bar(value: float | None) -> str:
    """A bar on a logarithmic scale."""
    if value is None or math.isnan(value):
        return ""
    power = math.log10(value) if value > 0 else FAINTEST
    return BARS[
        round(
            (min(max(power, FAINTEST), LOUDEST) - FAINTEST) / (LOUDEST - FAINTEST) * (len(BARS) - 1)
        )
    ]


def _sites(out: Console, sites: Iterable[Site]) -> None:
    """Sites of one kind and label together, with the reason of the first."""

    def key(site: Site) -> tuple[str, str]:
        return site.label, site.kind

    lines = []
    for (label, kind), group in groupby(sorted(sites, key=key), key=key):
        members = list(group)
        names = ", ".join(
            f"{site.id}{f' ×{site.calls}' if site.calls > 1 else ''}" for site in members[:3]
        )
        more = f", … ({len(members)} in all)" if len(members) > 3 else ""
        lines.append(f"{label} · {kind}: {names}{more}. {members[0].reason}")
    section(out, "Activations", lines or ["none that this finds"], most=12)


def _table(table: object) -> str:
    name, rows, width, source = (getattr(table, key) for key in ("name", "rows", "width", "source"))
    return f"{name}: {rows:,} × {width}, indexed by {source or 'something unknown'}"


# ---------------------------------------------------------------- findings and techniques


def _steps(out: Console, found: Report) -> None:
    steps = found.diagnosis.steps
    if steps is None:
        return
    ratios = sorted(steps.ratios.values())
    moved = (
        f"; a step moves a weight by {number(ratios[0])} to {number(ratios[-1])} of its size (healthy: about 0.001)"
        if ratios
        else ""
    )
    section(
        out,
        f"The first {len(steps.losses)} steps",
        [f"loss {steps.before:.4g} → {steps.after:.4g}{moved}"],
    )


def _findings(out: Console, found: Report) -> None:
    if not found.findings:
        section(out, "What is wrong", ["Nothing that a look before training can tell."])
        return
    out.print(Text("\nWhat is wrong", style="bold"))
    for finding in found.findings:
        wrapped(out, "· ", finding.sentence)
        mend = f"slot {finding.slot} · " if finding.slot else ""
        wrapped(
            out,
            "  ",
            f"{mend}{finding.kind} {number(finding.number)} (bound {finding.threshold:g}): {finding.source}",
        )


def _fits(out: Console, found: Report) -> None:
    out.print(Text("\nWhat can be tried", style="bold"))
    for slot, techniques in found.fits.items():
        fitting = [name for name, why in techniques.items() if why is None]
        wrapped(out, f"{slot:<13}", ", ".join(fitting) or "nothing")
        reasons = sorted({why for why in techniques.values() if why})
        for why in reasons:
            names = ", ".join(name for name, other in techniques.items() if other == why)
            wrapped(out, " " * 13, f"not {names}: {why}")
