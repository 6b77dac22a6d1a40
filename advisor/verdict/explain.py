"""Why: sentences that rest on this study's own numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from statistics import fmean

from advisor.diagnosis.finding import Finding
from advisor.errors import listing
from advisor.readable import counted, interval_text, mean_text, rate_text
from advisor.search.arm import Arm, arm_label, techniques_in
from advisor.search.plan import RATE
from advisor.search.trial import Trial
from advisor.technique import KEEP, Technique
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import (
    Candidate,
    are_tied,
    breakage,
    complete_pairs,
    mean_score,
    mean_seconds,
    scores_in,
)
from advisor.verdict.confirm import Evidence
from advisor.verdict.records import Alternative, SelectedGain, Verdict
from advisor.verdict.statistics import Gain, holm, paired_gain

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
    best, gain = evidence.best, evidence.gain
    if evidence.unmeasured is not None or evidence.is_less_sound:
        return [why_less_sound(evidence)]
    if best is evidence.baseline:
        broken = [
            f"{arm.label} broke on {breakage(evidence.selected[arm.label])}."
            for arm in evidence.others
        ]
        return broken or [why_nothing_was_compared(trials, duplicates)]
    if evidence.verdict == Verdict.CHANGE:
        return [*what_changes_bring(evidence, metric), *actions_of(best.arm, trials)]

    # Why the best other arm is not recommended: it is the same model, the test rows contradict its
    # gain, more seeds are needed, or the gain is too small or may be chance.
    if gain.identical:
        return [why_identical(evidence, metric)]
    if gain.low > 0 and gain.mean >= evidence.min_gain:
        return why_not_borne_out(evidence, metric)
    if evidence.verdict == Verdict.UNDECIDED:
        return why_not_proven(evidence, metric)
    return why_kept(evidence, metric)


def why_less_sound(evidence: Evidence) -> str:
    """That the best other arm breaks more often than the model as it is."""
    arm = evidence.unmeasured or evidence.best
    own, other = evidence.baseline_broke, evidence.best_broke
    return (
        f"{arm.label}, the best other arm, broke on {other}; your model as it is broke on "
        f"{own.times}. What breaks more often is not recommended, whatever it gains elsewhere."
    )


def left_out(evidence: Evidence) -> Iterator[str]:
    """Which fresh seeds the numbers of the answer leave out, where a training broke."""
    own, other = evidence.baseline_broke, evidence.best_broke
    arm = evidence.unmeasured or evidence.best
    if not own.times and not other.times:
        return
    whose = f"your model as it is broke on {own}"
    if arm is not evidence.baseline:
        whose += f", {arm.label} on {other}"
    are = "is" if evidence.left_out == 1 else "are"
    yield f"{evidence.left_out} of {own.seeds} pairs of trainings {are} left out: {whose}."


def why_nothing_was_compared(
    trials: Sequence[Trial], duplicates: Collection[tuple[str, str]]
) -> str:
    """Why there is no arm to compare the model as it is with."""
    if duplicates:
        names = listing([f"{slot} {name}" for slot, name in sorted(duplicates)])
        return (
            f"{names}: identical to your model. Each changes nothing in it, or trains to the same "
            "numbers epoch by epoch from the same seed. Nothing else was left."
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


def what_changes_bring(evidence: Evidence, metric: str) -> Iterator[str]:
    """What each change brings: the arm with it against the arm without it, on the same seeds."""
    best = evidence.best
    for slot, name in techniques_in(best.arm):
        # The seeds that measure have the baseline only; other arms are on the seeds that chose.
        rest = arm_label({**best.arm, slot: KEEP})
        results, seeds = evidence.selected, "other fresh seeds"
        without = f"without it, {rest}"
        if rest == KEEP:
            results, seeds = evidence.results, "fresh seeds"
            without = "your model as it is"
        if scores_in(results.get(rest, ())):
            yield (
                f"{slot}: {name} brings {metric} to {mean_text(scores_in(results[best.label]))}; "
                f"{without} reaches {mean_text(scores_in(results[rest]))} "
                f"({len(scores_in(results[rest]))} {seeds})"
            )


def actions_of(arm: Arm, trials: Sequence[Trial]) -> list[str]:
    """What the techniques of an arm say they changed, from the first of its trials that has it."""
    for trial in trials:
        if trial.arm == arm and trial.actions:
            return [f"{slot}: {action}" for slot, action in trial.actions.items() if action]
    return []


def why_identical(evidence: Evidence, metric: str) -> str:
    """That the best other arm scores exactly as the model as it is does."""
    return (
        f"{evidence.best.label}, the best other arm, is identical: the same {metric} as your model "
        f"on {evidence.gain.seeds} fresh seeds."
    )


def measured_gain(evidence: Evidence, metric: str) -> str:
    """`initializer=he gains +0.020 accuracy [+0.011, +0.029] over your model on 5 fresh seeds`."""
    gain = evidence.gain
    interval = interval_text(gain.mean, gain.low, gain.high, metric)
    gains = "gains" if gain.mean > 0 else "does not gain:"
    seeds = counted(gain.seeds, "fresh seed")
    return f"{evidence.best.label} {gains} {interval} over your model on {seeds}"


def why_not_borne_out(evidence: Evidence, metric: str) -> list[str]:
    """Why a gain that fresh seeds show is not recommended: the test rows contradict it."""
    on_rows = ""
    if (gain := evidence.row_gain) is not None:
        interval = interval_text(gain.mean, gain.low, gain.high)
        on_rows = f": {interval} over {gain.sample}"
    return [
        f"{measured_gain(evidence, metric)}, but the test rows, which were not used to choose, "
        f"do not confirm it{on_rows}.",
        f"The gain may be specific to the train and validation rows; only more {evidence.sampled}, "
        "not more seeds, can show it.",
    ]


def why_not_proven(evidence: Evidence, metric: str) -> list[str]:
    """Why a gain is undecided, and how many seeds would decide."""
    more = max(2 * evidence.gain.seeds, evidence.gain.needed or 0)
    return [
        f"{measured_gain(evidence, metric)}: it looks worth it and is not proven.",
        f"About {more} seeds would tell: ask again with --seeds {more}.",
    ]


def why_kept(evidence: Evidence, metric: str) -> list[str]:
    """Why the model is to be kept, and how large a gain would have been seen."""
    gain, least = evidence.gain, evidence.min_gain
    result = f"The best other arm, {measured_gain(evidence, metric)}"
    power = f"A true gain of {gain.detectable:.2g} would have been seen with 80 % probability"
    if gain.mean < least:
        return [f"{result}; a change is worth it from {least:.3g}.", f"{power}."]
    more = f"more {evidence.sampled}, not more seeds,"
    needed = f"about {gain.needed} seeds" if gain.needed else more
    return [f"{result}: that may be chance.", f"{power}; to tell, {needed} would be needed."]


# --- what was wrong with the model --------------------------------------------------------------


def explain_findings(
    findings: Sequence[Finding],
    arm: Arm,
    techniques: Sequence[Technique],
    trials: Sequence[Trial],
) -> list[str]:
    """What was wrong with the user's model that the recommended arm mends.

    A signal that collapses is followed by what it is with the change.

    Arguments:
        findings: about the user's model.
        arm: the recommended one.
        techniques: those of the arm whose plugins are loaded.
        trials: those of the search.
    """
    # A technique mends what names its slot, and the kinds of findings that it declares.
    slots = [slot for slot, _ in techniques_in(arm)]
    kinds = {kind for technique in techniques for kind in technique.mends}
    sentences = []
    for finding in findings:
        if finding.slot in slots or finding.kind in kinds:
            after = signal_after(arm, trials) if finding.kind == SIGNAL else ""
            sentences.append(f"{' and '.join(slots)}: {finding.sentence}{after}")
    return sentences[:FINDINGS_AS_REASONS]


def signal_after(arm: Arm, trials: Sequence[Trial]) -> str:
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
    few seeds; its `p` is adjusted for the number of arms (Holm). The best one is among them where
    it was not chosen because it broke.
    """
    selected = evidence.selected
    gains = selected_gains(evidence, criterion.sign, overlap)
    alternatives = []
    for other in evidence.others:
        is_measured = other is evidence.best and not evidence.is_less_sound
        if is_measured or other.label not in selected:
            continue
        results = selected[other.label]
        why_not = why_not_chosen(evidence, other, criterion)
        gain, seconds = gains.get(other.label), round(mean_seconds(results), 3)
        mean = mean_score(results) if scores_in(results) else None
        arm, params = dict(other.arm), dict(other.params)
        alternative = Alternative(arm, params, mean, other.searched, gain, seconds, why_not)
        alternatives.append(alternative)

    def rank(each: Alternative) -> float:
        """The smaller, the better; an arm without a score comes last."""
        return math.inf if each.mean is None else -criterion.sign * each.mean

    return sorted(alternatives, key=rank)


def selected_gains(evidence: Evidence, sign: float, overlap: float) -> dict[str, SelectedGain]:
    """The gain of every arm over the user's model on the seeds that chose, by label.

    Arms that broke on most of these seeds have none.
    """
    # The gains are paired by seed, as the results of all arms are in the order of the seeds.
    labels: list[str] = []
    gains: list[Gain] = []
    own = evidence.selected.get(evidence.baseline.label, ())
    for other in evidence.others:
        results = evidence.selected.get(other.label, ())
        places = complete_pairs(own, results) if results else []
        if len(places) > 1:
            before = [sign * score for score in scores_in([own[place] for place in places])]
            after = [sign * score for score in scores_in([results[place] for place in places])]
            labels.append(other.label)
            gains.append(paired_gain(before, after, overlap))

    adjusted = holm([gain.p for gain in gains])
    by_label = {}
    for label, gain, p in zip(labels, gains, adjusted, strict=True):
        by_label[label] = SelectedGain(gain.mean, gain.low, gain.high, p, gain.seeds)
    return by_label


def why_not_chosen(evidence: Evidence, other: Candidate, criterion: Criterion) -> str:
    """How an arm compares with the best one on the seeds that chose."""
    best, results = evidence.best, evidence.selected
    is_best = other is (evidence.unmeasured or best)
    broke = evidence.best_broke if is_best else breakage(results[other.label])
    if broke.times:
        return f"broke on {broke}"
    mine, tops = scores_in(results[other.label]), scores_in(results[best.label])
    comparison = (
        f"{criterion.name} {mean_text(mine)} against {mean_text(tops)} of {best.label} "
        f"on {len(results[other.label])} fresh seeds (lr {rate_text(other.params[RATE])})"
    )
    pairs = len(complete_pairs(results[best.label], results[other.label]))
    if pairs > 1 and are_tied(results, best, other, evidence.min_gain):
        return f"a tie: {comparison}{what_costs_more(other, best)}"
    is_worse = criterion.sign * (fmean(mine) - fmean(tops)) < 0
    return f"{'worse' if is_worse else 'better there'}: {comparison}"


def what_costs_more(other: Candidate, best: Candidate) -> str:
    """What an arm that ties with the best one takes more of: changes, or time before training."""
    # Of arms that tie, fewer changes are chosen first, and then less time before training.
    costs = []
    more = other.changes - best.changes
    if more > 0:
        costs.append(counted(more, "more change"))
    if other.cost_step > best.cost_step:
        costs.append("more time before training")
    return f"; {' and '.join(costs)}" if costs else ""
