"""What was measured of another model beside the user's, in one plain sentence.

A study and a comparison are told in the same words: each gives what it has as `GainTold`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from advisor.readable import counted, rounded
from advisor.report.text import cell
from advisor.verdict.records import Evidence, Verdict

SHARES = frozenset({"accuracy", "balanced_accuracy", "f1", "macro_f1", "auc"})
"""Metrics that are told in percent, and their gains in points, where every score is in 0 … 1."""
GLUE = "\N{NO-BREAK SPACE}"
"""What stands between a number and its %, so that no line ends there; it is printed as a blank."""
SURE = f"95{GLUE}% sure"
"""How sure the printed interval is."""


@dataclass(frozen=True)
class GainTold:
    """What a sentence needs to know.

    Attributes:
        do: what is to be done, as the beginning of a sentence.
        own, other: what the user's model is called, and the other one.
        verdict, evidence: of the answer; no evidence in answers of versions that had none.
        metric, direction: what scores are, and which way is better.
        scores: all that are known, of both models.
        score: of the user's model, on average; None where it has none.
        mean, low, high, least, level: the gain with its intervals; None where none was measured.
        min_gain: the smallest gain worth a change.
        seeds: pairs that count.
        rows: that measured; 0 where seeds are the only error.
        sample: those rows in words.
        broken: trainings that broke, of the one and of the other model.
        pairs: trainings of each.
        is_alone: there was no other model.
        is_identical: the other model computes the same.
        conflicts: test rows and other rows contradict each other.
        needed, needed_rows: pairs and rows that would tell.
    """

    do: str
    own: str
    other: str
    verdict: Verdict
    evidence: Evidence | None
    metric: str
    direction: str
    scores: Sequence[float | None]
    score: float | None
    mean: float | None
    low: float
    high: float
    least: float | None
    level: float
    min_gain: float
    seeds: int
    sample: str
    broken: tuple[int, int] = (0, 0)
    pairs: int = 0
    is_alone: bool = False
    is_identical: bool = False
    conflicts: bool = False
    needed: int | None = None
    needed_rows: int | None = None


class Case(Enum):
    """What was shown, as it is told."""

    BETTER = auto()
    SOUNDER = auto()
    WORSE = auto()
    LESS_SOUND = auto()
    EQUIVALENT = auto()
    IDENTICAL = auto()
    ALONE = auto()
    NOT_BETTER = auto()
    LIKELY = auto()
    OPEN = auto()
    CONTRADICTED = auto()
    UNMEASURED = auto()


BROKE = "{own} broke in {owns} of {pairs} trainings, {other} in {others}, more than chance explains"
"""How often trainings broke."""
SENTENCES = {
    Case.BETTER: "{do}: {gain}.",
    Case.SOUNDER: "{do}: " + BROKE + ". Where neither broke: {gain}.",
    Case.WORSE: "{do}: {other} is worse: {gain}.",
    Case.LESS_SOUND: "{do}: " + BROKE + ".",
    Case.EQUIVALENT: "{do}: {other} makes no difference worth a change: {gain}.",
    Case.IDENTICAL: "{do}: {other} computes the same as {own}.",
    Case.ALONE: "{do}: there was nothing to compare {own} with.",
    Case.NOT_BETTER: "{do}: {other} shows no gain that is worth a change: {gain}.",
    Case.LIKELY: "{do}: {other} looks better, but not surely enough: {gain}.",
    Case.OPEN: "{do}: {other} may be worth a change, or not, which is not known yet: {gain}.",
    Case.CONTRADICTED: "{do}: test rows and other rows contradict each other on {other}: {gain}.",
    Case.UNMEASURED: "{do}: {other} broke too often to be measured.",
}
"""What to do, why, and how sure it is: one sentence for each case."""
OF_EVIDENCE = {
    Evidence.BETTER: Case.BETTER,
    Evidence.WORSE: Case.WORSE,
    Evidence.EQUIVALENT: Case.EQUIVALENT,
    Evidence.NOT_BETTER: Case.NOT_BETTER,
    Evidence.OPEN: Case.OPEN,
}
"""The usual case of each evidence."""
OF_VERDICT = {
    Verdict.CHANGE: Case.BETTER,
    Verdict.KEEP: Case.NOT_BETTER,
    Verdict.UNDECIDED: Case.OPEN,
}
"""The case of an answer that has no evidence."""


def sentence(told: GainTold) -> str:
    """What to do, by how much, and how sure it is."""
    own, other = told.broken
    return SENTENCES[case_of(told)].format(
        do=told.do,
        own=told.own,
        other=told.other,
        gain=gain_in_words(told),
        owns=own,
        others=other,
        pairs=told.pairs,
    )


def case_of(told: GainTold) -> Case:
    """What was shown."""
    if told.is_identical:
        return Case.IDENTICAL
    if told.is_alone:
        return Case.ALONE
    if told.mean is None:
        return Case.UNMEASURED
    if told.evidence is None:
        return OF_VERDICT[told.verdict]
    # Where breaking decides, the gain may have any sign.
    usual, (own, other) = OF_EVIDENCE[told.evidence], told.broken
    if usual is Case.BETTER and own > other and told.least is not None and told.least <= 0:
        return Case.SOUNDER
    if usual is Case.WORSE and other > own and told.high >= 0:
        return Case.LESS_SOUND
    if usual is Case.OPEN and told.conflicts:
        return Case.CONTRADICTED
    # Where the printed interval is above zero, it must be said that another one decides.
    if usual is Case.OPEN and told.low > 0:
        return Case.LIKELY
    return usual


# --- numbers --------------------------------------------------------------------------------------


def is_share(metric: str, scores: Sequence[float | None]) -> bool:
    """Whether scores are shares of 1, which people read as percent."""
    known = [score for score in scores if score is not None]
    return metric in SHARES and all(0 <= score <= 1 for score in known)


def gain_in_words(told: GainTold) -> str:
    """The gain with what it rests on, all numbers to the digits that its error leaves.

    `+0.9 points of accuracy (your model: 95.1 %), at least +0.2 (99.2 % sure); 20 paired seeds, 360
    test rows`
    """
    mean, case = gain_number(told, told.mean or 0.0), case_of(told)
    if case is Case.BETTER:
        ends = ""
        if told.least is not None:
            ends = (
                f", at least {gain_number(told, told.least)} ({100 * told.level:.4g}{GLUE}% sure)"
            )
    else:
        low, high = gain_number(told, told.low), gain_number(told, told.high)
        sure = [SURE]
        if case is Case.LIKELY:
            sure.append(f"a change needs {100 * told.level:.4g}{GLUE}%")
        if case is not Case.WORSE:
            sure.append(f"worth a change from {gain_number(told, told.min_gain, exact=True)}")
        ends = f", between {low} and {high} ({'; '.join(sure)})"
    seeds = counted(told.seeds, "paired seed")
    return f"{mean} {unit(told)}{own_in_words(told)}{ends}; {seeds}, {told.sample}"


def gain_number(told: GainTold, gain: float, exact: bool = False) -> str:
    """A gain with its sign, in points where scores are shares; with all digits where `exact`."""
    times = 100.0 if is_share(told.metric, told.scores) else 1.0
    error = 0.0 if exact else times * error_of(told)
    return rounded(times * gain, error, sign=True)


def error_of(told: GainTold) -> float:
    """Half of the printed interval, to whose second digit numbers are rounded."""
    return (told.high - told.low) / 2


def unit(told: GainTold) -> str:
    """What a gain is counted in."""
    return f"points of {told.metric}" if is_share(told.metric, told.scores) else f"in {told.metric}"


def own_in_words(told: GainTold) -> str:
    """The score of the user's model, and which way is better where that is down.

    The other one is not beside it: the gain is over all rows that measured, and a score is over
    those that each seed held out.
    """
    if told.score is None:
        return ""
    lower = "" if told.direction == "maximize" else "; lower is better"
    return f" ({told.own}: {score_number(told, told.score)}{lower})"


def score_number(told: GainTold, score: float) -> str:
    """A score, in percent where scores are shares."""
    if is_share(told.metric, told.scores):
        return f"{rounded(100 * score, 100 * error_of(told))}{GLUE}%"
    return rounded(score, error_of(told))


TOO_NOISY = "nothing practical: the gain is small beside the noise of these seeds and rows"
"""What is said where no number of seeds or rows that can be asked for would tell."""


# --- what would tell ------------------------------------------------------------------------------


def next_step(told: GainTold) -> Iterator[str]:
    """What settles an open question; nothing where there is none."""
    if told.evidence is not Evidence.OPEN or told.mean is None:
        return
    ways = []
    if told.needed is not None:
        ways.append(f"your command again with --seeds {told.needed}")
    if told.needed_rows is not None:
        ways.append(f"about {told.needed_rows:,} rows to measure on")
    yield ", or ".join(ways) or TOO_NOISY


def cost_in_words(seconds: tuple[float | None, float | None], epochs: int, changes: bool) -> str:
    """How long a training takes, before and after."""
    before, after = seconds
    length = f"a training ({counted(epochs, 'epoch')})"
    if before is None or (changes and after is None):
        return "not measured"
    if not changes or after is None:
        return f"{before:.2g} s {length}, as before"
    if f"{after:.2g}" == f"{before:.2g}":
        return f"{after:.2g} s {length}, as before"
    return f"{after:.2g} s {length} instead of {before:.2g} s"


def worth_in_words(min_gain: float) -> str:
    """The smallest gain worth a change."""
    return f"worth a change from {cell(min_gain)}"
