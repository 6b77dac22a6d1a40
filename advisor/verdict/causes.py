"""Whether what was found in a model is why another arm is better: the arms that were tried say it.

A finding that an arm mends may have nothing to do with what the arm gains. It is called a cause
where another technique that mends it too, alone in an arm, gains most of what the arm does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from advisor.diagnosis.finding import BOUNDS, Finding
from advisor.readable import rate_text
from advisor.search.arm import Arm, arm_label, techniques_in
from advisor.search.history import History
from advisor.search.plan import RATE
from advisor.search.trial import Trial
from advisor.technique import KEEP, Technique
from advisor.verdict.confirm import Measurement

FINDINGS_AS_REASONS = 2
"""Findings that are given as reasons; the others are among the findings."""
SIGNAL = "collapsed"
"""The kind of finding beside which the signal of the changed model is given."""
GRADIENT = "vanishing"
"""The kind of finding that the gradient of the changed model tells."""
OF_UNITS = ("dead_units", "saturated_units")
"""Kinds that end the signal in one layer; what is found of the signal behind it follows from it."""
MOST_OF_THE_GAIN = 0.5
"""The share of an arm's gain that mending a finding alone must have, so that it is the cause."""
NOT_SHOWN = "Also found, and mended; this is not shown to be why"
"""How a finding is told that is no cause as far as is known."""

Loaded = Mapping[tuple[str, str], Technique]
"""The techniques of the plan whose plugins are loaded, by slot and name."""


@dataclass(frozen=True)
class Mended:
    """A finding that the recommended arm mends, and what mending it in another way gains.

    Attributes:
        finding: about the user's model.
        by: the other arm that mends it, in words; None where none was trained to its end.
        share: the share of the recommended arm's gain that this one has.
    """

    finding: Finding
    by: str | None = None
    share: float = 0.0

    @property
    def is_cause(self) -> bool:
        """Whether mending it is most of what the recommended arm gains."""
        return self.by is not None and self.share >= MOST_OF_THE_GAIN


def explain_findings(
    findings: Sequence[Finding], evidence: Measurement, loaded: Loaded, history: History
) -> list[str]:
    """What was wrong with the user's model that the recommended arm mends, causes first.

    Of equal ones that of a layer's units comes before that of the signal, which they end. A signal
    that collapses is followed by what it is with the change.

    Arguments:
        findings: about the user's model.
        evidence: what the confirmation measured.
        loaded: techniques, by slot and name.
        history: the search.
    """
    arm = evidence.chosen.arm
    mended = [
        tested(finding, evidence, loaded, history)
        for finding in findings
        if any(mends(finding, each, loaded) for each in techniques_in(arm))
        and not still_found(finding, arm, history)
    ]
    mended.sort(key=lambda each: (not each.is_cause, each.finding.kind not in OF_UNITS))
    causes = [each.by for each in mended[:FINDINGS_AS_REASONS] if each.is_cause]

    sentences = []
    slots = " and ".join(slot for slot, _ in techniques_in(arm))
    for each in mended[:FINDINGS_AS_REASONS]:
        after = signal_after(arm, history.trials) if each.finding.kind == SIGNAL else ""
        head = f"{slots}, because" if each.is_cause else NOT_SHOWN
        sentences.append(f"{head}: {each.finding.sentence}{after} {_shown(each)}")
    if len(causes) > 1:
        sentences.append("What was tried does not tell these causes apart.")
    return sentences


def mends(finding: Finding, technique: tuple[str, str], loaded: Loaded) -> bool:
    """Whether a technique mends a finding: by its slot, or because it declares so."""
    known = loaded.get(technique)
    return technique[0] == finding.slot or (known is not None and finding.kind in known.mends)


def tested(finding: Finding, evidence: Measurement, loaded: Loaded, history: History) -> Mended:
    """A finding with the best of the other arms that mend it and do nothing else."""
    tried = []
    for arm in others_that_mend(finding, evidence, loaded, history):
        share = share_of_gain(arm, evidence, history)
        if share is not None:
            tried.append((share, arm_label(arm)))
    if not tried:
        return Mended(finding)
    share, by = max(tried)
    return Mended(finding, by, share)


def others_that_mend(
    finding: Finding, evidence: Measurement, loaded: Loaded, history: History
) -> list[Arm]:
    """The arms with one technique that mends a finding, but for the recommended one."""
    best = evidence.best
    arms = [trial.arm for trial in history.best_of_each_arm()]
    arms += [candidate.arm for candidate in evidence.others]
    singles = {
        arm_label(arm): arm
        for arm in arms
        if len(techniques_in(arm)) == 1 and arm_label(arm) != best.label
    }
    mending = [
        arm
        for arm in singles.values()
        if mends(finding, techniques_in(arm)[0], loaded) and not still_found(finding, arm, history)
    ]

    # A technique of the finding's own slot does nothing else; one of another slot may do what the
    # recommended arm does there, so that only the slots which that arm leaves alone say anything.
    own = [arm for arm in mending if techniques_in(arm)[0][0] == finding.slot]
    taken = {slot for slot, _ in techniques_in(best.arm)}
    return own or [arm for arm in mending if techniques_in(arm)[0][0] not in taken]


def still_found(finding: Finding, arm: Arm, history: History) -> bool:
    """Whether the signal of a changed model was measured, and is as bad as before.

    Where it still collapses, the units that end it were not woken either.
    """
    signals = [trial.signal for trial in history.of_arm(arm) if trial.signal]
    if finding.kind == GRADIENT:
        measured = [signal.gradient for signal in signals if signal.gradient is not None]
    elif finding.kind in (SIGNAL, *OF_UNITS):
        measured = [signal.features for signal in signals if signal.features is not None]
    else:
        return False
    kind = GRADIENT if finding.kind == GRADIENT else SIGNAL
    return bool(measured) and max(measured) < BOUNDS[kind].value


def share_of_gain(arm: Arm, evidence: Measurement, history: History) -> float | None:
    """The share of the recommended arm's gain over the baseline that another arm has.

    It is of the seeds that chose, where both were trained on them, else of the search. None where
    they say nothing.
    """
    labels = (KEEP, evidence.best.label, arm_label(arm))
    results = [evidence.selected.get(label, ()) for label in labels]
    seeds = [
        [one.score for one in each if one.score is not None] for each in zip(*results, strict=False)
    ]
    whole = [scores for scores in seeds if len(scores) == len(labels)]
    if whole:
        own, best, other = (fmean(scores) for scores in zip(*whole, strict=True))
    else:
        searched = {arm_label(each.arm): each.score for each in history.best_of_each_arm()}
        if not searched.keys() >= set(labels):
            return None
        own, best, other = (searched[label] for label in labels)
    gain = history.sign * (best - own)
    return history.sign * (other - own) / gain if gain > 0 else None


def _shown(mended: Mended) -> str:
    """What the arms that were tried say of a finding."""
    if mended.by is None:
        return "Nothing else that mends it was trained to its end."
    share = f"{100 * min(max(mended.share, 0.0), 1.0):.0f} %"
    return f"{mended.by}, which mends it and changes nothing else, has {share} of the gain."


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


def explain_rate(history: History, min_gain: float) -> Iterator[str]:
    """That the model as it is gains by its learning rate alone, where that is worth having."""
    first, best = history.trials[0], history.best_of_baseline()
    if best is None or first.arm != best.arm or first.value is None:
        return
    gained = history.sign * (best.score - first.value)
    if gained >= min_gain and best.params[RATE] != first.params[RATE]:
        yield (
            f"Your model as it is gains by its learning rate alone: {history.criterion.name} "
            f"{first.value:.4g} at {rate_text(first.params[RATE])}, {best.score:.4g} at "
            f"{rate_text(best.params[RATE])} (search, one seed). All arms were compared with it at "
            "the better one."
        )
