"""What each technique did for itself: pure functions of a plan and its finished trials."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from advisor.search.plan import Plan
from advisor.search.sampler import choices_of
from advisor.search.search import arm_label
from advisor.search.stages import best_by_arm, twins
from advisor.technique import KEEP

ENOUGH = 8
"""Full trials from which the importance of slots can be told."""


def isolation(plan: Plan, trials: Sequence[FrozenTrial], sign: float) -> list[dict[str, Any]]:
    """One row for the baseline, then one for each technique of each slot: what it reached alone,
    and what in any arm.

    Keys: `slot`, `technique`, `trials` (how many had it), `alone` (the best score with all other
        slots kept), `best` (the best
    score in any arm), `arm` (that arm's label), `params` (of the best alone) and `identical` (it
    computes what the model computes already). Scores are of full trials, over all learning rates,
    None where there is none; in the baseline's row, `slot` is None.
    """
    best = best_by_arm(plan, trials, sign)
    changed = [
        (slot, name) for slot, names in plan.options.items() for name in names if name != KEEP
    ]
    return [
        _row(plan, trials, best, None, KEEP),
        *(_row(plan, trials, best, slot, name) for slot, name in changed),
    ]


def _row(
    plan: Plan,
    trials: Sequence[FrozenTrial],
    best: Sequence[tuple[dict[str, str], FrozenTrial]],
    slot: str | None,
    name: str,
) -> dict[str, Any]:
    one = {**plan.baseline, **({slot: name} if slot else {})}
    has = [
        trial
        for trial in trials
        if (trial.params[slot] == name if slot else choices_of(plan, trial.params) == one)
    ]
    alone = next((trial for arm, trial in best if arm == one), None)
    top = next((trial for arm, trial in best if (arm[slot] == name if slot else arm == one)), None)
    return {
        "slot": slot,
        "technique": name,
        "trials": len(has),
        "alone": alone.value if alone else None,
        "best": top.value if top else None,
        "arm": arm_label(choices_of(plan, top.params)) if top else None,
        "identical": (slot, name) in twins(trials),
        "params": {key: alone.params[key] for key in plan.parameters_of(one)} if alone else {},
    }


def importance(
    plan: Plan, trials: Sequence[FrozenTrial], direction: Literal["maximize", "minimize"]
) -> dict[str, float]:
    """How much each slot decided about being among the best trials; sums to 1, empty where too few
    trials tell.

    PED-ANOVA (Watanabe, Bansal & Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter
    Importance in Arbitrary Subspaces") of the full trials.
    """
    full = [
        trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    slots = [slot for slot, names in plan.options.items() if len(names) > 1]
    if len(full) < ENOUGH or not slots or len({trial.value for trial in full}) == 1:
        return {}
    study = optuna.create_study(direction=direction)
    study.add_trials([_choices_only(plan, trial) for trial in full])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=slots)
    return {slot: round(found[slot], 4) for slot in slots} if sum(found.values()) > 0 else {}


def _choices_only(plan: Plan, trial: FrozenTrial) -> FrozenTrial:
    slots = plan.options
    distributions = {slot: trial.distributions[slot] for slot in slots}
    return optuna.create_trial(
        value=trial.value,
        params={slot: trial.params[slot] for slot in slots},
        distributions=distributions,
    )


def pruned(plan: Plan, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """Every trial that was cut or failed, with the number that decided and the score it had by
    then.
    """
    cut = [trial for trial in trials if trial.state in (TrialState.PRUNED, TrialState.FAIL)]
    return [
        {
            "number": trial.number,
            "arm": arm_label(choices_of(plan, trial.params)),
            "why": trial.user_attrs.get("why", ""),
            "score": trial.value,
        }
        for trial in cut
    ]
