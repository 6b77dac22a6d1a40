"""What each technique did in the search, and which trials were cut."""

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
from advisor.verdict.candidates import free_params
from advisor.verdict.records import CutTrial, Interval, SingleTechnique

ENOUGH = 8
"""Full trials from which the importance of slots is computed."""

SlotAndName = tuple[str | None, str]
"""A technique by its slot and its name."""
BASELINE: SlotAndName = (None, KEEP)
"""The model as it is, which has a row among the techniques."""


def single_techniques(history: History, reach: float | None = None) -> list[SingleTechnique]:
    """The model as it is, and then each technique: what it reached alone, and what in any arm.

    Scores are of full trials, over all learning rates; None where there is none. `reach` is half
    the interval of a gain on one seed, which is what the search has; without it there are no gains.
    """
    plan = history.plan

    # Arms come best first, so the first one with a technique is the best one with it.
    best: dict[SlotAndName, Trial] = {}
    alone: dict[SlotAndName, Trial] = {}
    for trial in history.best_of_each_arm():
        techniques: list[SlotAndName] = [*trial.techniques] or [BASELINE]
        for technique in techniques:
            best.setdefault(technique, trial)
        if len(techniques) == 1:
            alone.setdefault(techniques[0], trial)

    baseline, identical = history.best_of_baseline(), history.identical
    rows = []
    for slot, name in [BASELINE, *plan.techniques]:
        own, top = alone.get((slot, name)), best.get((slot, name))
        # The model as it is gains nothing over itself.
        gain = None
        if slot is not None and own is not None and baseline is not None and reach is not None:
            mean = history.sign * (own.score - baseline.score)
            gain = Interval(mean, mean - reach, mean + reach)
        row = SingleTechnique(
            slot=slot,
            technique=name,
            trials=count_trials(history, slot, name),
            alone=own.score if own else None,
            best=top.score if top else None,
            arm=arm_label(top.arm) if top else None,
            identical=(slot, name) in identical,
            params=free_params(plan, own) if own else {},
            gain=gain,
        )
        rows.append(row)
    return rows


def count_trials(history: History, slot: str | None, name: str) -> int:
    """How many trials had a technique; without a slot, how many were of the model as it is."""
    if slot is None:
        return len(history.of_arm(history.plan.baseline))
    return sum((slot, name) in trial.techniques for trial in history.trials)


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
    scores = {trial.value for trial in full}
    if len(full) < ENOUGH or not slots or len(scores) == 1:
        return {}

    study = optuna.create_study(direction=direction)
    study.add_trials([with_slots_only(trial) for trial in full])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=slots)
    if sum(shares.values()) <= 0:
        return {}
    return {slot: round(shares[slot], 4) for slot in slots}


def with_slots_only(trial: Trial) -> FrozenTrial:
    """The trial for Optuna, with the parameters that all trials have: the slots."""
    distributions = {slot: trial.distributions[slot] for slot in trial.arm}
    return optuna.create_trial(
        value=trial.value, params=dict(trial.arm), distributions=distributions
    )


def cut_trials(trials: Sequence[Trial]) -> list[CutTrial]:
    """Every trial that was cut or failed, with the reason and the score it had by then."""
    cut = []
    for trial in trials:
        if trial.state in (TrialState.PRUNED, TrialState.FAIL):
            row = CutTrial(
                number=trial.number,
                arm=arm_label(trial.arm),
                why=trial.why,
                score=trial.value,
                ended=trial.ended,
                epochs=trial.epochs,
            )
            cut.append(row)
    return cut
