"""Several studies on one page: what each answered, and which techniques won where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from advisor.comparing.comparison import Comparison
from advisor.readable import counted
from advisor.report.first_screen import FirstScreen
from advisor.report.first_screens import (
    OWN,
    screen_of_comparison,
    screen_of_study,
    told_of_sides,
    told_of_study,
)
from advisor.report.gain_words import GainTold, gain_number, score_number, unit
from advisor.report.html import render, write_html
from advisor.report.table import PageColumn, PageTable
from advisor.report.text import cell
from advisor.search.arm import arm_label
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Verdict

Answer = Recommendation | Comparison
"""What a study or a comparison says."""


class Standing(Enum):
    """What became of a technique in a study. The value is the column's name and what it means."""

    WON = "won in", "it is recommended there, with the gain of all that is recommended"
    OPEN = "open in", "it was measured there, and what it is worth is not known yet"
    LOST = "lost in", "it was measured there on fresh seeds, and is not recommended"
    TRIED = "tried in", "the search preferred others there"
    UNTRIED = "not tried in", "it fits there, and the search had no trial for it"
    UNFIT = "does not fit", "there is nothing there that it could change"


OF_MEASURED = {
    Verdict.CHANGE: Standing.WON,
    Verdict.UNDECIDED: Standing.OPEN,
    Verdict.KEEP: Standing.LOST,
}
"""What became of the techniques of the arm that was measured."""
OF_OWN = {
    Verdict.CHANGE: Standing.LOST,
    Verdict.UNDECIDED: Standing.OPEN,
    Verdict.KEEP: Standing.WON,
}
"""What became of the user's model as it is."""

Standings = dict[str, dict[Standing, list[str]]]
"""By technique, in which studies it had which standing."""


def write_several(answers: Sequence[Answer], path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(several_page(answers), path)


def several_page(answers: Sequence[Answer]) -> str:
    """The page as text; everything that comes from users' studies and plugins is escaped."""
    studies = [answer for answer in answers if isinstance(answer, Recommendation)]
    return render(
        "several.html",
        title=title_of(answers),
        answers=answers_table(answers),
        techniques=winners_table(studies),
        screens=[screen_of(answer) for answer in answers],
    )


def title_of(answers: Sequence[Answer]) -> str:
    """How many answers there are, and how many of them are which verdict."""
    parts = []
    for verdict in Verdict:
        count = sum(answer.verdict is verdict for answer in answers)
        if count:
            parts.append(f"{count} {verdict}")
    return f"{counted(len(answers), 'answer')}: {', '.join(parts)}"


def screen_of(answer: Answer) -> FirstScreen:
    """The first screen of an answer."""
    if isinstance(answer, Recommendation):
        return screen_of_study(answer)
    return screen_of_comparison(answer)


# --- what each answered ---------------------------------------------------------------------------


def answers_table(answers: Sequence[Answer]) -> PageTable:
    """A row for each answer; what is compared is the user's model, which has a column."""
    columns = [
        PageColumn("study"),
        PageColumn("verdict", "what to do, and what was shown"),
        PageColumn("compared", "the best of what was tried", is_arm=True),
        PageColumn(OWN, "mean score of the model as it is", is_number=True),
        PageColumn("gain", "of what was compared over your model; + is better", is_number=True),
        PageColumn("95 %", "the interval in which the true gain lies, 95 % sure", is_number=True),
        PageColumn("rests on", "pairs of trainings that share a seed, and rows that measured"),
    ]
    return PageTable(columns, [answer_row(answer) for answer in answers])


def answer_row(answer: Answer) -> list[str]:
    """What an answer says, by the columns of the table."""
    if isinstance(answer, Recommendation):
        name, told, other = answer.study, told_of_study(answer), arm_label(answer.gain.arm)
    else:
        about = answer.deciding
        name, told, other = answer.comparison, told_of_sides(answer, about), about.label
    shown = f" ({told.evidence})" if told.evidence is not None else ""
    own = cell(None) if told.score is None else f"{told.metric} {score_number(told, told.score)}"
    return [name, f"{told.verdict}{shown}", other, own, *gain_cells(told)]


def gain_cells(told: GainTold) -> list[str]:
    """A gain, its interval, and what both rest on; dashes where none was measured."""
    if told.mean is None:
        return [cell(None), cell(None), cell(None)]
    low, high = gain_number(told, told.low), gain_number(told, told.high)
    gain = f"{gain_number(told, told.mean)} {unit(told).split()[0]}"
    pairs = counted(told.seeds, "pair")
    return [gain.removesuffix(" in"), f"[{low}, {high}]", f"{pairs}, {told.sample}"]


# --- which techniques won where -------------------------------------------------------------------


def winners_table(studies: Sequence[Recommendation]) -> PageTable | None:
    """A row for each technique, the most successful first; None without a study."""
    if not studies:
        return None
    standings: Standings = {}
    for study in studies:
        for technique, standing in standings_in(study):
            by_standing = standings.setdefault(technique, {})
            gained = technique != OWN and standing in OF_MEASURED.values()
            by_standing.setdefault(standing, []).append(named(study, gained))
    own = standings.pop(OWN)

    # Whoever won most comes first, among equals who was measured most; the user's model is above.
    order = sorted(standings, key=lambda name: [-len(standings[name].get(s, [])) for s in Standing])
    every = {OWN: own, **{name: standings[name] for name in order}}
    seen = [each for each in Standing if any(each in found for found in every.values())]
    rows = [
        [name, *[", ".join(found[each]) if each in found else "" for each in seen]]
        for name, found in every.items()
    ]
    columns = [PageColumn("technique", is_arm=True), *[PageColumn(*each.value) for each in seen]]
    return PageTable(columns, rows, own=[0])


def standings_in(study: Recommendation) -> Iterator[tuple[str, Standing]]:
    """What became of each technique in a study, and of the user's model."""
    yield OWN, OF_OWN[study.verdict]
    measured = set((study.changed or study.gain.arm).items())
    for each in study.isolation:
        if each.slot is None:
            continue
        tried = Standing.TRIED if each.trials else Standing.UNTRIED
        is_measured = (each.slot, each.technique) in measured
        standing = OF_MEASURED[study.verdict] if is_measured else tried
        yield f"{each.slot}={each.technique}", standing
    for skip in study.skipped:
        if skip.technique != KEEP:
            yield f"{skip.slot}={skip.technique}", Standing.UNFIT


def named(study: Recommendation, gained: bool) -> str:
    """A study's name, with the gain that was measured in it."""
    if not gained:
        return study.study
    told = told_of_study(study)
    points = " points" if unit(told).startswith("points") else f" {study.metric}"
    return f"{study.study} ({gain_number(told, study.gain.mean)}{points})"
