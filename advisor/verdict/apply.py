"""A recommendation's techniques on a model in the user's hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from advisor.errors import InputError
from advisor.modules import explain
from advisor.search.job import Job, techniques
from advisor.search.question import Question
from advisor.search.setup import setup
from advisor.training.run import apply


def apply_choices(question: Question, params: Mapping[str, Any], model: nn.Module, seed: int) -> nn.Module:
    """`model` with the techniques in `params`, which see the study's training rows."""
    shared = setup(question)
    run = shared.run(seed, shared.splits(shared.study.seed))
    run.model = model
    run.changed()
    job = Job(question, params, seed, shared.study.seed, shared.batch, 0, 0)
    try:
        apply(run, techniques(job))
    except InputError:
        raise
    except Exception as problem:  # whatever a technique raises on a model it was not tried on
        raise InputError(f"The recommendation cannot be applied to this {type(model).__name__}: {explain(problem)}.") from problem
    return run.model
