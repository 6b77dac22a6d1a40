"""What each technique did in the search, and which trials were cut: functions of the trials alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from advisor.search.arm import arm_label
from advisor.search.history import History
from advisor.search.plan import Plan
from advisor.search.trial import Trial
from advisor.technique import KEEP
from advisor.verdict.recommendation import CutTrial, Interval, SingleTechnique

ENOUGH = 8
"""Full trials from which the importance of slots is computed."""


def single_techniques(history: History, reach: float | None = None) -> list[SingleTechnique]:
    """The model as it is, and then each technique: what it reached alone, and what in any arm.

    Scores are of full trials, over all learning rates; None where there is none. `reach` is half
    the interval of a gain on one seed, which the search has; without it there are no gains.
    """
    plan, sign = history.plan, history.sign
    best: dict[tuple[str, str], Trial] = {}
    alone: dict[tuple[str, str], Trial] = {}
    for trial in history.best_of_each_arm():
        for technique in trial.techniques:
            best.setdefault(technique, trial)
        if len(trial.techniques) == 1:
            alone.setdefault(trial.techniques[0], trial)

    baseline = history.best_of_baseline()
    count = len(history.of_arm(plan.baseline))
    rows = [_row(plan, None, KEEP, count, baseline, baseline)]
    for slot, name in plan.techniques:
        count = history.times_asked(slot, name)
        own = alone.get((slot, name))
        gain = None
        if own is not None and baseline is not None and reach is not None:
            mean = sign * (own.score - baseline.score)
            gain = Interval(mean, mean - reach, mean + reach)
        is_duplicate = (slot, name) in history.duplicates
        top = best.get((slot, name))
        rows.append(_row(plan, slot, name, count, own, top, is_duplicate, gain))
    return rows


def _row(
    plan: Plan,
    slot: str | None,
    name: str,
    count: int,
    alone: Trial | None,
    best: Trial | None,
    identical: bool = False,
    gain: Interval | None = None,
) -> SingleTechnique:
    """One row of the table; `alone` and `best` are the technique's best trials alone and in all."""
    params = {}
    if alone is not None:
        params = {key: alone.params[key] for key in plan.parameters_of(alone.arm)}
    return SingleTechnique(
        slot=slot,
        technique=name,
        trials=count,
        alone=alone.value if alone else None,
        best=best.value if best else None,
        arm=arm_label(best.arm) if best else None,
        identical=identical,
        params=params,
        gain=gain,
    )


def importance(
    plan: Plan, trials: Sequence[Trial], direction: Literal["maximize", "minimize"]
) -> dict[str, float]:
    """How much each slot decided about being among the best trials.

    The shares sum to 1; there are none where too few trials tell. PED-ANOVA (Watanabe, Bansal &
    Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces") of the full trials.
    """
    full = [trial for trial in trials if trial.is_complete]
    slots = [slot for slot, names in plan.options.items() if len(names) > 1]
    if len(full) < ENOUGH or not slots or len({trial.value for trial in full}) == 1:
        return {}
    study = optuna.create_study(direction=direction)
    study.add_trials([_with_slots_only(trial) for trial in full])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=slots)
    if sum(shares.values()) <= 0:
        return {}
    return {slot: round(shares[slot], 4) for slot in slots}


def _with_slots_only(trial: Trial) -> FrozenTrial:
    distributions = {slot: trial.distributions[slot] for slot in trial.arm}
    return optuna.create_trial(
        value=trial.value, params=dict(trial.arm), distributions=distributions
    )


def cut_trials(trials: Sequence[Trial]) -> list[CutTrial]:
    """Every trial that was cut or failed, with the reason and the score it had by then."""
    cut = []
    for trial in trials:
        if trial.state in (TrialState.PRUNED, TrialState.FAIL):
            label = arm_label(trial.arm)
            cut.append(
                CutTrial(trial.number, label, trial.why, trial.value, trial.ended, trial.epochs)
            )
    return cut
