"""A recommendation's techniques on a model in the user's hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from advisor.errors import InputError, explain
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.diff import diff
from advisor.model.writing.recipe import recipe
from advisor.slots.activation.base import Activation
from advisor.technique import Technique
from advisor.training.run import Run, apply
from advisor.work.job import techniques_in_order
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef


def apply_choices(
    ref: StudyRef, params: Mapping[str, Any], model: nn.Module, seed: int
) -> nn.Module:
    """`model` with the techniques in `params`, which see the study's training rows.

    What would be frozen for a part of the training only is trainable at once: the user's own loop
    knows of no parts. What the techniques freeze for good stays frozen.

    Arguments:
        ref: the study, whose data and plugins are loaded.
        params: one technique per slot, and every parameter by its full name.
        model: a model of the study's class; it is changed.
        seed: of what the techniques draw.
    """
    prepared = prepare(ref)
    run = prepared.run(seed, prepared.study.seed)
    # The run was made for a model of its own, whose place the user's model takes.
    run.model = model
    run.changed()
    _apply(run, techniques_in_order(prepared.host, params))
    for parameter, _ in run.later:
        parameter.requires_grad_(True)
    return run.model


def recipes_of(ref: StudyRef, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The change of activations by the techniques in `params`, as plain data."""
    return [recipe(report) for report in _swaps(prepare(ref), params)]


def diff_of(ref: StudyRef, params: Mapping[str, Any], root: str) -> str:
    """The change of activations as a unified diff of the user's files, with paths from `root`."""
    # One more model is built, to see which lines of the user's code make its activations.
    prepared = prepare(ref)
    build = partial(prepared.build, prepared.study.seed)
    return "".join(diff(report, root, build) for report in _swaps(prepared, params))


def _swaps(prepared: Prepared, params: Mapping[str, Any]) -> list[SwapReport]:
    """What the activation techniques in `params` change in a fresh model of the study."""
    run = prepared.run(0, prepared.study.seed)
    techniques = techniques_in_order(prepared.host, params)
    _apply(run, [pair for pair in techniques if isinstance(pair[0], Activation)])
    return run.swaps


def _apply(run: Run, techniques: Sequence[tuple[Technique, Mapping[str, Any]]]) -> None:
    model = type(run.model).__name__
    try:
        apply(run, techniques)
    except InputError:
        raise
    except Exception as problem:  # whatever a technique raises on a model it was not tried on
        raise InputError(
            f"The recommendation cannot be applied to this {model}: {explain(problem)}."
        ) from problem
