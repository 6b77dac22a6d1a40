"""What makes a study this study: its settings, and its model and data in a few words."""

from __future__ import annotations

from typing import Any

from advisor.technique import Wanted
from advisor.training.loop import count_parameters
from advisor.training.run import Run
from advisor.work.prepare import Prepared

ROUND = "round"
"""Under this key stands how many trials of combinations are asked together, where that is said."""


def identity_of(prepared: Prepared, run: Run) -> dict[str, Any]:
    """What makes a study this study. The keys stand in the database and in messages."""
    study, facts = prepared.study, prepared.facts
    asked = {} if study.round is None else {ROUND: study.round}
    task = study.task
    model = type(run.model).__name__
    parameters = count_parameters(run.model)
    inputs = [list(shape) for shape in facts.inputs]
    # Names in `only`, and patterns, mean the same in any order.
    return {
        "seed": study.seed,
        "epochs": study.epochs,
        "batch": prepared.batch,
        "metric": prepared.criterion.name,
        "reach": study.reach,
        "noise": study.noise,
        "artefact_share": study.artefact_share,
        "kind": prepared.objective.kind,
        "target": prepared.source.target,
        "model": f"{model} with {parameters:,} parameters",
        "data": f"{facts.rows} rows, inputs {inputs}, {facts.outputs} outputs",
        **asked,
        **Wanted.by(vars(study)).names,
        "output": task.output,
        "include": sorted(task.include) or None,
        "exclude": sorted(task.exclude) or None,
        "vectors": task.vectors,
        "lr": task.lr,
        "weight_decay": task.weight_decay,
        "clip": task.clip,
        "models": list(task.models) or None,
        "accumulate": task.accumulate if task.accumulate > 1 else None,
        "precision": task.precision,
        **{
            name: value if isinstance(value, str) else None
            for name, value in (("optimizer", task.optimizer), ("scheduler", task.scheduler))
        },
    }
