"""Why: sentences that rest on this study's own numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from advisor.technique import KEEP
from advisor.training.metrics import Metric
from advisor.verdict.confirm import Candidate, Trained
from advisor.verdict.statistics import Gain

Results = Mapping[str, Sequence[Trained]]


def mean(results: Sequence[Trained]) -> float:
    """Mean score over the seeds."""
    return statistics.fmean(r.score for r in results)


def explain_choice(
    said: str,
    baseline: Candidate,
    best: Candidate,
    gain: Gain,
    min_gain: float,
    selected: Results,
    metric: Metric,
    trials: Sequence[FrozenTrial],
) -> list[str]:
    """The reasons for a verdict, one sentence each."""
    if best is baseline:
        return ["No other arm was trained to its end, so your model was compared with nothing; give more --trials or --minutes."]
    size = f"{gain.mean:+.4g} {metric.name} [{gain.low:+.4g}, {gain.high:+.4g}]"
    found = f"{best.label} gains {size} over your model on {gain.seeds} fresh seeds"
    if said == "undecided":
        more = max(gain.seeds + 1, gain.needed or 0)
        return [f"{found}: it looks worth it and is not proven.", f"About {more} seeds would tell: ask again with seeds={more}."]
    if said == "keep" and gain.mean < min_gain:
        seen = f"A true gain of {gain.detectable:.3g} would have been seen with 80 % probability."
        return [f"The best other arm, {found}; a change is worth it from {min_gain:.3g}.", seen]
    if said == "keep":
        needed = f"about {gain.needed} seeds" if gain.needed else "more rows, not more seeds,"
        return [f"The best other arm, {found}: that may be chance.", f"To tell, {needed} would be needed."]
    return [*_earned(best, selected, metric), *_did(best, trials)]


def _earned(best: Candidate, selected: Results, metric: Metric) -> list[str]:
    """What each change brings: the arm with it against the arm without it, on the same fresh seeds."""
    sentences = []
    whole = selected[best.label]
    for slot, name in best.choices.items():
        if name == KEEP:
            continue
        rest = " ".join(f"{s}={n}" for s, n in best.choices.items() if n != KEEP and s != slot) or KEEP
        if rest not in selected:
            continue
        without = "your model as it is" if rest == KEEP else f"the same without it ({rest})"
        with_it, without_it = f"{mean(whole):.4g}", f"{mean(selected[rest]):.4g}"
        sentences.append(
            f"{slot}: {name} brings {metric.name} to {with_it}; {without} reaches {without_it} ({len(whole)} fresh seeds)"
        )
    return sentences


def _did(best: Candidate, trials: Sequence[FrozenTrial]) -> list[str]:
    """What the techniques say they changed."""
    for trial in trials:
        if all(trial.params.get(slot) == name for slot, name in best.choices.items()) and trial.user_attrs.get("did"):
            return [f"{slot}: {text}" for slot, text in trial.user_attrs["did"].items() if text]
    return []


def explain_alternatives(
    chosen: Candidate, others: Sequence[Candidate], selected: Results, metric: Metric
) -> list[dict[str, Any]]:
    """The other confirmed arms, best first, with why they were not chosen."""
    top = metric.sign * mean(selected[chosen.label])
    ordered = sorted(others, key=lambda c: -metric.sign * mean(selected[c.label]))
    return [
        {
            "choices": dict(c.choices),
            "params": dict(c.params),
            "mean": mean(selected[c.label]),
            "why_not": _why_not(chosen, c, metric.sign * mean(selected[c.label]) - top, metric, len(selected[c.label])),
        }
        for c in ordered
    ]


def _why_not(chosen: Candidate, other: Candidate, difference: float, metric: Metric, seeds: int) -> str:
    against = "your model as it is" if not chosen.changes else chosen.label
    if difference < 0:
        return f"{-difference:.3g} worse in {metric.name} than {against} on {seeds} fresh seeds"
    if other.changes > chosen.changes:
        more = other.changes - chosen.changes
        return f"no clear gain over {against} ({difference:+.3g} {metric.name}) for {more} more change{'s' if more > 1 else ''}"
    return f"no clear gain over {against} ({difference:+.3g} {metric.name} on {seeds} fresh seeds)"
