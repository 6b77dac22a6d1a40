"""The recommendation, written from the evidence."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import torch
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from advisor import __version__
from advisor.diagnosis import Finding, diagnose
from advisor.host.host import Host
from advisor.search.coordinator import Search, arm_label, label
from advisor.search.plan import DECAY, RATE
from advisor.search.rounds import score
from advisor.technique import KEEP
from advisor.verdict.confirm import Candidate, Evidence, Trained
from advisor.verdict.reasons import explain_alternatives, explain_choice, explain_findings
from advisor.verdict.recommendation import Recommendation

TUNED = 20
"""Trials beyond the opening from which the leading arms and the baseline have all been tried at several learning rates."""


def answer(search: Search, host: Host, evidence: Evidence, seconds: Mapping[str, float]) -> Recommendation:
    """What the evidence says, with everything that a reader needs to trust it."""
    metric, chosen, trials = search.shared.objective.metric, evidence.chosen, search.trials()
    findings = _findings(search)
    return Recommendation(
        study=search.name,
        verdict=evidence.verdict,
        metric=metric.name,
        direction=metric.direction,
        choices=dict(chosen.choices),
        params=dict(chosen.params),
        epochs=search.plan.rungs[-1],
        baseline=_arm(evidence.baseline, evidence.results[evidence.baseline.label]),
        recommended=_arm(chosen, evidence.results[chosen.label]),
        gain=_gain(evidence, search.sign),
        min_gain=evidence.min_gain,
        alternatives=explain_alternatives(evidence, metric),
        reasons=[*explain_findings(evidence, findings, trials, host), *explain_choice(evidence, metric, trials)],
        findings=[finding.to_json() for finding in findings],
        skipped=[asdict(skip) for skip in search.plan.skipped],
        trials=_counts(trials),
        seconds={key: round(value, 1) for key, value in seconds.items()},
        versions={"advisor": __version__, "torch": torch.__version__},
        warnings=[*search.shared.warnings, *host.broken, *host.overruled, *_warnings(search, chosen)],
        apply_with=_lines(search, host, chosen),
    )


def _findings(search: Search) -> Sequence[Finding]:
    """What is wrong with the user's model before it is trained."""
    seed = search.shared.study.seed
    return diagnose(search.shared.run(seed, search.shared.splits(seed))).findings


def _arm(candidate: Candidate, results: Sequence[Trained]) -> dict[str, Any]:
    tests = [r.test for r in results if r.test is not None]
    return {
        "params": dict(candidate.params),
        "scores": [r.score for r in results],
        "mean": statistics.fmean(r.score for r in results),
        "test": statistics.fmean(tests) if tests else None,
        "seconds": round(statistics.fmean(r.seconds for r in results), 3),
    }


def _gain(evidence: Evidence, sign: float) -> dict[str, Any]:
    one, other = evidence.baseline.searched, evidence.best.searched
    searched = None if one is None or other is None else sign * (other - one)
    arm = {slot: name for slot, name in evidence.best.choices.items() if name != KEEP}
    return {**asdict(evidence.gain), "arm": arm, "searched": searched}


def _counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    return {name: sum(t.state == state for t in trials) for name, state in states.items()}


def _warnings(search: Search, chosen: Candidate) -> list[str]:
    checks = (_few_trials(search), _at_the_edge(search, chosen), _still_improving(search, chosen))
    failed = [t for t in search.trials() if t.state == TrialState.FAIL]
    broken = sorted({f"{label(search.plan, t.params)} failed: {t.user_attrs.get('why', '')}" for t in failed})
    return [*(said for said in checks if said), *broken]


def _few_trials(search: Search) -> str | None:
    tried, openers = len(search.trials()), len(search.plan.alone())
    if tried < openers:
        return f"{tried} trials do not reach every technique once; that takes {openers}, and a fair comparison {openers + TUNED}."
    if tried < openers + TUNED:
        return f"{tried} trials try most arms at one learning rate only; a fair comparison takes about {openers + TUNED}."
    return None


def _at_the_edge(search: Search, chosen: Candidate) -> str | None:
    rate, space = chosen.params[RATE], search.plan.space[RATE]
    if isinstance(space, FloatDistribution) and any(abs(rate / end - 1) < 0.05 for end in (space.low, space.high)):
        return f"The best learning rate, {rate:.2g}, is at the edge of the range that was searched."
    return None


def _still_improving(search: Search, chosen: Candidate) -> str | None:
    """Whether the chosen arm's best trial still gained something worth having in its second half."""
    metric, epochs = search.shared.objective.metric, search.plan.rungs[-1]
    full = [t for t in search.trials() if t.state == TrialState.COMPLETE and label(search.plan, t.params) == chosen.label]
    if not full or epochs < 2:
        return None
    trial = max(full, key=lambda t: metric.sign * (t.value or 0.0))
    curve = search.database.curve(search.name)[trial.number]
    half = score(curve, epochs // 2)
    if metric.sign * (score(curve, epochs) - half) <= metric.worth(half):
        return None
    return f"Training still improved at its end; the answer holds for about {epochs} epochs. For longer trainings, give --epochs."


def _lines(search: Search, host: Host, chosen: Candidate) -> list[str]:
    """Python that applies the recommendation."""
    build = getattr(search.shared.study.task.build, "__name__", "")
    arguments = ", ".join(f"{key}={_written(value)}" for key, value in search.shared.arguments.items())
    model = f"{build}({arguments})" if build.isidentifier() else "your_model"
    lines = [f"model = {model}"]
    if chosen.changes:
        lines = ["import advisor", f'model = advisor.recommendation("{search.name}").apply({model})']
    rates = f"lr={chosen.params[RATE]:.3g}, weight_decay={chosen.params[DECAY]:.3g}"
    others = {slot: name for slot, name in chosen.choices.items() if name != KEEP and slot not in host.built_in_slots}
    if others:  # a slot that advisor does not know may have changed the optimizer
        return [*lines, f"# train with {rates} and {arm_label(others)}"]
    return [*lines, f"optimizer = torch.optim.AdamW(model.parameters(), {rates})"]


def _written(value: Any) -> str:
    """A value as Python writes it; classes and functions by their name."""
    if isinstance(value, SimpleNamespace):
        return f"types.SimpleNamespace({', '.join(f'{key}={_written(item)}' for key, item in vars(value).items())})"
    return getattr(value, "__name__", None) or repr(value)
