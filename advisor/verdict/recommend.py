"""The recommendation, written from the evidence."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState

from advisor import __version__
from advisor.readable import counted, rate_text
from advisor.search import decisions, pilot, stages
from advisor.search.arm import arm_label, techniques_in
from advisor.search.artefacts import told_of_artefacts
from advisor.search.history import History
from advisor.search.plan import Plan
from advisor.search.plugin_marks import plugin_notes
from advisor.search.search import Search
from advisor.search.trial import Trial
from advisor.technique import MODEL, Technique
from advisor.training.criterion import Criterion
from advisor.training.epoch import Epoch
from advisor.training.floor import MEANINGS, Floor
from advisor.training.metrics import Metric
from advisor.training.recipe import Recipe
from advisor.verdict.apply_code import apply_code
from advisor.verdict.apply_lines import apply_lines, rates_read
from advisor.verdict.candidates import (
    Candidate,
    mean_score,
    mean_seconds,
    scores_in,
)
from advisor.verdict.causes import explain_findings, explain_rate
from advisor.verdict.confirm import Measurement
from advisor.verdict.explain import (
    explain_alternatives,
    explain_choice,
    left_out,
)
from advisor.verdict.looks import told_of_look
from advisor.verdict.measuring import SCORES_ONLY, SCRIPT_SCORES_ONLY
from advisor.verdict.of_scripts import findings_of
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import (
    ArmResult,
    BaselineResult,
    Cost,
    MeasuredGain,
    Seconds,
    Start,
    TrainRows,
    TrialCounts,
)
from advisor.verdict.signals import signals_of
from advisor.verdict.single_techniques import cut_trials, single_techniques
from advisor.work.model_choice import choice_in
from advisor.work.prepare import Prepared
from advisor.work.replay import measuring_seed
from advisor.work.simple_models import simple_models

FAIR_TRIALS = 2
"""Trials, each at a learning rate of its own, that a technique needs to be compared fairly."""
NEAR_EDGE = 0.05
"""A learning rate within this share of an end of the range that was searched is at its edge.

It is a share of the rate itself; the search widens its range from farther away, by logarithms
(`decisions.EDGE`).
"""


def recommend(
    search: Search, evidence: Measurement, searched_seconds: float, confirmed_seconds: float
) -> Recommendation:
    """What the evidence says, with everything that a reader needs to trust it.

    The seconds are those that the search and the confirmation took.
    """
    prepared, plan, history = search.prepared, search.plan, search.history
    host, seed = prepared.host, prepared.study.seed
    criterion, trials, chosen = history.criterion, history.trials, evidence.chosen

    # Diagnose the untrained model. Techniques add findings, as far as their plugins are still
    # loaded.
    loaded: dict[tuple[str, str], Technique] = {}
    for slot, name in plan.techniques:
        technique = host.find(slot, name)
        if technique is not None:
            loaded[slot, name] = technique
    findings, broken, signals = findings_of(prepared, loaded)

    # What was wrong and is mended comes before what the change brings.
    reasons = [
        *explain_findings(findings, evidence, loaded, history),
        *explain_choice(evidence, criterion.name, trials, history.identical),
        *told_of_look(evidence.gain),
        *explain_rate(history, evidence.min_gain),
    ]
    # Nothing else depends on what simple models reach on the test rows.
    simple = simple_models(prepared, search.crew)
    tested, is_changed = _arm_result(evidence, chosen).test, bool(techniques_in(chosen.arm))
    rows = train_rows(prepared)
    # The first ones are seen first: what is wrong with the data or the question, then with plugins,
    # then what limits this study.
    warnings = [
        *prepared.warnings,
        *better_simple_model(simple, prepared.objective.metric, tested, is_changed),
        *host.broken,
        *broken,
        *_diagnosed_model(prepared, chosen.arm),
        *host.overruled,
        *plugin_notes(trials, plan, search.marks),
        *left_out(evidence),
        *too_few_pairs(evidence),
        *seeds_alone(evidence, criterion, prepared.ref.script is not None),
        *on_a_share(rows),
        *fights_in(chosen.arm, loaded),
        *limits(history, chosen, criterion.metric, prepared.recipe),
    ]

    return Recommendation(
        study=prepared.study.name,
        verdict=evidence.verdict,
        evidence=evidence.evidence,
        metric=criterion.name,
        direction=criterion.direction,
        choices=dict(chosen.arm),
        params=dict(chosen.params),
        epochs=plan.epochs,
        baseline=_baseline_result(evidence),
        recommended=_arm_result(evidence, chosen),
        gain=_measured_gain(evidence, criterion.sign),
        min_gain=evidence.min_gain,
        alternatives=explain_alternatives(evidence, criterion),
        isolation=single_techniques(history),
        importance=dict(evidence.importance),
        costs=_costs(evidence, criterion.sign),
        pruned=cut_trials(trials),
        reasons=reasons,
        findings=list(findings),
        skipped=list(plan.skipped),
        trials=_trial_counts(trials),
        seconds=Seconds(round(searched_seconds, 1), round(confirmed_seconds, 1)),
        versions={"advisor": __version__, "torch": torch.__version__},
        warnings=warnings,
        apply_with=apply_lines(prepared, plan, chosen),
        test_metric=prepared.objective.metric.name,
        shares=dict(prepared.facts.shares),
        floors=simple,
        signals=signals_of(prepared, signals, chosen, trials),
        batch=plan.batch,
        rates=rates_read(plan, chosen.arm),
        apply_code=_whole_code(search, evidence),
        measuring_seeds=[measuring_seed(seed, place) for place in evidence.places],
        train_rows=rows,
    )


def _whole_code(search: Search, evidence: Measurement) -> str:
    """The recommended training as a script; empty where the user's script trains by itself."""
    prepared, plan, chosen = search.prepared, search.plan, evidence.chosen
    if not prepared.has_rows:
        return ""
    seed = measuring_seed(prepared.study.seed, evidence.places[0])
    (score, *_) = scores_in(evidence.results[chosen.label])
    return apply_code(prepared, plan, chosen, rates_read(plan, chosen.arm), (seed, score))


def better_simple_model(
    simple: Sequence[Floor], metric: Metric, score: float | None, changed: bool
) -> list[str]:
    """A warning of the best simple model where it is better on the test rows than `score`, which
    the model reached as it is, or with what is recommended.
    """
    scored = [(metric.sign * floor.score, floor) for floor in simple if floor.score is not None]
    if score is None or not scored:
        return []
    best, floor = max(scored, key=lambda pair: pair[0])
    if best - metric.sign * score <= metric.worth(score):
        return []
    model = "the changed model" if changed else "your model"
    reached = f"{MEANINGS[floor.model]} {floor.score:.4g}, {model} {score:.4g}"
    return [f"A simple model does better on the test rows: {metric.name} of {reached}."]


def too_few_pairs(evidence: Measurement) -> Iterator[str]:
    """That there was time for fewer pairs than the gain needs."""
    if evidence.wanted is not None:
        yield (
            f"{evidence.wanted} pairs of seeds were wanted to measure the gain, and there was time "
            f"for {evidence.seeds + evidence.left_out}; to have them, ask with --seeds "
            f"{evidence.wanted}."
        )


def seeds_alone(evidence: Measurement, criterion: Criterion, is_script: bool) -> Iterator[str]:
    """That the interval says nothing of new rows, where scores cannot be taken apart by rows."""
    gain = None if evidence.measured is None else evidence.measured.gain
    if evidence.measured is not None and evidence.measured.scores_only:
        yield SCRIPT_SCORES_ONLY if is_script else SCORES_ONLY
    elif gain is not None and not gain.rows:
        yield (
            f"The interval of the gain is for new seeds on these rows, and not for new rows: "
            f"{criterion.name} cannot be taken apart into what each row adds to it."
        )


# --- the evidence as records --------------------------------------------------------------------


def _arm_result(evidence: Measurement, candidate: Candidate) -> ArmResult:
    """What an arm reached on the seeds that measured it."""
    results = evidence.results[candidate.label]
    # Trainings that were done together took a share of the time each: the seeds that chose were
    # trained one by one.
    timed = evidence.selected.get(candidate.label) or results
    # The test rows are scored with the first of these seeds only.
    tests = [result.test for result in results if result.test is not None]
    return ArmResult(
        params=dict(candidate.params),
        scores=scores_in(results),
        mean=mean_score(results),
        searched=candidate.searched,
        test=statistics.fmean(tests) if tests else None,
        seconds=round(mean_seconds(timed), 3),
    )


def _baseline_result(evidence: Measurement) -> BaselineResult:
    start = Start(dict(evidence.start.params), evidence.start.searched)
    return BaselineResult(**vars(_arm_result(evidence, evidence.baseline)), given=start)


def _measured_gain(evidence: Measurement, sign: float) -> MeasuredGain:
    # What the search had promised stands beside what fresh seeds gave.
    own, other = evidence.baseline.searched, evidence.best.searched
    searched = None
    if own is not None and other is not None:
        searched = sign * (other - own)
    arm = dict(techniques_in(evidence.best.arm))
    params = dict(evidence.best.params) if arm else {}
    return replace(evidence.gain, arm=arm, params=params, searched=searched)


def _costs(evidence: Measurement, sign: float) -> list[Cost]:
    """Score and seconds of all confirmed arms, best first, on the seeds that chose among them."""
    # Labels order the arms that have the same score.
    costs = []
    for arm in sorted([evidence.baseline, *evidence.others], key=lambda arm: arm.label):
        results = evidence.selected.get(arm.label)
        if results is not None and scores_in(results):
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


def train_rows(prepared: Prepared) -> TrainRows | None:
    """The share of the training rows that the time had room for; None for all."""
    every = prepared.source.every
    if prepared.rows is None or every is None:
        return None
    return TrainRows(prepared.rows, every.facts.sizes["train"])


def fights_in(
    arm: Mapping[str, str], techniques: Mapping[tuple[str, str], Technique]
) -> Iterator[str]:
    """What is to be known of techniques that are chosen beside each other, one sentence each."""
    chosen = techniques_in(arm)
    for slot, name in chosen:
        technique = techniques.get((slot, name))
        known = {} if technique is None else technique.fights
        for other_slot, other in chosen:
            said = known.get(f"{other_slot}.{other}", known.get(other_slot))
            if said and other_slot != slot:
                yield f"{slot} {name} beside {other_slot} {other}: {said}."


# --- warnings -----------------------------------------------------------------------------------


def on_a_share(rows: TrainRows | None) -> Iterator[str]:
    """That the time had room for a share of the rows."""
    if rows is not None:
        yield (
            f"The time had room for {rows}: search and confirmation trained on this share, drawn "
            "in proportion, and scored as large a share of the other rows. With all rows the gain "
            "may be another; ask again with more --minutes and another --name."
        )


def limits(history: History, chosen: Candidate, metric: Metric, recipe: Recipe) -> Iterator[str]:
    """What limits the answer, one sentence each."""
    plan, trials = history.plan, history.trials
    # Techniques that no further trial can help are left out of the count.
    fewest = min((count for _, count in stages.arms_by_trials(history)), default=FAIR_TRIALS)
    yield from too_few_trials(len(trials), len(plan.each_technique()), fewest)
    space = decisions.with_widened_rates(history).space[chosen.rate_name]
    yield from rate_at_an_end(chosen.rate, space)

    # Under a schedule the end of a training is its best part, however long it is.
    for trial in history.best_of_each_arm():
        if trial.arm == chosen.arm and recipe.schedule is None:
            yield from still_improving(metric, trial.curve, plan)

    # More of an artefact might change the places of arms that lead.
    leading = {f"{s}.{n}" for arm in stages.leaders(history) for s, n in techniques_in(arm)}
    bounds = {name: told for name, told in plan.artefacts.items() if name in leading}
    yield from filter(None, [told_of_artefacts(bounds, plan.identity.get("artefact_share", 0))])

    # A technique that fails in many trials is one sentence, where the reason is the same.
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    yield from sorted({f"{arm_label(trial.arm)} failed: {trial.why}" for trial in failed})


def too_few_trials(trials: int, openers: int, fewest: int) -> Iterator[str]:
    """Whether techniques were not tried, or at too few learning rates to be compared fairly.

    `openers` trials try each technique once; `fewest` is the number of trials of the one with the
    fewest.
    """
    if trials < openers:
        yield (
            f"{counted(trials, 'trial')} cannot try every technique once: that takes {openers}, "
            "and a fair "
            f"comparison {FAIR_TRIALS * openers}."
        )
    elif fewest < FAIR_TRIALS:
        fair = math.ceil(FAIR_TRIALS * openers / stages.FAIR_SHARE)
        yield (
            f"With {counted(trials, 'trial')} some techniques had one learning rate only; a fair "
            "comparison "
            f"takes about {fair}."
        )


def rate_at_an_end(rate: float, space: BaseDistribution) -> Iterator[str]:
    """Whether a learning rate is so near an end of its range that a better one may lie outside."""
    ends = (space.low, space.high) if isinstance(space, FloatDistribution) else ()
    if any(abs(rate / end - 1) < NEAR_EDGE for end in ends):
        edge = "at the edge of the range that was searched"
        yield f"The best learning rate, {rate_text(rate)}, is {edge}."


def still_improving(metric: Metric, curve: list[Epoch], plan: Plan) -> Iterator[str]:
    """Whether the second half of the training still brought a gain worth having."""
    if pilot.gains_in_second_half(metric, curve, plan.epochs):
        looked = ""
        if plan.looked > plan.epochs:
            looked = f" (the leading arms, alone, did not change places up to {plan.looked})"
        yield (
            f"Training still improved at its end; the answer holds for about "
            f"{counted(plan.epochs, 'epoch')}{looked}. For "
            "longer trainings, give --epochs."
        )


def _diagnosed_model(prepared: Prepared, arm: Mapping[str, str]) -> Iterator[str]:
    """Whose findings these are, where another model is recommended."""
    if choice_in(prepared.host, arm) is not None:
        first = next(iter(prepared.study.task.models))
        yield (
            f"The findings are those of {first}, with which the study begins; the model that is "
            f"recommended is {arm[MODEL]}."
        )
