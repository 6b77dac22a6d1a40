"""The recommendation, written from the evidence."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import scipy.stats
import torch
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from advisor import __version__
from advisor.search import pilot, stages
from advisor.search.arm import arm_label, techniques_in
from advisor.search.history import History
from advisor.search.plan import DECAY, RATE
from advisor.search.search import Search
from advisor.search.trial import Trial
from advisor.technique import Technique
from advisor.training.metrics import Metric
from advisor.verdict.candidates import (
    Candidate,
    FreshScore,
    gain_noise,
    mean_score,
    mean_seconds,
)
from advisor.verdict.confirm import Evidence
from advisor.verdict.explain import explain_alternatives, explain_choice, explain_findings
from advisor.verdict.recommendation import (
    ArmResult,
    BaselineResult,
    Cost,
    MeasuredGain,
    Recommendation,
    Seconds,
    Start,
    TrialCounts,
)
from advisor.verdict.single_techniques import cut_trials, importance, single_techniques
from advisor.verdict.technique_findings import diagnose_with

AT_THE_END = 0.05
"""A learning rate within this share of an end of the range that was searched is at its edge."""


def recommend(
    search: Search, evidence: Evidence, searched_seconds: float, confirmed_seconds: float
) -> Recommendation:
    """What the evidence says, with everything that a reader needs to trust it.

    The seconds are those that the search and the confirmation took.
    """
    prepared, plan, history = search.prepared, search.plan, search.history
    host, seed = prepared.host, prepared.study.seed
    criterion, trials, chosen = history.criterion, history.trials, evidence.chosen

    # What is wrong with the user's model before it is trained, also by the techniques that fit.
    loaded: dict[str, Technique] = {}
    for slot, name in plan.techniques:
        technique = host.find(slot, name)
        if technique is not None:
            loaded[f"{slot}.{name}"] = technique
    diagnosis, broken = diagnose_with(prepared.run(seed, seed), loaded.values())
    mending = [loaded[key] for key in map(".".join, techniques_in(chosen.arm)) if key in loaded]
    reasons = [
        *explain_findings(diagnosis.findings, chosen.arm, mending, trials),
        *explain_choice(evidence, criterion.name, trials, history.duplicates),
    ]

    build = getattr(prepared.study.task.build, "__name__", "")
    own = evidence.baseline
    return Recommendation(
        study=prepared.study.name,
        verdict=evidence.verdict,
        metric=criterion.name,
        direction=criterion.direction,
        choices=dict(chosen.arm),
        params=dict(chosen.params),
        epochs=plan.epochs,
        baseline=BaselineResult(
            **vars(_arm_result(own, evidence.results[own.label])),
            given=Start(dict(evidence.start.params), evidence.start.searched),
        ),
        recommended=_arm_result(chosen, evidence.results[chosen.label]),
        gain=_measured_gain(evidence, criterion.sign),
        min_gain=evidence.min_gain,
        alternatives=explain_alternatives(evidence, criterion, prepared.overlap),
        isolation=single_techniques(history, _reach_of_one_seed(evidence)),
        importance=importance(plan, trials, criterion.direction),
        costs=_costs(evidence, criterion.sign),
        pruned=cut_trials(trials),
        reasons=reasons,
        findings=list(diagnosis.findings),
        skipped=list(plan.skipped),
        trials=_trial_counts(trials),
        seconds=Seconds(round(searched_seconds, 1), round(confirmed_seconds, 1)),
        versions={"advisor": __version__, "torch": torch.__version__},
        warnings=[
            *prepared.warnings,
            *host.broken,
            *broken,
            *host.overruled,
            *_warnings(history, chosen, criterion.metric),
        ],
        apply_with=_apply_with(
            prepared.study.name, chosen, _call(build, prepared.arguments), host.built_in_slots
        ),
    )


# --- the evidence as records --------------------------------------------------------------------


def _arm_result(candidate: Candidate, results: Sequence[FreshScore]) -> ArmResult:
    tests = [result.test for result in results if result.test is not None]
    return ArmResult(
        params=dict(candidate.params),
        scores=[result.score for result in results],
        mean=mean_score(results),
        searched=candidate.searched,
        test=statistics.fmean(tests) if tests else None,
        seconds=round(mean_seconds(results), 3),
    )


def _measured_gain(evidence: Evidence, sign: float) -> MeasuredGain:
    own, other = evidence.baseline.searched, evidence.best.searched
    searched = None
    if own is not None and other is not None:
        searched = sign * (other - own)
    return MeasuredGain(
        **asdict(evidence.gain),
        arm=dict(techniques_in(evidence.best.arm)),
        searched=searched,
        test=evidence.row_gain,
    )


def _reach_of_one_seed(evidence: Evidence) -> float | None:
    """Half the 95 % interval of a gain on one seed, which is what the search has.

    It is known from the fresh seeds: from the paired differences of confirmed arms with the
    baseline. None where there are none.
    """
    noise = gain_noise(evidence.selected, evidence.baseline, evidence.others)
    if not noise.freedom:
        return None
    return float(scipy.stats.t(noise.freedom).ppf(0.975)) * noise.deviation


def _costs(evidence: Evidence, sign: float) -> list[Cost]:
    """Score and seconds of all confirmed arms, best first, on the seeds that chose among them."""
    costs = []
    for arm in sorted([evidence.baseline, *evidence.others], key=lambda arm: arm.label):
        results = evidence.selected.get(arm.label)
        if results is not None:
            seconds = round(mean_seconds(results), 3)
            costs.append(Cost(dict(arm.arm), mean_score(results), seconds))
    return sorted(costs, key=lambda cost: -sign * cost.mean)


def _trial_counts(trials: Sequence[Trial]) -> TrialCounts:
    states = Counter(trial.state for trial in trials)
    return TrialCounts(
        complete=states[TrialState.COMPLETE],
        pruned=states[TrialState.PRUNED],
        failed=states[TrialState.FAIL],
    )


# --- warnings -----------------------------------------------------------------------------------


def _warnings(history: History, chosen: Candidate, metric: Metric) -> Iterator[str]:
    """What limits the answer, one sentence each."""
    plan, trials = history.plan, history.trials

    # Techniques that were tried at fewer than two learning rates are not compared fairly.
    openers = len(plan.each_technique())
    if len(trials) < openers:
        yield (
            f"{len(trials)} trials do not reach every technique once; that takes {openers}, and a "
            f"fair comparison {2 * openers}."
        )
    elif any(count < 2 for _, count in stages.arms_by_trials(history)):
        fair = math.ceil(2 * openers / stages.FAIR_SHARE)
        yield (
            f"{len(trials)} trials leave techniques with one learning rate only; a fair comparison "
            f"takes about {fair}."
        )

    rate, space = chosen.params[RATE], stages.with_widened_rates(history).space[RATE]
    if isinstance(space, FloatDistribution):
        ends = (space.low, space.high)
        if any(abs(rate / end - 1) < AT_THE_END for end in ends):
            yield (
                f"The best learning rate, {rate:.2g}, is at the edge of the range that was "
                "searched."
            )

    for trial in history.best_of_each_arm():
        if trial.arm == chosen.arm and pilot.gains_in_second_half(metric, trial.curve, plan.epochs):
            yield (
                f"Training still improved at its end; the answer holds for about {plan.epochs} "
                "epochs. For longer trainings, give --epochs."
            )

    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    yield from sorted({f"{arm_label(trial.arm)} failed: {trial.why}" for trial in failed})


# --- how to apply it ----------------------------------------------------------------------------


def _apply_with(
    study: str, chosen: Candidate, model: str, built_in_slots: Sequence[str]
) -> list[str]:
    """Lines of Python that apply the recommendation, where `model` is a call that builds one."""
    lines = [f"model = {model}"]
    if chosen.changes:
        lines = ["import advisor", f'model = advisor.recommendation("{study}").apply({model})']
    rates = f"lr={chosen.params[RATE]:.3g}, weight_decay={chosen.params[DECAY]:.3g}"
    changed = techniques_in(chosen.arm)
    others = {slot: name for slot, name in changed if slot not in built_in_slots}
    if others:
        # A slot that advisor does not know may have changed the optimizer.
        return [*lines, f"# train with {rates} and {arm_label(others)}"]
    return [*lines, f"optimizer = torch.optim.AdamW(model.parameters(), {rates})"]


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as Python writes it, or `your_model` for what has no name, such as a lambda."""
    if not name.isidentifier():
        return "your_model"
    return f"{name}({_keywords(arguments)})"


def _keywords(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())


def _literal(value: Any) -> str:
    """A value as Python writes it; classes and functions by their name."""
    if isinstance(value, SimpleNamespace):
        return f"types.SimpleNamespace({_keywords(vars(value))})"
    return getattr(value, "__name__", None) or repr(value)
