"""A recommendation's techniques on a model in the user's hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from advisor.errors import InputError, explain
from advisor.model import SwapReport, diff
from advisor.slots.activation.base import Activation
from advisor.technique import Technique
from advisor.training.run import Run, apply
from advisor.work.job import Job, techniques
from advisor.work.prepare import setup
from advisor.work.study_ref import StudyRef


def apply_choices(
    question: StudyRef, params: Mapping[str, Any], model: nn.Module, seed: int
) -> nn.Module:
    """`model` with the techniques in `params`, which see the study's training rows.

    What would be frozen for a part of the training only is trainable at once: the user's own loop
    knows of no parts. What the techniques freeze for good stays frozen.
    """
    run = _run(question, seed)
    run.model = model
    run.changed()
    _apply(run, _techniques(question, params))
    for parameter, _ in run.later:
        parameter.requires_grad_(True)
    return run.model


def swaps_of(question: StudyRef, params: Mapping[str, Any]) -> list[SwapReport]:
    """What the activation techniques in `params` change in a fresh model of the study."""
    run = _run(question, 0)
    _apply(
        run,
        [
            (technique, own)
            for technique, own in _techniques(question, params)
            if isinstance(technique, Activation)
        ],
    )
    return run.swaps


def diff_of(question: StudyRef, params: Mapping[str, Any], root: str) -> str:
    """The same as a unified diff of the user's files, with paths from `root`."""
    study = setup(question)
    build = partial(study.build, study.study.seed)
    return "".join(diff(report, root, build) for report in swaps_of(question, params))


def _run(question: StudyRef, seed: int) -> Run:
    shared = setup(question)
    return shared.run(seed, shared.splits(shared.study.seed))


def _techniques(
    question: StudyRef, params: Mapping[str, Any]
) -> list[tuple[Technique, dict[str, Any]]]:
    return techniques(Job(question, params, 0, 0, 0, 0, 0))


def _apply(run: Run, chosen: Sequence[tuple[Technique, Mapping[str, Any]]]) -> None:
    name = type(run.model).__name__
    try:
        apply(run, chosen)
    except InputError:
        raise
    except Exception as problem:  # whatever a technique raises on a model it was not tried on
        raise InputError(
            f"The recommendation cannot be applied to this {name}: {explain(problem)}."
        ) from problem
