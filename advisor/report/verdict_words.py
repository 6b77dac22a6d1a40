"""A verdict in words, as the terminal and the page have it: what was shown, by how much, on what,
and what would tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from advisor.readable import counted, rounded
from advisor.report.study_words import gain_and_interval
from advisor.report.text import cell
from advisor.search.arm import arm_label
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Evidence, MeasuredGain, Verdict

Line = tuple[str, str]
"""The name of a number, and the number with what it means."""

OWN, OTHER = "your model", "the other arm"
"""What the two sides of a comparison are called; the other one where it has no name."""
NOTHING = "there was nothing to compare it with"
"""Why a model is kept that was alone."""
SHOWN = {
    Evidence.WORSE: "worse: {arm} is worse",
    Evidence.EQUIVALENT: "equivalent: no difference worth a change",
    Evidence.NOT_BETTER: "not better: no gain worth a change",
    Evidence.OPEN: "open: it may be worth a change, or not",
}
"""What evidence says beside a verdict; that of a change is the change itself."""


def headline(recommendation: Recommendation, verdict: str) -> str:
    """The verdict in words, and which evidence it has.

    `verdict` is the verdict as it is to be written: `KEEP`, `Keep`.
    """
    arm, shown = recommendation.gain.arm, what_was_shown(recommendation)
    why = f" ({shown})" if shown else ""
    if recommendation.verdict == Verdict.CHANGE:
        changes = [f"{slot} → {name}" for slot, name in recommendation.changed.items()]
        return f"{verdict} {', '.join(changes)}"
    if recommendation.verdict == Verdict.KEEP:
        return f"{verdict} your model as it is{why}"
    # An arm that broke too often to be measured has no gain to be named with.
    if not arm:
        return f"{verdict}; keep your model for now"
    return f"{verdict} between your model and {arm_label(arm)}{why}"


def what_was_shown(recommendation: Recommendation) -> str:
    """What the evidence says; empty for a change, and in answers of versions that had none."""
    gain, evidence = recommendation.gain, recommendation.evidence
    if evidence is None or evidence is Evidence.BETTER:
        return ""
    if not gain.arm:
        is_alone = evidence is Evidence.EQUIVALENT
        return NOTHING if is_alone else f"{evidence}: {OTHER} broke too often to be measured"
    return SHOWN[evidence].format(arm=arm_label(gain.arm))


# --- the gain -------------------------------------------------------------------------------------


def gain_and_least(recommendation: Recommendation) -> str:
    """The gain, and where a change rests on it at least how much: `+0.021, at least +0.008`."""
    gain = recommendation.gain
    width = (gain.high - gain.low) / 2
    mean = rounded(gain.mean, width, sign=True)
    # Where it is breaking that decides, the gain need not be above zero.
    if recommendation.evidence is not Evidence.BETTER or gain.least is None or gain.least <= 0:
        return mean
    return f"{mean}, at least {rounded(gain.least, width, sign=True)} ({percent(gain.level)})"


def percent(level: float) -> str:
    """A level as `99 %` or `99.2 %`."""
    return f"{100 * level:.4g} %"


def interval_and_sample(gain: MeasuredGain) -> str:
    """The 95 % interval, and what it rests on: `95 % [+0.01, +0.03], p 0.001, 20 pairs, 900 rows`.

    It is of new seeds alone where rows are not told apart, as for the epochs to a score.
    """
    _, interval = gain_and_interval(gain).split(" ", 1)
    rests = f"95 % {interval}, p {gain.p:.2g}"
    if gain.least is None:
        return f"{rests}, {counted(gain.seeds, 'fresh paired seed')}"
    rows = f"{gain.rows:,} rows" if gain.rows else "for new seeds only, not for new rows"
    return f"{rests}, {counted(gain.seeds, 'pair')}, {rows}"


def worth_a_change(recommendation: Recommendation) -> str:
    """The smallest gain worth a change."""
    return f"worth a change from {cell(recommendation.min_gain)}"


def broken_trainings(recommendation: Recommendation) -> Iterator[Line]:
    """How many trainings of both arms broke, in a line of their own; none where none did."""
    gain = recommendation.gain
    if not any(gain.broken):
        return
    own, other = gain.broken
    pairs = gain.seeds + gain.left_out
    arm = arm_label(gain.arm) if gain.arm else OTHER
    left_out = f"{gain.left_out} of {counted(pairs, 'pair')} left out"
    yield "broken", f"{counted(own, 'training')} of {OWN}, {other} of {arm}; {left_out}"


def on_test_and_rest(gain: MeasuredGain) -> str:
    """The gain on the test rows beside that on the other rows that measured; empty without one."""
    if gain.test is None:
        return ""
    text = f"{gain_and_interval(gain.test)} over {gain.test.sample} of the test"
    if gain.rest is None:
        return text
    error = gain.test.error * 2
    others = f"{gain.rows - gain.test.rows:,} other rows that measured"
    text = f"{text}; {rounded(gain.rest, error, sign=True)} over the {others}"
    return (
        f"{text}: these contradict each other (p {gain.conflict:.1g})" if gain.conflicts else text
    )


def what_would_tell(recommendation: Recommendation) -> Iterator[Line]:
    """How many pairs or rows would settle an open question, and the command that goes on."""
    gain = recommendation.gain
    if recommendation.evidence is not Evidence.OPEN or not gain.arm:
        return
    ways = []
    if gain.needed is not None:
        again = f"the same command with --seeds {gain.needed} goes on"
        ways.append(f"about {gain.needed} pairs of seeds ({again})")
    if gain.needed_rows is not None:
        ways.append(f"about {gain.needed_rows:,} rows that measure")
    yield "would tell", " or ".join(ways) or "no number of seeds or rows that one can ask for"


# --- the changes ----------------------------------------------------------------------------------


def costs_of_changes(recommendation: Recommendation) -> list[Line]:
    """What leaving out each of several changes costs, in units of the metric.

    Answers without evidence are of versions that kept another number there.
    """
    costs = recommendation.importance
    if recommendation.evidence is None or len(costs) < 2:
        return []
    error = recommendation.gain.error
    return [(slot, rounded(cost, error / 2, sign=True)) for slot, cost in costs.items()]
