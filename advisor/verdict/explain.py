"""Why: sentences that rest on this study's own numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from advisor.diagnosis.finding import Finding
from advisor.errors import listing
from advisor.search.arm import Arm, arm_label, techniques_in
from advisor.search.plan import RATE
from advisor.search.trial import Trial
from advisor.technique import KEEP, Technique
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Candidate, are_tied, mean_score, mean_seconds
from advisor.verdict.confirm import Evidence
from advisor.verdict.recommendation import Alternative, SelectedGain, Verdict
from advisor.verdict.statistics import holm, paired_gain

FINDINGS_AS_REASONS = 2
"""Findings that are given as reasons; the others are among the findings."""
SIGNAL = "collapsed"
"""The kind of finding beside which the signal of the changed model is given."""


def explain_choice(
    evidence: Evidence,
    metric: str,
    trials: Sequence[Trial],
    duplicates: Collection[tuple[str, str]] = (),
) -> list[str]:
    """The reasons for a verdict, one sentence each.

    Arguments:
        evidence: what the confirmation measured.
        metric: what scores are called.
        trials: those of the search.
        duplicates: slot and name of techniques that compute what the user's model does already.
    """
    if evidence.best is evidence.baseline:
        return [_why_nothing_to_compare(trials, duplicates)]
    if evidence.verdict == Verdict.CHANGE:
        return [*_why_each_change(evidence, metric), *_actions(evidence.best.arm, trials)]

    best, gain, min_gain = evidence.best, evidence.gain, evidence.min_gain
    if gain.identical:
        return [
            f"{best.label}, the best other arm, is identical: the same {metric} as your model "
            f"on {gain.seeds} fresh seeds."
        ]
    interval = f"{gain.mean:+.4g} {metric} [{gain.low:+.4g}, {gain.high:+.4g}]"
    result = f"{best.label} gains {interval} over your model on {gain.seeds} fresh seeds"
    if gain.low > 0 and gain.mean >= min_gain:
        return [
            f"{result}, but the test rows, which nothing was chosen by, do not bear it out"
            f"{_gain_on_rows(evidence)}.",
            "It may be a property of the rows that were drawn from; more rows would tell, more "
            "seeds would not.",
        ]
    if evidence.verdict == Verdict.UNDECIDED:
        more = max(2 * gain.seeds, gain.needed or 0)
        return [
            f"{result}: it looks worth it and is not proven.",
            f"About {more} seeds would tell: ask again with --seeds {more}.",
        ]

    # The verdict is to keep the model: the reader learns what a larger gain would have shown.
    power = f"A true gain of {gain.detectable:.3g} would have been seen with 80 % probability"
    if gain.mean < min_gain:
        return [
            f"The best other arm, {result}; a change is worth it from {min_gain:.3g}.",
            f"{power}.",
        ]
    needed = f"about {gain.needed} seeds" if gain.needed else "more rows, not more seeds,"
    return [
        f"The best other arm, {result}: that may be chance.",
        f"{power}; to tell, {needed} would be needed.",
    ]


def _why_nothing_to_compare(
    trials: Sequence[Trial], duplicates: Collection[tuple[str, str]]
) -> str:
    """Why there is no arm to compare the model as it is with."""
    if duplicates:
        names = listing([f"{slot} {name}" for slot, name in sorted(duplicates)])
        return (
            f"{names}: identical to your model, the same numbers epoch by epoch from the same "
            "seed. Nothing else was left."
        )
    if any(trial.techniques for trial in trials):
        return (
            "No other arm was trained to its end, so your model was compared with nothing; "
            "give more --trials or --minutes."
        )
    return (
        "No technique that was asked for fits your model and data; what does not fit, and why, "
        "is listed below."
    )


def _why_each_change(evidence: Evidence, metric: str) -> list[str]:
    """What each change brings: the arm with it against the arm without it, on the same seeds."""
    best = evidence.best
    sentences = []
    for slot, name in techniques_in(best.arm):
        rest = arm_label({**best.arm, slot: KEEP})
        is_baseline = rest == KEEP
        results = evidence.results if is_baseline else evidence.selected
        if rest not in results:
            continue
        without = "your model as it is" if is_baseline else f"without it, {rest}"
        seeds = "fresh seeds" if is_baseline else "other fresh seeds"
        sentences.append(
            f"{slot}: {name} brings {metric} to {mean_score(results[best.label]):.4g}; "
            f"{without} reaches {mean_score(results[rest]):.4g} ({len(results[rest])} {seeds})"
        )
    return sentences


def _actions(arm: Arm, trials: Sequence[Trial]) -> list[str]:
    """What the techniques of an arm say they changed, from the first of its trials that has it."""
    for trial in trials:
        if trial.arm == arm and trial.actions:
            return [f"{slot}: {action}" for slot, action in trial.actions.items() if action]
    return []


def _gain_on_rows(evidence: Evidence) -> str:
    gain = evidence.row_gain
    if gain is None:
        return ""
    return f": {gain.mean:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}] over {gain.rows} rows"


def explain_findings(
    findings: Sequence[Finding],
    arm: Arm,
    techniques: Sequence[Technique],
    trials: Sequence[Trial],
) -> list[str]:
    """What was wrong with the user's model that the recommended arm mends.

    A signal that died is followed by what it is with the change.

    Arguments:
        findings: about the user's model.
        arm: the recommended one.
        techniques: those of the arm whose plugins are loaded.
        trials: those of the search.
    """
    slots = [slot for slot, _ in techniques_in(arm)]
    kinds = {kind for technique in techniques for kind in technique.mends}
    sentences = []
    for finding in findings:
        if finding.slot in slots or finding.kind in kinds:
            after = _signal_after(arm, trials) if finding.kind == SIGNAL else ""
            sentences.append(f"{' and '.join(slots)}: {finding.sentence}{after}")
    return sentences[:FINDINGS_AS_REASONS]


def _signal_after(arm: Arm, trials: Sequence[Trial]) -> str:
    """The signal of the changed model, from the first trial of the arm that measured it."""
    for trial in trials:
        signal = trial.signal
        if trial.arm != arm or signal is None:
            continue
        if signal.features is None or signal.cosine is None:
            return ""
        return f" With the change it is {signal.features:.2g} (cosine {signal.cosine:.2f})."
    return ""


# --- the arms that were not chosen --------------------------------------------------------------


def explain_alternatives(
    evidence: Evidence, criterion: Criterion, overlap: float
) -> list[Alternative]:
    """The other confirmed arms, best first, with why they were not chosen.

    They are compared on the seeds that chose the best one. `gain` is over the user's model on these
    few seeds; its `p` is adjusted for the number of arms (Holm).
    """
    selected = evidence.selected
    gains = _selected_gains(evidence, criterion.sign, overlap)
    alternatives = []
    for other in evidence.others:
        if other is evidence.best or other.label not in selected:
            continue
        results = selected[other.label]
        alternative = Alternative(
            choices=dict(other.arm),
            params=dict(other.params),
            mean=mean_score(results),
            searched=other.searched,
            gain=gains[other.label],
            seconds=round(mean_seconds(results), 3),
            why_not=_why_not(evidence, other, criterion),
        )
        alternatives.append(alternative)
    return sorted(alternatives, key=lambda each: -criterion.sign * each.mean)


def _selected_gains(evidence: Evidence, sign: float, overlap: float) -> Mapping[str, SelectedGain]:
    """The gain of every arm over the user's model on the seeds that chose, by label."""
    labels = [other.label for other in evidence.others if other.label in evidence.selected]
    scores = {}
    for label, results in evidence.selected.items():
        scores[label] = [sign * result.score for result in results]
    own = evidence.baseline.label
    gains = [paired_gain(scores[own], scores[label], overlap) for label in labels]
    adjusted = holm([gain.p for gain in gains])

    by_label = {}
    for label, gain, p in zip(labels, gains, adjusted, strict=True):
        by_label[label] = SelectedGain(gain.mean, gain.low, gain.high, p, gain.seeds)
    return by_label


def _why_not(evidence: Evidence, other: Candidate, criterion: Criterion) -> str:
    best, results = evidence.best, evidence.selected
    own, top = mean_score(results[other.label]), mean_score(results[best.label])
    comparison = (
        f"{criterion.name} {own:.4g} against {top:.4g} of {best.label} "
        f"on {len(results[other.label])} fresh seeds (lr {other.params[RATE]:.2g})"
    )
    if not are_tied(results, best, other, evidence.min_gain):
        is_worse = criterion.sign * (own - top) < 0
        return f"{'worse' if is_worse else 'better there'}: {comparison}"

    # Of arms that tie, the one with fewer changes is chosen, then the one that costs less.
    costs = []
    more = other.changes - best.changes
    if more > 0:
        costs.append(f"{more} more change{'s' if more > 1 else ''}")
    if other.cost_step > best.cost_step:
        costs.append("more time before training")
    against = f"; {' and '.join(costs)}" if costs else ""
    return f"a tie: {comparison}{against}"
