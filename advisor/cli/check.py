"""`advisor check`: a plugin's techniques, held to their promises."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.options import as_json
from advisor.errors import InputError
from advisor.host.host import Offer, load, offer_of

if TYPE_CHECKING:
    from advisor.testing import Result
    from advisor.testing.promise import Promise

MARKS = {"kept": "✓", "skipped": "–", "broken": "✗"}
ACROSS = 6
"""Techniques side by side in one table."""


@click.command("check")
@click.argument("plugin", metavar="FILE.py|PLUGIN")
@click.option(
    "--waive",
    metavar='CHECK="REASON"',
    multiple=True,
    help="a promise that need not hold, and why; repeatable",
)
@as_json
def command(plugin: str, waive: tuple[str, ...], as_json: bool) -> int:
    """Run the conformance kit over the techniques of a plugin file, or of an installed plugin.

    Exit code 0 where every promise is kept, 1 where one is broken, 2 where the plugin cannot be
    loaded.
    """
    reasons = dict(map(_waiver, waive))
    offer, started = offer_of(plugin), time.perf_counter()
    found = {
        f"{technique.slot}.{technique.name}": each for technique, each in _judged(offer, reasons)
    }
    every = [result for each in found.values() for result in each]
    broken = [result.message for result in every if result.status == "broken"]
    if not broken and offer.dist is None:
        load([plugin])  # beside the others: two plugins may claim one name
    if as_json:
        click.echo(
            json.dumps(
                _json(offer, found, time.perf_counter() - started), indent=2, ensure_ascii=False
            )
        )
    else:
        _show(found)
        counts = ", ".join(
            f"{sum(r.status == status for r in every)} {mark}" for status, mark in MARKS.items()
        )
        what = f"{len(found)} technique{'s' * (len(found) != 1)}, {len(every)} checks"
        click.echo(f"{what}: {counts} ({time.perf_counter() - started:.1f} s)")
    return 1 if broken else 0


def _waiver(text: str) -> tuple[str, str]:
    name, equals, reason = text.partition("=")
    if not equals or not reason.strip():
        raise InputError(f'--waive {text!r}: say why: --waive {name}="it need not hold because …".')
    return name.strip(), reason.strip()


def _judged(offer: Offer, waive: dict[str, str]) -> Iterator[tuple[Any, list[Result]]]:
    from advisor.testing import checks_of, results

    known = load().slots
    for technique in offer.techniques:
        checks = checks_of(technique, slots=offer.slots, file=offer.file, known=known)
        yield technique, list(results(checks, waive))


def _show(found: dict[str, list[Result]]) -> None:
    from advisor.report.text import show_table
    from advisor.testing.promise import PROMISES

    names = list(found)
    for start in range(0, len(names), ACROSS):
        some = names[start : start + ACROSS]
        marks = {
            name: {result.check: MARKS[result.status] for result in found[name]} for name in some
        }
        rows = [_row(each, [marks[name].get(each.name, "") for name in some]) for each in PROMISES]
        show_table(
            ["check", *some, "promise"], [row for row in rows if any(row[1:-1])], "no techniques"
        )
    for name, results in found.items():
        for line in _lines(name, results):
            click.echo(line)


def _row(promise: Promise, marks: list[str]) -> list[str]:
    return [promise.name, *marks, promise.text]


def _lines(name: str, results: list[Result]) -> Iterator[str]:
    """Broken promises, and those that were not judged, together where they have one reason."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.status == "broken":
            yield f"{MARKS['broken']} {result.message}"
        elif result.status == "skipped":
            reasons.setdefault(result.message, []).append(result.check)
    yield from (
        f"{MARKS['skipped']} {name}: {', '.join(checks)}: {why}" for why, checks in reasons.items()
    )


def _json(offer: Offer, found: dict[str, list[Result]], seconds: float) -> dict[str, Any]:
    return {
        "plugin": offer.name,
        "source": offer.source,
        "seconds": round(seconds, 2),
        "techniques": [
            {
                "slot": name.partition(".")[0],
                "name": name.partition(".")[2],
                "checks": [asdict(result) for result in each],
            }
            for name, each in found.items()
        ],
    }
