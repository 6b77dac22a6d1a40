"""The recommendation, written from the evidence."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import scipy.stats
import torch
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from advisor import __version__
from advisor.diagnosis import Diagnosis
from advisor.host.host import Host
from advisor.search.plan import DECAY, RATE
from advisor.search.search import Search, arm_label, label
from advisor.search.stages import FAIR_SHARE, by_trials, widened
from advisor.technique import KEEP
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Candidate, Trained, mean, mean_seconds, one_seed
from advisor.verdict.confirm import Evidence
from advisor.verdict.explain import explain_alternatives, explain_choice, explain_findings
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.single_techniques import importance, isolation, pruned
from advisor.verdict.technique_findings import look


def answer(
    search: Search, host: Host, evidence: Evidence, seconds: Mapping[str, float]
) -> Recommendation:
    """What the evidence says, with everything that a reader needs to trust it."""
    metric, chosen, trials = search.shared.goal, evidence.chosen, search.trials()
    diagnosis = _diagnosis(search, host)
    findings = diagnosis.findings
    return Recommendation(
        study=search.name,
        verdict=evidence.verdict,
        metric=metric.name,
        direction=metric.direction,
        choices=dict(chosen.choices),
        params=dict(chosen.params),
        epochs=search.plan.rungs[-1],
        baseline={
            **_arm(evidence.baseline, evidence.results[evidence.baseline.label]),
            **_given(evidence),
        },
        recommended=_arm(chosen, evidence.results[chosen.label]),
        gain=_gain(evidence, search.sign),
        min_gain=evidence.min_gain,
        alternatives=explain_alternatives(evidence, metric, search.shared.overlap),
        isolation=_isolated(search, evidence),
        importance=importance(search.plan, trials, metric.direction),
        costs=_costs(evidence, search.sign),
        pruned=pruned(search.plan, trials),
        reasons=[
            *explain_findings(evidence, findings, trials, host),
            *explain_choice(evidence, metric, trials),
        ],
        findings=[finding.to_json() for finding in findings],
        skipped=[asdict(skip) for skip in search.plan.skipped],
        trials=_counts(trials),
        seconds={key: round(value, 1) for key, value in seconds.items()},
        versions={"advisor": __version__, "torch": torch.__version__},
        warnings=[
            *search.shared.warnings,
            *host.broken,
            *diagnosis.broken,
            *host.overruled,
            *_warnings(search, chosen),
        ],
        apply_with=_lines(search, host, chosen),
    )


def _diagnosis(search: Search, host: Host) -> Diagnosis:
    """What is wrong with the user's model before it is trained."""
    seed = search.shared.study.seed
    return look(search.shared.run(seed, search.shared.splits(seed)), search.plan, host)


def _arm(candidate: Candidate, results: Sequence[Trained]) -> dict[str, Any]:
    tests = [r.test for r in results if r.test is not None]
    return {
        "params": dict(candidate.params),
        "scores": [r.score for r in results],
        "mean": mean(results),
        "searched": candidate.searched,
        "test": statistics.fmean(tests) if tests else None,
        "seconds": round(mean_seconds(results), 3),
    }


def _given(evidence: Evidence) -> dict[str, Any]:
    """The user's model at the rates that the search began with."""
    given = evidence.given or evidence.baseline
    return {"given": {"params": dict(given.params), "searched": given.searched}}


def _gain(evidence: Evidence, sign: float) -> dict[str, Any]:
    one, other = evidence.baseline.searched, evidence.best.searched
    searched = None if one is None or other is None else sign * (other - one)
    arm = {slot: name for slot, name in evidence.best.choices.items() if name != KEEP}
    rows = None if evidence.rows is None else asdict(evidence.rows)
    return {**asdict(evidence.gain), "arm": arm, "searched": searched, "test": rows}


def _isolated(search: Search, evidence: Evidence) -> list[dict[str, Any]]:
    """What each technique reached alone, as a gain over the baseline's best, with the interval that
    one seed allows.

    The search saw one seed; how much one seed says is known from the fresh ones.
    """
    rows, sign = isolation(search.plan, search.trials(), search.sign), search.sign
    own, reach = rows[0]["alone"], _one_seed(evidence)
    for row in rows[1:]:
        known = row["alone"] is not None and own is not None
        gain = sign * (row["alone"] - own) if known else None
        row["gain"] = (
            None
            if gain is None or reach is None
            else {"mean": gain, "low": gain - reach, "high": gain + reach}
        )
    return rows


def _one_seed(evidence: Evidence) -> float | None:
    """Half the 95 % interval of a difference on one seed: from the paired differences of confirmed
    arms with the baseline.
    """
    spread, freedom = one_seed(evidence.selected, evidence.baseline, evidence.others)
    return float(scipy.stats.t(freedom).ppf(0.975)) * spread if freedom else None


def _costs(evidence: Evidence, sign: float) -> list[dict[str, Any]]:
    """Score and seconds of all confirmed arms, best first, on the seeds that chose among them."""
    found = evidence.selected
    arms = sorted(
        (arm for arm in (evidence.baseline, *evidence.others) if arm.label in found),
        key=lambda arm: arm.label,
    )
    rows = [
        {
            "choices": dict(arm.choices),
            "mean": mean(found[arm.label]),
            "seconds": round(mean_seconds(found[arm.label]), 3),
        }
        for arm in arms
    ]
    return sorted(rows, key=lambda row: -sign * row["mean"])


def _counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    states = {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    return {name: sum(t.state == state for t in trials) for name, state in states.items()}


def _warnings(search: Search, chosen: Candidate) -> list[str]:
    checks = (_few_trials(search), _at_the_edge(search, chosen), _still_improving(search, chosen))
    failed = [t for t in search.trials() if t.state == TrialState.FAIL]
    broken = sorted(
        {f"{label(search.plan, t.params)} failed: {t.user_attrs.get('why', '')}" for t in failed}
    )
    return [*(said for said in checks if said), *broken]


def _few_trials(search: Search) -> str | None:
    trials, openers = search.trials(), len(search.plan.alone())
    if len(trials) < openers:
        return f"{len(trials)} trials do not reach every technique once; that takes {openers}, and a fair comparison {2 * openers}."
    if any(count < 2 for _, count in by_trials(search.plan, trials, search.sign)[:1]):
        wanted = math.ceil(2 * openers / FAIR_SHARE)
        return f"{len(trials)} trials leave techniques with one learning rate only; a fair comparison takes about {wanted}."
    return None


def _at_the_edge(search: Search, chosen: Candidate) -> str | None:
    rate, space = (
        chosen.params[RATE],
        widened(search.plan, search.trials(), search.sign).space[RATE],
    )
    if isinstance(space, FloatDistribution) and any(
        abs(rate / end - 1) < 0.05 for end in (space.low, space.high)
    ):
        return f"The best learning rate, {rate:.2g}, is at the edge of the range that was searched."
    return None


def _still_improving(search: Search, chosen: Candidate) -> str | None:
    """Whether the chosen arm's best trial still gained something worth having in its second half."""
    goal, epochs = Criterion(search.shared.objective.metric), search.plan.rungs[-1]
    full = [
        t
        for t in search.trials()
        if t.state == TrialState.COMPLETE and label(search.plan, t.params) == chosen.label
    ]
    if not full or epochs < 2:
        return None
    trial = max(full, key=lambda t: search.sign * (t.value or 0.0))
    curve = search.database.curve(search.name)[trial.number]
    half = goal.score(curve, epochs // 2)
    if goal.sign * (goal.score(curve, epochs) - half) <= goal.worth(half):
        return None
    return f"Training still improved at its end; the answer holds for about {epochs} epochs. For longer trainings, give --epochs."


def _lines(search: Search, host: Host, chosen: Candidate) -> list[str]:
    """Python that applies the recommendation."""
    build = getattr(search.shared.study.task.build, "__name__", "")
    arguments = ", ".join(
        f"{key}={_written(value)}" for key, value in search.shared.arguments.items()
    )
    model = f"{build}({arguments})" if build.isidentifier() else "your_model"
    lines = [f"model = {model}"]
    if chosen.changes:
        lines = [
            "import advisor",
            f'model = advisor.recommendation("{search.name}").apply({model})',
        ]
    rates = f"lr={chosen.params[RATE]:.3g}, weight_decay={chosen.params[DECAY]:.3g}"
    others = {
        slot: name
        for slot, name in chosen.choices.items()
        if name != KEEP and slot not in host.built_in_slots
    }
    if others:  # a slot that advisor does not know may have changed the optimizer
        return [*lines, f"# train with {rates} and {arm_label(others)}"]
    return [*lines, f"optimizer = torch.optim.AdamW(model.parameters(), {rates})"]


def _written(value: Any) -> str:
    """A value as Python writes it; classes and functions by their name."""
    if isinstance(value, SimpleNamespace):
        return f"types.SimpleNamespace({', '.join(f'{key}={_written(item)}' for key, item in vars(value).items())})"
    return getattr(value, "__name__", None) or repr(value)
