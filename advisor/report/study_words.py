"""Words about a recommendation that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.errors import listing
from advisor.readable import counted, interval_text, rounded, standard_error
from advisor.search.arm import Skip, arm_label
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, Interval, RowGain, SingleTechnique

IDENTICAL = "identical to your model"
"""What is said of a technique that computes what the user's model does already."""
CUT_MARK = "…"
"""What stands at the end of a text that was cut."""


def gain_and_interval(gain: Interval | RowGain) -> str:
    """A gain with its 95 % interval: `+0.04 [+0.03, +0.05]`."""
    return interval_text(gain.mean, gain.low, gain.high)


def error_of_score(recommendation: Recommendation) -> float:
    """The standard error of a mean score on fresh seeds, as the user's model has it."""
    return standard_error(recommendation.baseline.scores)


def error_of_test(recommendation: Recommendation) -> float:
    """How far a score of the test rows may be off: as its gain is, else as on other rows."""
    gain = recommendation.gain.test
    return gain.error if gain is not None else error_of_score(recommendation)


def test_text(score: float | None, recommendation: Recommendation) -> str:
    """A score of the test rows to the second digit of its error; a dash for none."""
    return "–" if score is None else rounded(score, error_of_test(recommendation))


def own_score_alone(recommendation: Recommendation) -> float | None:
    """The best score of the user's model in the search; None where it has none."""
    for each in recommendation.isolation:
        if each.slot is None:
            return each.alone
    return None


def why_not_judged(recommendation: Recommendation, technique: SingleTechnique) -> str:
    """That a technique was never trained to its end alone, and where its trials were cut."""
    arm = arm_label({str(technique.slot): technique.technique})
    cut = [trial for trial in recommendation.pruned if trial.arm == arm]
    trials = counted(technique.trials, "trial")
    if not cut:
        return f"not judged ({trials}{', none of it alone' if technique.trials else ''})"
    places = dict.fromkeys(_place(trial) for trial in sorted(cut, key=lambda each: each.epochs))
    return f"not judged ({trials}, alone cut {listing(list(places))})"


def _place(trial: CutTrial) -> str:
    """Where a trial ended."""
    return f"after {counted(trial.epochs, 'epoch')}" if trial.epochs else "before training"


def metric_of_test_rows(recommendation: Recommendation) -> str:
    """The metric that test rows are scored by, where arms are compared by another one.

    Arms may be compared by the number of epochs to an accuracy; then it is `accuracy`. It is empty
    where both metrics are the same, and for an answer of version 0.1, which kept only one of them.
    """
    metric = recommendation.test_metric
    return "" if metric == recommendation.metric else metric


def group_skips(skips: Iterable[Skip]) -> list[tuple[str, str, str]]:
    """Slot, techniques and why they are not applicable, those together that share the reason."""
    # Sorted first, so that the groups are in the order of their slots.
    in_order = sorted(skips, key=lambda skip: (skip.slot, skip.why))
    groups: dict[tuple[str, str], list[str]] = {}
    for skip in in_order:
        names = groups.setdefault((skip.slot, skip.why), [])
        names.append(skip.technique)

    rows = []
    for (slot, why), names in groups.items():
        techniques = ", ".join(names)
        rows.append((slot, techniques, why))
    return rows


def arm_name(arm: str) -> str:
    """An arm in words as a reader calls it."""
    return "your model" if arm == KEEP else arm


def shortened_text(text: str, most: int) -> str:
    """A text of at most so many letters, with a mark where it was cut."""
    if len(text) <= most:
        return text
    kept = text[: most - len(CUT_MARK)]
    return kept + CUT_MARK
