"""Why: sentences that rest on this study's own numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from statistics import fmean

import scipy.special

from advisor.errors import listing
from advisor.readable import counted, interval_text, mean_text, rate_text
from advisor.search.arm import Arm, arm_label, techniques_in
from advisor.search.trial import Trial
from advisor.technique import KEEP
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import (
    Candidate,
    are_tied,
    breakage,
    complete_pairs,
    gain_noise,
    mean_score,
    mean_seconds,
    paired_differences,
    scores_in,
)
from advisor.verdict.confirm import Measurement
from advisor.verdict.evidence import holm
from advisor.verdict.records import Alternative, Evidence, SelectedGain, Verdict


def explain_choice(
    evidence: Measurement,
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
    best = evidence.best
    if evidence.is_sounder:
        return [why_sounder(evidence), *actions_of(best.arm, trials)]
    if evidence.unmeasured is not None or evidence.is_less_sound:
        return [why_less_sound(evidence)]
    if best is evidence.baseline:
        broken = [
            f"{arm.label} broke on {breakage(evidence.selected[arm.label])}."
            for arm in evidence.others
        ]
        return broken or [why_nothing_was_compared(trials, duplicates)]
    if evidence.verdict == Verdict.CHANGE:
        brings = what_changes_bring(evidence, metric)
        return [*brings, *why_simpler(evidence), *actions_of(best.arm, trials)]

    # Why the best other arm is not recommended.
    if evidence.gain.identical:
        return [why_identical(evidence, metric)]
    if evidence.measured is not None and evidence.measured.contradicted:
        return why_contradicted(evidence, metric)
    if evidence.evidence is Evidence.OPEN:
        return why_open(evidence, metric)
    return why_kept(evidence, metric)


def why_sounder(evidence: Measurement) -> str:
    """That the best other arm breaks less often than the model as it is."""
    own, other = evidence.broke
    return (
        f"Your model as it is broke on {own}; {evidence.best.label} broke on {other.times}. So "
        "many in one direction are no chance (exact McNemar test)."
    )


def why_less_sound(evidence: Measurement) -> str:
    """That the best other arm breaks more often than the model as it is."""
    arm = evidence.unmeasured or evidence.best
    own, other = evidence.broke
    return (
        f"{arm.label}, the best other arm, broke on {other}; your model as it is broke on "
        f"{own.times}. What breaks more often is not recommended, whatever it gains elsewhere."
    )


def left_out(evidence: Measurement) -> Iterator[str]:
    """Which fresh seeds the numbers of the answer leave out, where a training broke."""
    own, other = evidence.broke
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


def what_changes_bring(evidence: Measurement, metric: str) -> Iterator[str]:
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


def why_simpler(evidence: Measurement) -> Iterator[str]:
    """That the arm is taken for costing less, where it ties with others on the seeds that chose."""
    best, selected = evidence.best, evidence.selected
    tied = [
        other.label
        for other in evidence.others
        if what_costs_more(other, best) and is_a_tie(evidence, other)
    ]
    if tied:
        yield (
            f"A tie on the {counted(len(selected[best.label]), 'seed')} that chose: "
            f"{listing(tied)}. The simpler one is taken."
        )


def actions_of(arm: Arm, trials: Sequence[Trial]) -> list[str]:
    """What the techniques of an arm say they changed, from the first of its trials that has it."""
    for trial in trials:
        if trial.arm == arm and trial.actions:
            return [f"{slot}: {action}" for slot, action in trial.actions.items() if action]
    return []


def why_identical(evidence: Measurement, metric: str) -> str:
    """That the best other arm scores exactly as the model as it is does."""
    return (
        f"{evidence.best.label}, the best other arm, is identical: the same {metric} as your model "
        f"on {evidence.gain.seeds} fresh seeds."
    )


def measured_gain(evidence: Measurement, metric: str) -> str:
    """`initializer=he gains +0.020 accuracy [+0.011, +0.029] over your model on 5 fresh seeds`."""
    gain = evidence.gain
    interval = interval_text(gain.mean, gain.low, gain.high, metric)
    gains = "gains" if gain.mean > 0 else "does not gain:"
    seeds = counted(gain.seeds, "fresh seed")
    return f"{evidence.best.label} {gains} {interval} over your model on {seeds}"


def why_contradicted(evidence: Measurement, metric: str) -> list[str]:
    """Why a gain is not recommended whose parts contradict each other."""
    gain = evidence.gain
    test = "" if gain.test is None else f"{gain.test.mean:+.3g} on the test rows"
    rest = "" if gain.rest is None else f"{gain.rest:+.3g} on the other rows that measured"
    return [
        f"{measured_gain(evidence, metric)}, but the rows contradict each other: {test} and "
        f"{rest} (p {gain.conflict:.1g} that both are one gain).",
        "Look whether the test rows are of the same kind as the others; more of them would tell.",
    ]


def why_open(evidence: Measurement, metric: str) -> list[str]:
    """Why a gain is undecided, and how many pairs or rows would decide."""
    gain = evidence.gain
    tells = []
    if gain.needed is not None:
        tells.append(f"about {gain.needed} pairs of seeds (ask again with --seeds {gain.needed})")
    if gain.needed_rows is not None:
        tells.append(f"about {gain.needed_rows:,} {evidence.sampled} that measure")
    would = " or ".join(tells) or f"neither seeds nor {evidence.sampled} in a number to ask for"
    return [
        f"{measured_gain(evidence, metric)}: that may be worth a change (from "
        f"{evidence.min_gain:.3g}), and may be nothing.",
        f"To tell, it takes {would}. Until then, keep your model.",
    ]


def why_kept(evidence: Measurement, metric: str) -> list[str]:
    """What of the three reasons to keep the model was shown."""
    least = f"{evidence.min_gain:.3g}"
    shown = {
        Evidence.WORSE: "it is worse.",
        Evidence.EQUIVALENT: f"no difference that is worth a change (from {least}), either way.",
        Evidence.NOT_BETTER: f"a gain that is worth a change (from {least}) is ruled out.",
    }
    result = f"The best other arm, {measured_gain(evidence, metric)}"
    return [f"{result}: {shown[evidence.evidence]}"]


# --- the arms that were not chosen --------------------------------------------------------------


def explain_alternatives(evidence: Measurement, criterion: Criterion) -> list[Alternative]:
    """The other confirmed arms, best first, with why they were not chosen.

    They are compared on the seeds that chose the best one. `gain` is over the user's model on these
    few seeds; its `p` is adjusted for the number of arms (Holm). The best one is among them where
    it was not chosen because it broke.
    """
    selected = evidence.selected
    gains = selected_gains(evidence, criterion.sign)
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


def selected_gains(evidence: Measurement, sign: float) -> dict[str, SelectedGain]:
    """The gain of every arm over the user's model on the seeds that chose, by label.

    Its deviation is pooled over arms, as few seeds show little of it. Arms that broke on these
    seeds have none.
    """
    noise = gain_noise(evidence.selected, evidence.baseline, evidence.others)
    if not noise.freedom:
        return {}
    gains: dict[str, tuple[float, float, int]] = {}
    own = evidence.selected.get(evidence.baseline.label, ())
    for other in evidence.others:
        each = paired_differences(own, evidence.selected.get(other.label, ()))
        if each:
            error = noise.deviation / math.sqrt(len(each))
            gains[other.label] = (sign * fmean(each), error, len(each))

    # No error at all makes the smallest gain sure, and no gain no difference.
    p_values = [
        2 * float(scipy.special.stdtr(noise.freedom, -abs(mean) / error))
        if error
        else float(mean == 0)
        for mean, error, _ in gains.values()
    ]
    by_label = {}
    for (label, (mean, error, seeds)), p in zip(gains.items(), holm(p_values), strict=True):
        reach = error * float(scipy.special.stdtrit(noise.freedom, 0.975))
        by_label[label] = SelectedGain(mean, mean - reach, mean + reach, p, seeds)
    return by_label


def why_not_chosen(evidence: Measurement, other: Candidate, criterion: Criterion) -> str:
    """How an arm compares with the best one on the seeds that chose."""
    best, results = evidence.best, evidence.selected
    is_best = other is (evidence.unmeasured or best)
    broke = evidence.broke[1] if is_best else breakage(results[other.label])
    if broke.times:
        return f"broke on {broke}"
    mine, tops = scores_in(results[other.label]), scores_in(results[best.label])
    comparison = (
        f"{criterion.name} {mean_text(mine)} against {mean_text(tops)} of {best.label} "
        f"on {len(results[other.label])} fresh seeds (lr {rate_text(other.rate)})"
    )
    if is_a_tie(evidence, other):
        costs = what_costs_more(other, best)
        taken = f"the simpler one is taken ({costs} here)" if costs else "the better mean is taken"
        return f"a tie; {taken}: {comparison}"
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
    return " and ".join(costs)


def is_a_tie(evidence: Measurement, other: Candidate) -> bool:
    """Whether an arm ties with the best one on the seeds that chose, on which neither broke."""
    best, results = evidence.best, evidence.selected
    mine, tops = results.get(other.label, ()), results.get(best.label, ())
    if other is best or breakage(mine).times or len(complete_pairs(tops, mine)) < 2:
        return False
    return are_tied(results, best, other, evidence.min_gain)
