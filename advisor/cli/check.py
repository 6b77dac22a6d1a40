"""`advisor check`: whether a plugin's techniques keep their promises."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from advisor.cli.named import all_queries
from advisor.cli.options import as_json
from advisor.errors import InputError
from advisor.host.host import Offer, load, offer_of
from advisor.named_query import NamedQuery
from advisor.store.named_queries import composed
from advisor.store.query import Limits, ask
from advisor.streams import say, say_json

if TYPE_CHECKING:
    from advisor.testing import Result

Judged = Mapping[str, list["Result"]]
"""The results of each technique, by `slot.name`."""

KEPT, SKIPPED, BROKEN = "kept", "skipped", "broken"
"""What can become of a promise, as the kit says it."""
MARKS = {KEPT: "✓", SKIPPED: "–", BROKEN: "✗"}
"""How the table shows what became of a promise."""
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
    # Waivers come first: a mistake in one must not cost the time of the checks.
    waived = read_waivers(waive)
    offer = offer_of(plugin)
    started = time.perf_counter()
    judged = judge(offer, waived)
    faults = query_faults(offer)
    is_broken = any(result.status == BROKEN for result in all_results(judged)) or any(
        faults.values()
    )
    if not is_broken and offer.dist is None:
        load([plugin])  # beside the others: two plugins may claim one name
        all_queries([plugin], ())

    seconds = time.perf_counter() - started
    if as_json:
        say_json(to_json(offer, judged, faults, seconds))
    else:
        show(judged, seconds)
        for name, fault in faults.items():
            say(f"{MARKS[BROKEN if fault else KEPT]} question {name}{fault and ': '}{fault}")
    return 1 if is_broken else 0


def query_faults(offer: Offer) -> dict[str, str]:
    """By the name of each question of a plugin, what is wrong with it; empty where nothing is.

    Each is asked of a database without studies, of all of them and of one.
    """
    if not offer.queries:
        return {}
    # The store loads SQLAlchemy and Optuna, which few checks need.
    from advisor.store.database import Database

    faults = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        Database(url, tuple(slot.name for slot in offer.slots)).close()
        for query in offer.queries:
            faults[query.name] = query_fault(query, url)
    return faults


def query_fault(query: NamedQuery, url: str) -> str:
    """What is wrong with a question to the database at `url`; empty where nothing is."""
    words = dict.fromkeys(query.words or (), "1")
    for studies in ([], ["digits"]):
        try:
            ask(url, composed(query, studies, words), Limits(1))
        except InputError as problem:
            return str(problem)
    return ""


def read_waivers(texts: tuple[str, ...]) -> dict[str, str]:
    """Checks and the reasons why they need not hold.

    Raises `InputError` for one without a reason.
    """
    waived = {}
    for text in texts:
        name, _, reason = text.partition("=")
        if not reason.strip():
            advice = f'say why: --waive {name}="it need not hold because …".'
            raise InputError(f"--waive {text!r}: {advice}")
        waived[name.strip()] = reason.strip()
    return waived


def judge(offer: Offer, waived: Mapping[str, str]) -> Judged:
    """Hold every technique of a plugin to its promises."""
    # The kit loads torch, which `--help` does not need.
    from advisor.testing import checks_of, results

    slots = load().slots
    # A plugin may bring techniques for the slots of others.
    judged = {}
    for technique in offer.techniques:
        checks = checks_of(technique, slots=offer.slots, file=offer.file, known=slots)
        judged[f"{technique.slot}.{technique.name}"] = list(results(checks, waived))
    return judged


def show(judged: Judged, seconds: float) -> None:
    """Print the tables, what was not kept, and how many promises were."""
    names = list(judged)
    for start in range(0, len(names), ACROSS):
        show_promises({name: judged[name] for name in names[start : start + ACROSS]})
    for line in lines_of(judged):
        say(line)

    # The last line counts, in the order of the marks.
    results = all_results(judged)
    counts = []
    for status, mark in MARKS.items():
        count = sum(result.status == status for result in results)
        counts.append(f"{count} {mark}")
    techniques = f"{len(judged)} technique{'' if len(judged) == 1 else 's'}"
    say(f"{techniques}, {len(results)} checks: {', '.join(counts)} ({seconds:.1f} s)")


def show_promises(judged: Judged) -> None:
    """Print a line for each promise, with a mark for each technique that makes it."""
    from advisor.report.text import show_table
    from advisor.testing.promise import PROMISES

    marks: dict[str, dict[str, str]] = {}
    for name, results in judged.items():
        marks[name] = {result.check: MARKS[result.status] for result in results}
    # A promise that none of these techniques makes has no line.
    rows = []
    for promise in PROMISES:
        cells = [marks[name].get(promise.name, "") for name in judged]
        if any(cells):
            rows.append([promise.name, *cells, promise.text])
    show_table(["check", *judged, "promise"], rows, "no techniques")


def all_results(judged: Judged) -> list[Result]:
    """The results of all techniques."""
    return [result for results in judged.values() for result in results]


def lines_of(judged: Judged) -> Iterator[str]:
    """Broken promises, and those that were not judged, together where they have one reason."""
    # A broken promise is a line at once, the others wait for those of the same reason.
    for name, results in judged.items():
        reasons: dict[str, list[str]] = {}
        for result in results:
            if result.status == BROKEN:
                yield f"{MARKS[BROKEN]} {result.message}"
            elif result.status == SKIPPED:
                reasons.setdefault(result.message, []).append(result.check)
        for why, checks in reasons.items():
            yield f"{MARKS[SKIPPED]} {name}: {', '.join(checks)}: {why}"


def to_json(offer: Offer, judged: Judged, faults: Mapping[str, str], seconds: float) -> str:
    """The results as JSON; `faults` are those of questions by their names."""
    techniques = []
    for full_name, results in judged.items():
        slot, _, name = full_name.partition(".")
        checks = [asdict(result) for result in results]
        techniques.append({"slot": slot, "name": name, "checks": checks})
    queries = []
    for name, fault in faults.items():
        status = BROKEN if fault else KEPT
        queries.append({"name": name, "status": status, "message": fault})
    plain = {
        "plugin": offer.name,
        "source": offer.source,
        "seconds": round(seconds, 2),
        "techniques": techniques,
        "queries": queries,
    }
    return json.dumps(plain, indent=2, ensure_ascii=False)
