"""The tables of a study's page; the user's own model stands in each that compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from advisor.readable import counted, interval_text, rate_text, rounded
from advisor.report.first_screens import OF_TRAINING
from advisor.report.study_words import (
    IDENTICAL,
    arm_name,
    error_of_score,
    group_skips,
    own_score_alone,
)
from advisor.report.table import PageColumn, PageTable
from advisor.report.technique_plots import untrained_techniques
from advisor.report.text import cell, number
from advisor.report.verdict_words import costs_of_changes
from advisor.search.arm import arm_label, techniques_in
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Alternative, Cost, CutTrial, Verdict

YOUR_MODEL, RECOMMENDED = "your model", "recommended"
"""What the columns of both models are called."""
BEST_OTHER = "(the best other arm, not recommended)"
"""What stands behind an arm that was compared and is not recommended."""
AS_IT_IS = "as it is"
"""What stands for what is not changed."""
MOST_CUT = 20
"""Trials that ended early which are shown at once."""
ON_CHOOSING_SEEDS = "mean over the few seeds that chose among these; the verdict rests on others"
IN_SEARCH = "best score in the search, on one seed; the best of several is too good"
SECONDS = "of one training on this machine, techniques included"
"""What the columns mean that several tables have."""


def change_table(answer: Recommendation) -> PageTable:
    """What is changed, and what both models are trained with."""
    start = answer.baseline.given.params
    rows = [[slot, AS_IT_IS, name] for slot, name in answer.changed.items()]
    for name, value in answer.params.items():
        before = setting(name, start[name]) if name in start else ""
        rows.append([name.removeprefix(OF_TRAINING), before, setting(name, value)])
    rows.append(["epochs", str(answer.epochs), str(answer.epochs)])
    if answer.train_rows is not None:
        rows.append(["training rows", *[str(answer.train_rows.used)] * 2])
    columns = [
        PageColumn("what"),
        PageColumn(YOUR_MODEL, "what the search began with"),
        PageColumn(RECOMMENDED, "what was measured, and is to be used"),
    ]
    return PageTable(columns, rows)


def setting(name: str, value: Any) -> str:
    """The value of a parameter."""
    is_rate = name.startswith(OF_TRAINING) and isinstance(value, int | float)
    return rate_text(value) if is_rate else cell(value)


def cost_table(answer: Recommendation) -> PageTable:
    """What a training costs with the user's model, and with what is recommended, or else with the
    best other arm.
    """
    rows = []
    for name, seconds, base in cost_rows(answer):
        times = f"{seconds / base:.2g}" if base > 0 else cell(None)
        rows.append([name, number(seconds), times])
    columns = [
        PageColumn("model", is_arm=True),
        PageColumn("seconds", f"{SECONDS}, of {counted(answer.epochs, 'epoch')}", is_number=True),
        PageColumn("times yours", "as a multiple of your model's", is_number=True),
    ]
    return PageTable(columns, rows, own=[0])


def cost_rows(answer: Recommendation) -> Iterator[tuple[str, float, float]]:
    """The name of a model, its seconds, and those of the user's model on the same seeds."""
    base = answer.baseline.seconds
    yield YOUR_MODEL, base, base
    if answer.verdict is Verdict.CHANGE:
        yield RECOMMENDED, answer.recommended.seconds, base
        return
    # The best other arm has its seconds from the seeds that chose it, as the model has there.
    seconds = {arm_label(cost.choices): cost.seconds for cost in answer.costs}
    own = next((each.seconds for each in answer.costs if not techniques_in(each.choices)), base)
    best = arm_label(answer.gain.arm)
    if answer.gain.arm and best in seconds:
        yield f"{arm_name(best)} {BEST_OTHER}", seconds[best], own


# --- what was compared ----------------------------------------------------------------------------


def costs_table(answer: Recommendation) -> PageTable:
    """Score and seconds of all arms that were confirmed."""
    front = answer.front()
    rows = []
    for place, cost in enumerate(answer.costs, start=1):
        score = rounded(cost.mean, error_of_score(answer))
        is_best = "yes" if cost in front else ""
        name = arm_name(arm_label(cost.choices))
        rows.append([str(place), name, score, number(cost.seconds), is_best])
    columns = [
        PageColumn("no.", "as in the plot", is_number=True),
        PageColumn("model", is_arm=True),
        PageColumn(answer.metric, ON_CHOOSING_SEEDS, is_number=True),
        PageColumn("seconds", SECONDS, is_number=True),
        PageColumn("on the front", "no other one is both better and cheaper"),
    ]
    return PageTable(columns, rows, own=own_places(answer.costs))


def own_places(costs: Sequence[Cost]) -> list[int]:
    """Where the user's model stands among some arms."""
    return [place for place, cost in enumerate(costs) if not techniques_in(cost.choices)]


def alternatives_table(answer: Recommendation) -> PageTable:
    """The user's model, and the other arms that were confirmed and are not recommended."""
    rows = [own_row(answer), *[alternative_row(answer, each) for each in answer.alternatives]]
    columns = [
        PageColumn("model", is_arm=True),
        PageColumn(answer.metric, ON_CHOOSING_SEEDS, is_number=True),
        PageColumn("in search", IN_SEARCH, is_number=True),
        PageColumn(
            "gain", "over your model on these seeds, with its 95 % interval; + is better", True
        ),
        PageColumn(
            "p", "chance of such a gain without any; adjusted for all (Holm)", is_number=True
        ),
        PageColumn("seconds", SECONDS, is_number=True),
        PageColumn("why not"),
    ]
    return PageTable(columns, rows, own=[0])


def own_row(answer: Recommendation) -> list[str]:
    """The user's model among the alternatives."""
    own = next((cost for cost in answer.costs if not techniques_in(cost.choices)), None)
    score = cell(None) if own is None else rounded(own.mean, error_of_score(answer))
    seconds = number(answer.baseline.seconds if own is None else own.seconds)
    return [YOUR_MODEL, score, cell(answer.baseline.searched), "0", "", seconds, ""]


def alternative_row(answer: Recommendation, each: Alternative) -> list[str]:
    """An arm that was confirmed and is not recommended."""
    gain = each.gain
    score = cell(None) if each.mean is None else rounded(each.mean, error_of_score(answer))
    interval = cell(None) if gain is None else interval_text(gain.mean, gain.low, gain.high)
    chance = "" if gain is None else number(gain.p)
    arm = arm_label(each.choices)
    return [
        arm,
        score,
        cell(each.searched),
        interval,
        chance,
        number(each.seconds),
        each.why_not,
    ]


def techniques_table(answer: Recommendation) -> PageTable:
    """Each technique alone beside the user's model, best first."""
    own, measured = own_score_alone(answer), []
    for each in answer.isolation:
        if each.alone is None or own is None:
            continue
        better = answer.sign * (each.alone - own)
        name = YOUR_MODEL if each.slot is None else f"{each.slot} {each.technique}"
        same = f", {IDENTICAL}" if each.identical else ""
        numbers = [f"{name}{same}", cell(each.alone), f"{better:+.2g}", str(each.trials)]
        measured.append((better, numbers))
    rows = [numbers for _, numbers in sorted(measured, key=lambda pair: -pair[0])]
    columns = [
        PageColumn("technique"),
        PageColumn(answer.metric, IN_SEARCH, is_number=True),
        PageColumn("to yours", "difference to your model's best; + is better", is_number=True),
        PageColumn("trials", "trainings that had it", is_number=True),
    ]
    return PageTable(columns, rows, own=[i for i, row in enumerate(rows) if row[0] == YOUR_MODEL])


def untrained_table(answer: Recommendation) -> PageTable | None:
    """Techniques that have no score of their own, with why; None where all have one."""
    rows = [list(row) for row in untrained_techniques(answer)]
    columns = [PageColumn("slot"), PageColumn("technique"), PageColumn("why it has no score")]
    return PageTable(columns, rows) if rows else None


def undone_table(answer: Recommendation) -> PageTable | None:
    """What leaving out each change costs, down to the user's model; None for a single change."""
    rows = [list(row) for row in costs_of_changes(answer)]
    if not rows:
        return None
    gain = answer.gain
    whole = rounded(gain.mean, gain.error / 2, sign=True)
    rows.append([f"all of them: {YOUR_MODEL}", whole])
    meaning = f"{answer.metric} that is lost without it, on the first of the seeds that measured"
    columns = [PageColumn("left out"), PageColumn("cost", meaning, is_number=True)]
    return PageTable(columns, rows, own=[len(rows) - 1])


# --- the search -----------------------------------------------------------------------------------


def cut_tables(answer: Recommendation) -> list[PageTable]:
    """Trials that ended early, after the user's model: those that are shown at once, and more."""
    trials = answer.pruned
    if not trials:
        return []
    tables = [cut_table(answer, trials[:MOST_CUT], has_own=True)]
    if trials[MOST_CUT:]:
        tables.append(cut_table(answer, trials[MOST_CUT:], has_own=False))
    return tables


def cut_table(answer: Recommendation, trials: Sequence[CutTrial], has_own: bool) -> PageTable:
    """Trials that ended early."""
    best = cell(own_score_alone(answer))
    rows = [["", YOUR_MODEL, best, "trained to the end: its best"]] if has_own else []
    for trial in trials:
        name = arm_name(trial.arm)
        rows.append([str(trial.number), name, cell(trial.score), trial.why])
    columns = [
        PageColumn("trial", "its number in the search", is_number=True),
        PageColumn("model", is_arm=True),
        PageColumn(answer.metric, "where it ended", is_number=True),
        PageColumn("why it ended"),
    ]
    return PageTable(columns, rows, own=[0] if has_own else [])


def skipped_table(answer: Recommendation) -> PageTable | None:
    """Techniques that do not fit, with why; None where all do."""
    rows = [list(row) for row in group_skips(answer.skipped)]
    columns = [PageColumn("slot"), PageColumn("techniques"), PageColumn("why")]
    return PageTable(columns, rows) if rows else None


def tables_of(answer: Recommendation) -> Iterator[tuple[str, PageTable | None]]:
    """All tables of a page, by the names that its template has for them."""
    yield "change", change_table(answer)
    yield "cost", cost_table(answer)
    yield "confirmed", costs_table(answer) if answer.costs else None
    yield "alternatives", alternatives_table(answer) if answer.alternatives else None
    yield "alone", techniques_table(answer)
    yield "untrained", untrained_table(answer)
    yield "undone", undone_table(answer)
    yield "skipped", skipped_table(answer)
