"""A diagnosis on a screen of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from torch import nn

from advisor.api.diagnose import DiagnosisReport
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Measured, Signal
from advisor.diagnosis.rules import guessing
from advisor.diagnosis.steps import Steps
from advisor.diagnosis.units import Units
from advisor.model import Site, Table
from advisor.readable import counted
from advisor.report.floors_text import floor_lines
from advisor.report.text import console, number, print_section, print_wrapped

MOST = 16
"""Layers that are shown; of more, the first and the last half of these. --json has them all."""
MOST_SITES = 12
"""Lines about activations that are shown."""
MOST_NAMES = 3
"""Sites of one line that are named."""
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
FAINTEST = -8.0
LOUDEST = 1.0
"""Powers of ten between which the bars of the signal lie."""
BARS = "▁▂▃▄▅▆▇█"
"""The bars, from the faintest signal to the loudest."""
SLOT_COLUMNS = 13
"""Columns that the name of a slot takes before its techniques."""


def show_report(report: DiagnosisReport) -> None:
    """Show model, layers with their signal, activations, findings, and the techniques that fit."""
    out = console()
    anatomy = report.anatomy
    diagnosis = report.diagnosis
    show_model(out, report)
    show_layers(out, diagnosis.measured.signals)
    sites = site_lines(anatomy.sites) or ["none that this finds"]
    print_section(out, "Activations", sites, most=MOST_SITES)
    print_section(out, "Embedding tables", table_lines(anatomy.tables))
    if diagnosis.steps is not None:
        show_steps(out, diagnosis.steps)
    show_findings(out, report.findings)
    metric, rows = report.prepared.objective.metric.name, report.prepared.facts.sizes
    title = f"Simple models: {metric} on {rows['valid']:,} validation rows"
    print_section(out, title, floor_lines(report.score, report.floors, rows))
    show_fits(out, report.fits)


def show_model(out: Console, report: DiagnosisReport) -> None:
    """Show the size of the model, what it returns, and its loss before training."""
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    parameters = nn.Module.parameters(report.model)
    total = sum(parameter.numel() for parameter in parameters)
    # The first size of the output is the rows of the batch, whatever their number.
    sizes = [str(size) for size in report.anatomy.output_shape[1:]]
    shape = "×".join(["rows", *sizes])
    name = type(report.model).__name__
    title = f"{name}: {total:,} parameters · output {report.output} ({shape})"
    out.print(Text(f"\n{title}", style="bold"))

    measured = report.diagnosis.measured
    loss = loss_text(measured)
    seconds = f"{report.diagnosis.seconds:.2g} s"
    line = f"{counted(measured.rows, 'row')}, before training · {loss} · {seconds}"
    out.print(Text(f"{line}\n", style="dim"))


def loss_text(measured: Measured) -> str:
    """The loss before training, beside that of a guess where there is one."""
    loss = f"loss {measured.loss:.3g}"
    guess = guessing(measured)
    if not guess:
        return loss
    # A loss far above that of a guess is a finding.
    return f"{loss} (a guess: {guess:.3g})"


# --- layers, sites and tables -------------------------------------------------------------------


def show_layers(out: Console, signals: Sequence[Signal]) -> None:
    """Show a table of the layers, with what it means."""
    if not signals:
        out.print(Text("  no layer with weights ran"))
        return
    # Widths come first: every row of the table has the same ones.
    rows = [row_of(signal) for signal in shortened(signals)]
    widths = column_widths(rows)
    titles = aligned(list(COLUMNS), widths)
    out.print(Text(titles, style="bold"))
    for row in rows:
        out.print(Text(aligned(row, widths)))

    legend = LEGEND
    if len(signals) > MOST:
        legend += f" Of {len(signals)} layers, {MOST} are shown (--json has all)."
    print_wrapped(out, "", legend)


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column: that of its longest cell, up to its limit."""
    widths = []
    for i, (title, widest) in enumerate(COLUMNS.items()):
        lengths = [len(row[i]) for row in rows]
        longest = max(len(title), *lengths)
        widths.append(min(widest, longest))
    return widths


def shortened(signals: Sequence[Signal]) -> list[Signal | None]:
    """The first and the last of many, with None for those between."""
    if len(signals) <= MOST:
        return list(signals)
    half = MOST // 2
    first = signals[:half]
    last = signals[-half:]
    return [*first, None, *last]


def row_of(signal: Signal | None) -> list[str]:
    """The cells of a layer; a row of dots for layers that are left out."""
    if signal is None:
        return ["⋮"] + [""] * (len(COLUMNS) - 1)
    layer = signal.layer
    dead, flat = shares_of(signal.units)
    return [
        layer.name or "(model)",
        layer.kind,
        layer.followed_by,
        number(signal.std),
        bar(signal.std),
        number(signal.gradient),
        dead,
        flat,
    ]


def shares_of(units: Units | None) -> tuple[str, str]:
    """The shares of dead and of flat units; empty texts where there are no units."""
    # Only a layer that an activation follows has units.
    if units is None:
        return "", ""
    dead = share(units.dead, units.count)
    flat = share(units.saturated, units.count)
    return dead, flat


def aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """A line of the table; words that are too long lose their middle.

    Arguments:
        row: the cells.
        widths: the columns of the screen that each cell takes.
    """
    columns = list(zip(row, widths, strict=True))
    cells = []
    for text, width in columns[:WORDS]:
        word = cut(text, width)
        cells.append(word.ljust(width))
    for text, width in columns[WORDS:]:
        cells.append(text.rjust(width))
    line = " ".join(cells)
    return "  " + line.rstrip()


def cut(text: str, width: int) -> str:
    """A text without its middle where it is too long: both ends of a layer's name say something."""
    if len(text) <= width:
        return text
    # Two thirds go to the end, where names differ.
    start = width // 3
    end = width - start - 1
    first = text[:start]
    last = text[len(text) - end :]
    return f"{first}…{last}"


def share(part: int, whole: int) -> str:
    """A share in percent, a dash for nothing."""
    return f"{part / whole:.0%}" if part and whole else "–"


def bar(value: float | None) -> str:
    """A bar on a logarithmic scale."""
    if value is None or math.isnan(value):
        return ""
    # What is fainter or louder than the scale gets the bar at its end.
    power = math.log10(value) if value > 0 else FAINTEST
    power = max(power, FAINTEST)
    power = min(power, LOUDEST)
    height = (power - FAINTEST) / (LOUDEST - FAINTEST)
    highest = len(BARS) - 1
    return BARS[round(height * highest)]


def site_lines(sites: Sequence[Site]) -> list[str]:
    """A line for all sites of one label and kind, with the reason of the first."""
    groups: dict[tuple[str, str], list[Site]] = {}
    in_order = sorted(sites, key=lambda site: (site.label, site.kind))
    for site in in_order:
        members = groups.setdefault((site.label, site.kind), [])
        members.append(site)

    lines = []
    for (label, kind), members in groups.items():
        names = names_of(members)
        reason = members[0].reason
        lines.append(f"{label} · {kind}: {names}. {reason}")
    return lines


def names_of(sites: Sequence[Site]) -> str:
    """The names of the first sites, and of many how many there are in all."""
    names = [site_name(site) for site in sites[:MOST_NAMES]]
    if len(sites) > MOST_NAMES:
        names.append(f"… ({len(sites)} in all)")
    return ", ".join(names)


def site_name(site: Site) -> str:
    """A site, with how often it is called in one forward pass where that is not once."""
    return f"{site.id} ×{site.calls}" if site.calls > 1 else site.id


def table_lines(tables: Sequence[Table]) -> list[str]:
    """A line for each embedding table."""
    lines = []
    for table in tables:
        size = f"{table.rows:,} × {table.width}"
        source = table.source or "something unknown"
        lines.append(f"{table.name}: {size}, indexed by {source}")
    return lines


# --- findings and techniques --------------------------------------------------------------------


def show_steps(out: Console, steps: Steps) -> None:
    """Show what the first steps of a training did to the loss and to the weights."""
    count = len(steps.losses)
    title = "The first step" if count == 1 else f"The first {count} steps"
    before = f"{steps.before:.4g}"
    after = f"{steps.after:.4g}"
    line = f"loss {before} → {after}"
    # A frozen model has no weights that move.
    if steps.ratios:
        ratios = steps.ratios.values()
        least = number(min(ratios))
        most = number(max(ratios))
        line += f"; a step moves a weight by {least} to {most} of its size (healthy: about 0.001)"
    print_section(out, title, [line])


def show_findings(out: Console, findings: Sequence[Finding]) -> None:
    """Show what is wrong, then what is to be known, each with its number, its bound and where the
    bound comes from.
    """
    wrong = [finding for finding in findings if not finding.is_harmless]
    if wrong:
        _show_titled(out, "What is wrong", wrong)
    else:
        nothing = "Nothing that a look before training can tell."
        print_section(out, "What is wrong", [nothing])
    harmless = [finding for finding in findings if finding.is_harmless]
    if harmless:
        _show_titled(out, "What is to be known", harmless)


def _show_titled(out: Console, title: str, findings: Sequence[Finding]) -> None:
    # The sentence comes first, then what it rests on.
    out.print(Text(f"\n{title}", style="bold"))
    for finding in findings:
        evidence = evidence_of(finding)
        print_wrapped(out, "· ", finding.sentence)
        print_wrapped(out, "  ", evidence)


def evidence_of(finding: Finding) -> str:
    """What a finding rests on: its number, its bound, and where the bound comes from."""
    measured = number(finding.number)
    bound = f"{finding.threshold:g}"
    evidence = f"{finding.kind} {measured} (bound {bound}): {finding.source}"
    if not finding.slot:
        return evidence
    # The slot is the one whose techniques can mend it.
    return f"slot {finding.slot} · {evidence}"


def show_fits(out: Console, fits: dict[str, dict[str, str | None]]) -> None:
    """Show the techniques of each slot that fit, then the others by why they do not.

    Arguments:
        out: where it is shown.
        fits: by slot and technique, why a technique does not fit; None where it fits.
    """
    out.print(Text("\nWhat can be tried", style="bold"))
    # A slot of a plugin may have a long name.
    width = max([SLOT_COLUMNS, *(len(slot) + 1 for slot in fits)])
    for slot, techniques in fits.items():
        # What fits comes first, as this is what a search would try.
        fitting: list[str] = []
        unfit: dict[str, list[str]] = {}
        for name, why in techniques.items():
            if why is None:
                fitting.append(name)
            else:
                same_reason = unfit.setdefault(why, [])
                same_reason.append(name)
        head = slot.ljust(width)
        names = ", ".join(fitting) or "nothing"
        print_wrapped(out, head, names)

        # Techniques that share a reason share a line.
        head = " " * width
        for why in sorted(unfit):
            names = ", ".join(unfit[why])
            print_wrapped(out, head, f"not {names}: {why}")
