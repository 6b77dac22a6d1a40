"""The first screens of a recommendation and of a comparison."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.comparing.comparison import Comparison, SideGain, SideResult
from advisor.readable import rate_text
from advisor.report import comparison_words
from advisor.report.first_screen import FirstScreen
from advisor.report.gain_words import GainTold, cost_in_words, next_step, sentence
from advisor.report.study_words import shortened_text
from advisor.report.text import cell
from advisor.report.verdict_words import headline
from advisor.search.arm import arm_label
from advisor.search.plan import DECAY, RATE
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import MeasuredGain, Verdict

DO = {
    Verdict.CHANGE: "Make this change",
    Verdict.KEEP: "Change nothing",
    Verdict.UNDECIDED: "Keep your model for now",
}
"""What is to be done after a study."""
DO_WITH_SIDES = {
    Verdict.CHANGE: "Take {other}",
    Verdict.KEEP: "Stay with {first}",
    Verdict.UNDECIDED: "Stay with {first} for now",
}
"""What is to be done after a comparison."""
OWN = "your model"
"""What the user's model is called."""
BEST = "the best of what was tried"
"""What the other model of a study is."""
LONGEST = 48
"""Letters of the name of a model in a sentence."""
OF_TRAINING = "training."
"""How the names of the settings begin that every training has."""
SEEDS_ONLY = "new seeds only, not new rows"
"""What an interval rests on where scores cannot be taken apart by rows."""


def screen_of_study(answer: Recommendation) -> FirstScreen:
    """The first screen of a recommendation."""
    told = told_of_study(answer)
    seconds = answer.baseline.seconds, answer.recommended.seconds
    is_change = answer.verdict is Verdict.CHANGE
    return FirstScreen(
        verdict=answer.verdict,
        title=f"{answer.study}: {headline(answer, answer.verdict.upper())}",
        sentence=sentence(told),
        change=change_in_words(answer),
        code=answer.lines_to_apply,
        code_by=f"{answer.show_command} --apply",
        cost=cost_in_words(seconds, answer.epochs, is_change),
        also="",
        next=" ".join(next_step(told)),
        warnings=answer.warnings,
        more=f"{answer.show_command} --why",
    )


def told_of_study(answer: Recommendation) -> GainTold:
    """What a recommendation has measured."""
    gain = answer.gain
    arm = shortened_text(arm_label(gain.arm), LONGEST) if gain.arm else "the other model"
    own = answer.baseline.mean
    own_broken, other_broken = gain.broken
    # A model that broke too often to have a gain has left its mark in the evidence alone.
    is_alone = not gain.arm and not any(gain.broken)
    return GainTold(
        do=DO[answer.verdict],
        own=OWN,
        other=f"{arm} ({BEST})" if gain.arm else arm,
        verdict=answer.verdict,
        evidence=answer.evidence,
        metric=answer.metric,
        direction=answer.direction,
        scores=[own, *answer.baseline.scores, *answer.recommended.scores],
        score=own,
        mean=gain.mean if gain.arm else None,
        low=gain.low,
        high=gain.high,
        least=gain.least,
        level=gain.level,
        min_gain=answer.min_gain,
        seeds=gain.seeds,
        sample=rows_in_words(gain),
        broken=(own_broken, other_broken),
        pairs=gain.seeds + gain.left_out,
        is_alone=is_alone,
        is_identical=bool(gain.arm) and gain.identical,
        conflicts=gain.conflicts,
        needed=gain.needed,
        needed_rows=gain.needed_rows,
    )


def rows_in_words(gain: MeasuredGain) -> str:
    """The rows that measured: `360 test rows`, or `900 rows` with those that seeds held out."""
    if not gain.rows:
        return SEEDS_ONLY
    if gain.test is None or gain.test.rows != gain.rows:
        return f"{gain.rows:,} rows"
    groups = "" if gain.test.groups is None else f" of {gain.test.groups} groups"
    return f"{gain.rows:,} test rows{groups}"


def change_in_words(answer: Recommendation) -> str:
    """What to change, and what to train with."""
    changes = [f"{slot} → {name}" for slot, name in answer.changed.items()]
    own = [
        f"{name} {cell(value)}"
        for name, value in answer.params.items()
        if not name.startswith(OF_TRAINING)
    ]
    rate, decay = answer.params.get(RATE, 0), answer.params.get(DECAY, 0)
    settings = [f"weight decay {rate_text(decay)}", *own]
    if not answer.has_other_rate:
        settings.insert(0, f"lr {rate_text(rate)}")
    what = ", ".join(changes) or "nothing"
    with_rates = "with" if changes else "its best settings:"
    return f"{what}; {with_rates} {', '.join(settings)}"


# --- a comparison ---------------------------------------------------------------------------------


def screen_of_comparison(comparison: Comparison) -> FirstScreen:
    """The first screen of a comparison, about the side that decides."""
    about, first = comparison.deciding, comparison.sides[0]
    side = side_called(comparison, about.label)
    told = told_of_sides(comparison, about)
    is_change = comparison.verdict is Verdict.CHANGE
    more = comparison_words.counted_verdicts(comparison)
    return FirstScreen(
        verdict=comparison.verdict,
        title=comparison_words.headline(comparison),
        sentence=sentence(told),
        change=f"{first.label} → {about.label}" if is_change else "nothing",
        code=[],
        code_by="",
        cost=cost_of_sides(first, side),
        also="; ".join(others_in_words(comparison, about)),
        next=" ".join(next_step(told)),
        warnings=[*([more] if more else []), *comparison.warnings],
        more=f"{comparison.show_command} --why",
    )


def others_in_words(comparison: Comparison, about: SideGain) -> Iterator[str]:
    """What is shown of each side beside the one that decides."""
    for gain in comparison.gains:
        if gain is not about:
            yield comparison_words.shown_of(comparison, gain)


def told_of_sides(comparison: Comparison, about: SideGain) -> GainTold:
    """What a comparison has measured of one side beside the first one."""
    first, side = comparison.sides[0], side_called(comparison, about.label)
    names = {"first": first.label, "other": about.label}
    own_broken, other_broken = about.broken
    return GainTold(
        do=DO_WITH_SIDES[about.verdict].format(**names),
        own=shortened_text(first.label, LONGEST),
        other=shortened_text(about.label, LONGEST),
        verdict=about.verdict,
        evidence=about.evidence,
        metric=comparison.metric,
        direction=comparison.direction,
        scores=[*first.scores, *side.scores],
        score=first.mean,
        mean=about.mean,
        low=about.low or 0.0,
        high=about.high or 0.0,
        least=about.least,
        level=about.level or 0.95,
        min_gain=comparison.min_gain,
        seeds=about.seeds,
        sample=f"{about.rows:,} rows" if about.rows else SEEDS_ONLY,
        broken=(own_broken, other_broken),
        pairs=len(first.scores),
        is_identical=about.identical is not None,
        needed=about.needed,
        needed_rows=about.needed_rows,
    )


def side_called(comparison: Comparison, label: str) -> SideResult:
    """The side of a comparison with a label."""
    return next(side for side in comparison.sides if side.label == label)


def cost_of_sides(first: SideResult, other: SideResult) -> str:
    """What the other side costs beside the first one."""
    cost = cost_in_words((first.seconds, other.seconds), other.epochs, changes=True)
    if first.parameters == other.parameters:
        return cost
    return f"{cost}; {other.parameters:,} parameters instead of {first.parameters:,}"
