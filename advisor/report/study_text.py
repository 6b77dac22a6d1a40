"""A task and a recommendation on one screen of 80 columns."""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from advisor.report.text import cell, console
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation

if TYPE_CHECKING:
    from advisor.work.prepare import Prepared

COLOR = {"change": "green", "keep": "cyan", "undecided": "yellow"}
MOST = 5
"""Lines of a section that are shown; --json has them all."""


def show_task(shared: Prepared, plan: bool = True) -> None:
    """What was understood of the task, on stderr before the search begins; `plan` tells how it will
    be trained too.
    """
    out, sizes = console(stderr=True), shared.facts.sizes
    rows = " · ".join(
        f"{name} {sizes[name]}"
        for name in ("train", "valid", "test", "unlabeled")
        if sizes.get(name)
    )
    out.print(Text(f"{shared.study.name}: {shared.objective.sentence()}", style="bold"))
    epochs = (
        f"{shared.study.epochs} epochs"
        if shared.study.epochs
        else "as many epochs as your model needs"
    )
    out.print(Text(f"rows: {rows}" + (f" · batch {shared.batch} · {epochs}" if plan else "")))
    for mark, lines in (("· ", shared.notes), ("! ", shared.warnings)):
        for line in lines:
            wrapped(out, mark, line, indent=0)


def show_recommendation(found: Recommendation) -> None:
    """Verdict, gain, cost, why, what was not chosen or not applicable, and how to apply it."""
    out = console()
    out.print(Text(f"\n{_headline(found)}\n", style=f"bold {COLOR[found.verdict]}"))
    for name, line in _numbers(found):
        wrapped(out, f"{name:<11}", line)
    section(out, "Why", found.reasons)
    section(out, "Diagnosed before training", _diagnosed(found))
    section(
        out, "Not chosen", [f"{_label(a['choices'])}: {a['why_not']}" for a in found.alternatives]
    )
    section(
        out,
        "Each technique alone, at its best rate (search; one seed)",
        _isolated(found),
        most=2 * MOST,
    )
    section(out, "Stopped early", _stopped(found.pruned))
    section(out, "Score against cost", _front(found))
    section(
        out,
        "Not applicable",
        [f"{slot} {names}: {why}" for slot, names, why in skipped(found.skipped)],
    )
    section(out, "Mind", found.warnings, most=len(found.warnings))
    out.print(Text("\nApply it", style="bold"))
    for line in found.apply_with:
        print(f"  {line}", file=out.file)  # code to copy is never wrapped
    counts, seconds = found.trials, found.seconds
    ended = f"{counts['complete']} complete, {counts['pruned']} stopped early, {counts['failed']} failed"
    out.print(Text(f"\n{sum(counts.values())} trials ({ended})", style="dim"))
    out.print(
        Text(
            f"search {seconds['search']:.0f} s, confirmation {seconds['confirm']:.0f} s",
            style="dim",
        )
    )


def _headline(found: Recommendation) -> str:
    if found.verdict == "change":
        return f"{found.study}: CHANGE {', '.join(f'{slot} → {name}' for slot, name in found.changed.items())}"
    if found.verdict == "keep":
        return f"{found.study}: KEEP your model as it is"
    return f"{found.study}: UNDECIDED between your model and {_label(found.gain['arm'])}"


def _numbers(found: Recommendation) -> list[tuple[str, str]]:
    base, best, gain = found.baseline, found.recommended, found.gain
    interval = f"{between(gain)} (95 %), p {gain['p']:.2g}"
    interval += f", {gain['seeds']} fresh paired seeds; worth a change from {cell(found.min_gain)}"
    rate = f"lr {found.params.get('training.lr', 0):.3g}, weight decay {found.params.get('training.weight_decay', 0):.3g}"
    own = [
        f"{key} {cell(value)}"
        for key, value in found.params.items()
        if not key.startswith("training.")
    ]
    if found.verdict == "change":
        return [
            (found.metric, f"{cell(base['mean'])} → {cell(best['mean'])}"),
            ("gain", interval),
            *_searched(found),
            (
                "test",
                f"{tested(found)}{cell(base['test'])} → {cell(best['test'])}{_rows(gain)}",
            ),
            (
                "cost",
                f"{base['seconds']:.2g} s → {best['seconds']:.2g} s a training of {found.epochs} epochs",
            ),
            ("with", ", ".join([rate, *own])),
        ]
    return [
        (found.metric, f"{cell(base['mean'])} (test {tested(found)}{cell(base['test'])})"),
        ("best other", f"{_label(gain['arm'])}: gain {interval}" if gain["arm"] else "none"),
        *_searched(found),
        ("with", f"{rate}, {found.epochs} epochs"),
    ]


def tested(found: Recommendation) -> str:
    """The metric of the test rows, where it is not the one that arms are compared by."""
    name, epochs, _ = found.metric.partition("epochs to ")[::-1]
    return f"{name.rpartition(' ')[0]} " if epochs else ""


def between(gain: dict[str, Any]) -> str:
    """A gain with its interval."""
    return f"{gain['mean']:+.4g} [{gain['low']:+.4g}, {gain['high']:+.4g}]"


def _searched(found: Recommendation) -> list[tuple[str, str]]:
    """The winner's curse: what the search promised on the seed that it chose by."""
    promised = found.gain["searched"]
    return (
        []
        if promised is None
        else [
            ("in search", f"{promised:+.4g} on the one seed that chose it, hence not to be trusted")
        ]
    )


def _rows(gain: dict[str, Any]) -> str:
    test = gain["test"]
    return (
        ""
        if test is None
        else f", {between(test)} over {test['rows']} rows that nothing else looked at"
    )


def wrapped(out: Console, head: str, line: str, indent: int = 2) -> None:
    """An indented line, wrapped under its own beginning; nothing is padded, so a pipe stays clean."""
    first, *rest = textwrap.wrap(
        line, max(20, out.width - indent - len(head)), break_long_words=False
    ) or [""]
    out.print(Text.assemble(" " * indent, (head, "bold"), first), soft_wrap=True)
    for more in rest:
        out.print(Text(" " * (indent + len(head)) + more), soft_wrap=True)


def section(out: Console, title: str, lines: list[str], most: int = MOST) -> None:
    """A title and its lines, of many the first; nothing where there are none."""
    if not lines:
        return
    out.print(Text(f"\n{title}", style="bold"))
    for line in lines[:most]:
        wrapped(out, "· ", line)
    if len(lines) > most:
        wrapped(out, "· ", f"and {len(lines) - most} more (--json)")


def _diagnosed(found: Recommendation) -> list[str]:
    """Findings that are not among the reasons."""
    return [
        f["sentence"]
        for f in found.findings
        if not any(f["sentence"] in reason for reason in found.reasons)
    ]


def _isolated(found: Recommendation) -> list[str]:
    """A line for each technique that was trained to its end alone, best first, with how many trials
    it had.
    """
    rows = [
        row for row in found.isolation if row["slot"] and row["alone"] is not None and row["gain"]
    ]
    ordered = sorted(rows, key=lambda row: -row["gain"]["mean"])
    tried = sum(row["slot"] is not None for row in found.isolation)
    shares = ", ".join(f"{slot} {share:.0%}" for slot, share in found.importance.items())
    lines = [
        f"{row['slot']} {row['technique']}: {cell(row['alone'])}, {between(row['gain'])}, {row['trials']} trials"
        for row in ordered
    ]
    alike = [
        f"{row['slot']} {row['technique']}: identical to your model"
        for row in found.isolation
        if row["identical"]
    ]
    least = min((row["trials"] for row in found.isolation), default=0)
    ends = [f"{tried} techniques were tried, none in fewer than {least} trials"] if tried else []
    return [
        *lines[: MOST - 2],
        *alike,
        *ends,
        *([f"what decided (PED-ANOVA): {shares}"] if shares else []),
    ]


def _stopped(pruned: list[dict[str, Any]]) -> list[str]:
    """How many trials ended where, each with one example and its numbers."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in pruned:
        groups.setdefault(_end(row["why"]), []).append(row)
    return [
        f"{len(rows)} {end}, as {rows[0]['arm']}: {rows[0]['why']}" for end, rows in groups.items()
    ]


def _end(why: str) -> str:
    found = re.search(r"after (epoch \d+|\d+ steps)", why)
    return (
        "before training"
        if why.startswith("not trained")
        else found.group()
        if found
        else "for another reason"
    )


def _front(found: Recommendation) -> list[str]:
    """The confirmed arms worth their seconds, where there is a choice."""
    rows = [
        f"{_label(row['choices'])}: {cell(row['mean'])} in {row['seconds']:.2g} s"
        for row in found.front()
    ]
    return rows if len(rows) > 1 else []


def skipped(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """Slot, techniques and why they are not applicable, those together that share it."""

    def key(skip: dict[str, str]) -> tuple[str, str]:
        return skip["slot"], skip["why"]

    groups = groupby(sorted(rows, key=key), key=key)
    return [
        (slot, ", ".join(skip["technique"] for skip in group), why) for (slot, why), group in groups
    ]


def _label(choices: dict[str, Any]) -> str:
    return " ".join(f"{slot}={name}" for slot, name in choices.items() if name != KEEP) or KEEP
