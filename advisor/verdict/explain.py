"""Why: sentences that rest on this study's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from advisor.diagnosis import Finding
from advisor.errors import listing
from advisor.host.host import Host
from advisor.search.plan import RATE
from advisor.search.search import arm_label
from advisor.search.stages import changes, slots_of, twins
from advisor.technique import KEEP
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Candidate, dearness, mean, mean_seconds, tied
from advisor.verdict.confirm import Evidence
from advisor.verdict.statistics import holm, paired_gain

MENDED = 2
"""Findings that are given as reasons; the others are among the findings."""
SIGNAL = "collapsed"


def explain_choice(
    evidence: Evidence, metric: Criterion, trials: Sequence[FrozenTrial]
) -> list[str]:
    """The reasons for a verdict, one sentence each."""
    best, gain = evidence.best, evidence.gain
    if best is evidence.baseline and (alike := twins(trials)):
        names = listing([f"{slot} {name}" for slot, name in sorted(alike)])
        return [
            f"{names}: identical to your model, the same numbers epoch by epoch from the same seed. Nothing else was left."
        ]
    if best is evidence.baseline and not any(changes(slots_of(trial.params)) for trial in trials):
        return [
            "No technique that was asked for fits your model and data; what does not fit, and why, is listed below."
        ]
    if best is evidence.baseline:
        return [
            "No other arm was trained to its end, so your model was compared with nothing; give more --trials or --minutes."
        ]
    if evidence.verdict == "change":
        return [*_earned(evidence, metric), *_did(best, trials)]
    if gain.identical:
        return [
            f"{best.label}, the best other arm, is identical: the same {metric.name} as your model on {gain.seeds} fresh seeds."
        ]
    size = f"{gain.mean:+.4g} {metric.name} [{gain.low:+.4g}, {gain.high:+.4g}]"
    found = f"{best.label} gains {size} over your model on {gain.seeds} fresh seeds"
    if gain.low > 0 and gain.mean >= evidence.min_gain:
        return [
            f"{found}, but the test rows, which nothing was chosen by, do not bear it out{_on_rows(evidence)}.",
            "It may be a property of the rows that were drawn from; more rows would tell, more seeds would not.",
        ]
    if evidence.verdict == "undecided":
        more = max(2 * gain.seeds, gain.needed or 0)
        return [
            f"{found}: it looks worth it and is not proven.",
            f"About {more} seeds would tell: ask again with --seeds {more}.",
        ]
    if gain.mean < evidence.min_gain:
        seen = f"A true gain of {gain.detectable:.3g} would have been seen with 80 % probability."
        return [
            f"The best other arm, {found}; a change is worth it from {evidence.min_gain:.3g}.",
            seen,
        ]
    needed = f"about {gain.needed} seeds" if gain.needed else "more rows, not more seeds,"
    seen = f"A true gain of {gain.detectable:.3g} would have been seen with 80 % probability"
    return [
        f"The best other arm, {found}: that may be chance.",
        f"{seen}; to tell, {needed} would be needed.",
    ]


def _on_rows(evidence: Evidence) -> str:
    rows = evidence.rows
    return (
        f": {rows.mean:+.4g} [{rows.low:+.4g}, {rows.high:+.4g}] over {rows.rows} rows"
        if rows
        else ""
    )


def explain_findings(
    evidence: Evidence, findings: Sequence[Finding], trials: Sequence[FrozenTrial], host: Host
) -> list[str]:
    """What was wrong with the user's model that a recommended change mends, and the signal with the
    change.
    """
    changed = {
        slot: host.find(slot, name)
        for slot, name in evidence.chosen.choices.items()
        if name != KEEP
    }
    kinds = {
        kind for technique in changed.values() if technique is not None for kind in technique.mends
    }
    mended = [finding for finding in findings if finding.slot in changed or finding.kind in kinds]
    if not mended:
        return []
    trial = _trial_of(evidence.chosen, trials, "signal")
    now = trial.user_attrs["signal"] if trial else {}
    known = now.get("features") is not None and now.get("cosine") is not None
    after = (
        f"With the change it is {now['features']:.2g} (cosine {now['cosine']:.2f})."
        if known
        else ""
    )
    slots = " and ".join(slot for slot in evidence.chosen.choices if slot in changed)
    return [
        f"{slots}: {finding.sentence}" + (f" {after}" if finding.kind == SIGNAL and after else "")
        for finding in mended[:MENDED]
    ]


def _earned(evidence: Evidence, metric: Criterion) -> list[str]:
    """What each change brings: the arm with it against the arm without it, on the same fresh seeds."""
    best, sentences = evidence.best, []
    for slot, name in best.choices.items():
        rest = arm_label({**best.choices, slot: KEEP})
        results = evidence.results if rest == KEEP else evidence.selected
        if name == KEEP or rest not in results:
            continue
        without = "your model as it is" if rest == KEEP else f"without it, {rest}"
        seeds = f"{len(results[rest])} {'' if rest == KEEP else 'other '}fresh seeds"
        sentences.append(
            f"{slot}: {name} brings {metric.name} to {mean(results[best.label]):.4g}; "
            f"{without} reaches {mean(results[rest]):.4g} ({seeds})"
        )
    return sentences


def _did(best: Candidate, trials: Sequence[FrozenTrial]) -> list[str]:
    """What the techniques say they changed."""
    trial = _trial_of(best, trials, "did")
    return (
        [f"{slot}: {text}" for slot, text in trial.user_attrs["did"].items() if text]
        if trial
        else []
    )


def _trial_of(arm: Candidate, trials: Sequence[FrozenTrial], noted: str) -> FrozenTrial | None:
    """The first trial of an arm that has something noted."""
    of_arm = (
        t for t in trials if all(t.params.get(slot) == name for slot, name in arm.choices.items())
    )
    return next((trial for trial in of_arm if trial.user_attrs.get(noted)), None)


def explain_alternatives(
    evidence: Evidence, metric: Criterion, overlap: float
) -> list[dict[str, Any]]:
    """The other confirmed arms, best first, with why they were not chosen: compared on the seeds
    that chose the best one.

    `gain` is over the user's model on these few seeds; its `p` is adjusted for the number of arms
    (Holm).
    """
    selected, best = evidence.selected, evidence.best
    gains = _selected_gains(evidence, metric, overlap)
    others = [c for c in evidence.others if c is not best and c.label in selected]
    ordered = sorted(others, key=lambda c: -metric.sign * mean(selected[c.label]))
    return [
        {
            "choices": dict(c.choices),
            "params": dict(c.params),
            "mean": mean(selected[c.label]),
            "searched": c.searched,
            "gain": gains[c.label],
            "seconds": round(mean_seconds(selected[c.label]), 3),
            "why_not": _why_not(evidence, c, metric),
        }
        for c in ordered
    ]


def _selected_gains(
    evidence: Evidence, metric: Criterion, overlap: float
) -> dict[str, dict[str, Any]]:
    """The gain of every arm over the user's model on the seeds that chose, by label."""
    selected = evidence.selected
    arms = [c.label for c in evidence.others if c.label in selected]
    own = [metric.sign * r.score for r in selected[evidence.baseline.label]] if arms else []
    found = {
        arm: paired_gain(own, [metric.sign * r.score for r in selected[arm]], overlap)
        for arm in arms
    }
    adjusted = holm([gain.p for gain in found.values()])
    return {
        arm: {"mean": gain.mean, "low": gain.low, "high": gain.high, "p": p, "seeds": gain.seeds}
        for (arm, gain), p in zip(found.items(), adjusted, strict=True)
    }


def _why_not(evidence: Evidence, other: Candidate, metric: Criterion) -> str:
    best, results = evidence.best, evidence.selected
    own, top = mean(results[other.label]), mean(results[best.label])
    pair = f"{metric.name} {own:.4g} against {top:.4g} of {best.label} on {len(results[other.label])} fresh seeds"
    rate = f"lr {other.params[RATE]:.2g}"
    if not tied(results, best, other, evidence.min_gain):
        return f"{'worse' if metric.sign * (own - top) < 0 else 'better there'}: {pair} ({rate})"
    more = other.changes - best.changes
    costs = [f"{more} more change{'s' if more > 1 else ''}"] if more > 0 else []
    costs += (
        ["dearer, for what it does before training"] if dearness(other) > dearness(best) else []
    )
    return f"a tie: {pair} ({rate})" + (f"; {' and '.join(costs)}" if costs else "")
