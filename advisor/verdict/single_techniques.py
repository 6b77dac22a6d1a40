"""What each technique did in the search, and which trials were cut."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import TrialState

from advisor.search.arm import arm_label
from advisor.search.history import History
from advisor.search.trial import Trial
from advisor.technique import KEEP
from advisor.verdict.candidates import free_params
from advisor.verdict.records import CutTrial, SingleTechnique

SlotAndName = tuple[str | None, str]
"""A technique by its slot and its name."""
BASELINE: SlotAndName = (None, KEEP)
"""The model as it is, which has a row among the techniques."""


def single_techniques(history: History) -> list[SingleTechnique]:
    """The model as it is, and then each technique: what it reached alone, and what in any arm.

    Scores are of full trials, over all learning rates; None where there is none. Each is the best
    of several trials on one seed, so that it has no interval.
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

    identical = history.identical
    rows = []
    for slot, name in [BASELINE, *plan.techniques]:
        own, top = alone.get((slot, name)), best.get((slot, name))
        row = SingleTechnique(
            slot=slot,
            technique=name,
            trials=count_trials(history, slot, name),
            alone=own.score if own else None,
            best=top.score if top else None,
            arm=arm_label(top.arm) if top else None,
            identical=(slot, name) in identical,
            params=free_params(plan, own) if own else {},
        )
        rows.append(row)
    return rows


def count_trials(history: History, slot: str | None, name: str) -> int:
    """How many trials had a technique; without a slot, how many were of the model as it is."""
    if slot is None:
        return len(history.of_arm(history.plan.baseline))
    return sum((slot, name) in trial.techniques for trial in history.trials)


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
