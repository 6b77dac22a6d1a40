"""The plan of a study of a script, and how long its trainings are: as long as the script says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.search.arm import Skip
from advisor.search.identity import ROUND
from advisor.search.only import check_asked
from advisor.search.pilot import first_job
from advisor.search.plan import RATE, Plan, add_technique
from advisor.search.ranges import distribution_of, nuisance_of, rungs_of
from advisor.technique import KEEP, Wanted
from advisor.training.ended import Ended
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.scripts.named import SCORE
from advisor.work.scripts.prepared import PreparedScript
from advisor.work.scripts.trials import ANY_EPOCHS

FALLEN = 0.7
"""A score without a name that ends below this share of its first value may be a loss."""


def plan_of_script(prepared: PreparedScript, begun: Collection[tuple[str, str]] = ()) -> Plan:
    """The plan by what each technique has said of the script's model.

    `begun` are slot and name of techniques with which the study was begun; they may be gone.
    Raises `InputError` when the study names a slot or technique that does not exist.
    """
    asked = Wanted.by(vars(prepared.study))
    check_asked(asked, prepared.host, begun)
    plan = Plan(
        options={},
        space={},
        first={},
        skipped=[],
        rungs=[max(1, prepared.epochs)],
        batch=prepared.batch,
        identity=identity_of_script(prepared),
        content=prepared.content,
    )
    for name, nuisance in nuisance_of(prepared.recipe).items():
        plan.space[name] = distribution_of(nuisance)
        plan.first[name] = nuisance.first
    add_what_fits(plan, prepared, asked)
    return plan


def add_what_fits(plan: Plan, prepared: PreparedScript, asked: Wanted) -> None:
    """Add the techniques that are asked for and fit, and why the others do not."""
    for slot, techniques in prepared.host.asked(asked).items():
        plan.options[slot] = [KEEP]
        for technique in techniques:
            why = prepared.rehearsed.skipped.get((slot, technique.name))
            if why:
                plan.skipped.append(Skip(slot, technique.name, why))
            else:
                add_technique(plan, technique)


def identity_of_script(prepared: PreparedScript) -> dict[str, Any]:
    """What makes a study of a script this study, beside the content of its code."""
    study, task, found = prepared.study, prepared.study.task, prepared.rehearsed
    asked = {} if study.round is None else {ROUND: study.round}
    return {
        "seed": study.seed,
        "epochs": study.epochs,
        "metric": prepared.criterion.name,
        "direction": prepared.criterion.direction,
        "reach": study.reach,
        "script": Path(str(task.data)).name,
        "model": f"{found.model_name} with {found.parameters:,} parameters",
        **asked,
        **Wanted.by(vars(study)).names,
        "output": task.output,
        "include": sorted(task.include) or None,
        "exclude": sorted(task.exclude) or None,
    }


def pilot_of_script(
    prepared: PreparedScript, plan: Plan, folder: Path, crew: Crew
) -> tuple[Plan, Outcome]:
    """The plan with as many epochs as the script has, and its first training, which shows that.

    Raises:
        InputError: the script does not train as long as it is asked to, or its score falls.
    """
    # As long as the script says.
    job = first_job(prepared, plan, folder)
    job = replace(job, to_epoch=ANY_EPOCHS, save=None)
    outcome, epochs = first_of_script(prepared, job, crew)
    # A script is trained in one go, and cut by the curves of earlier rounds.
    rungs = rungs_of(max(1, epochs), prepared.steps)
    return replace(plan, rungs=rungs[-1:], cut_at=rungs[:-1]), outcome


def first_of_script(prepared: PreparedScript, job: Job, crew: Crew) -> tuple[Outcome, int]:
    """The first training of a script, and how many epochs it has.

    Raises what `pilot_of_script` raises.
    """
    outcome = longer = crew.run_by_itself(job)
    if outcome.ended == Ended.NOT_FINITE and not prepared.recipe.keeps_rate:
        # It may train at a lower rate, which the search will find; else nothing can.
        lower = {**job.params, RATE: job.params[RATE] / 10}
        longer = crew.run_by_itself(replace(job, params=lower))
    if longer.ended:
        outcome.ended = Ended.FAILED
        return outcome, len(longer.curve)
    epochs = len(longer.curve)
    asked = prepared.study.epochs
    if asked is not None and asked != epochs:
        raise InputError(
            f"--epochs {asked}: the script trained for {epochs}. It must ask for the number: "
            f"for epoch in range(arm.epochs({epochs}))."
        )
    check_direction(prepared, longer)
    return outcome, epochs


def check_direction(prepared: PreparedScript, outcome: Outcome) -> None:
    """Raise `InputError` where a score without a name falls as a loss does."""
    script = prepared.ref.script
    scores = [epoch.score for epoch in outcome.curve]
    if script is None or script.metric or script.minimize or len(scores) < 2:
        return
    if scores[0] > 0 and scores[-1] < FALLEN * scores[0]:
        raise InputError(
            f"The {SCORE} that the script reports falls from {scores[0]:.4g} to {scores[-1]:.4g}. "
            "If it is a loss, give --minimize; if higher is better, give its name: --metric NAME."
        )
