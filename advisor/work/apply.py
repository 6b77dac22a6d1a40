"""A recommendation's techniques on a model in the user's hands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from advisor.content.difference import difference, listed
from advisor.content.study_content import Content
from advisor.errors import InputError, explain
from advisor.host.host import load
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.diff import diff
from advisor.model.writing.recipe import recipe
from advisor.randomness import preserved
from advisor.slots.activation.base import Activation
from advisor.slots.initializer.base import Initializer
from advisor.slots.initializer.plain import plain_start
from advisor.technique import Technique
from advisor.training.run import Run, apply
from advisor.work.in_order import techniques_in_order
from advisor.work.model_choice import ModelChoice, choice_in
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import Trained, measuring_seed, train_once
from advisor.work.scripts.batches import run_of
from advisor.work.scripts.named import TrainingScript
from advisor.work.study_ref import StudyRef


def apply_choices(
    ref: StudyRef,
    params: Mapping[str, Any],
    model: nn.Module,
    seed: int,
    answered: Content | None = None,
    batch: Any = None,
) -> nn.Module:
    """`model` with the techniques in `params`, which see the study's training rows.

    What would be frozen for a part of the training only is trainable at once: the user's own loop
    knows of no parts. What the techniques freeze for good stays frozen.

    Arguments:
        ref: the study, whose data and plugins are loaded.
        params: one technique per slot, and every parameter by its full name.
        model: a model of the study's class; it is changed.
        seed: of what the techniques draw.
        answered: the content of the study when it was begun, where that is known.
        batch: what the model is called with, in a study of a script; None in every other one.
    """
    script = ref.script
    if script is not None:
        return in_script(ref, script, params, model, batch, seed)
    prepared = opened(ref, answered)
    run = prepared.run(seed, prepared.study.seed)
    # The run was made for a model of its own, whose place the user's model takes.
    choice = choice_in(prepared.host, params)
    if choice is None:
        run.model = model
        run.changed()
    else:
        choice.put(run, model)
    techniques = techniques_in_order(prepared.host, params)
    _apply(run, [pair for pair in techniques if pair[0] is not choice])
    for parameter, _ in run.later:
        parameter.requires_grad_(True)
    return run.model


@dataclass(frozen=True)
class Answered:
    """How a recommendation's arm was trained, as its answer says.

    Attributes:
        batch: rows in a mini-batch; 0 for as many as the study has now.
        epochs: of a training.
        metric: by which arms were compared.
        seed: of the training; None for the first measuring seed.
        device: a torch device.
        rows: training rows of the share of the data that was trained on; None for all.
    """

    batch: int
    epochs: int
    metric: str
    seed: int | None = None
    device: str = "cpu"
    rows: int | None = None


def train_choices(
    ref: StudyRef, params: Mapping[str, Any], how: Answered, answered: Content | None = None
) -> Trained:
    """The model of a study, trained with the techniques and rates in `params`.

    `answered` is the content of the study when it was begun, where that is known.
    """
    prepared = opened(ref, answered, how.device, "trained on")
    if prepared.infers_another(how.metric):
        # A metric that was inferred by an earlier version is kept, as a resume keeps it.
        prepared = prepare(replace(ref, as_before=True), how.device)
    prepared = prepared.on_rows(how.rows)
    seed = measuring_seed(prepared.study.seed, 0) if how.seed is None else how.seed
    return train_once(prepared, params, how.batch or prepared.batch, how.epochs, seed)


def in_script(
    ref: StudyRef,
    script: TrainingScript,
    params: Mapping[str, Any],
    model: nn.Module,
    batch: Any,
    seed: int,
) -> nn.Module:
    """The model of a script with the techniques in `params`; `batch` is what it is called with.

    Raises `InputError` where there is no batch.
    """
    run = run_of(model, batch, ref.load().task, script.measure(), seed, None)
    host = load(ref.plugins, ref.without)
    with preserved():
        _apply(run, techniques_in_order(host, params))
    for parameter, _ in run.later:
        parameter.requires_grad_(True)
    return run.model


def recipes_of(
    ref: StudyRef, params: Mapping[str, Any], answered: Content | None = None
) -> list[dict[str, Any]]:
    """The change of activations by the techniques in `params`, as plain data."""
    return [recipe(report) for report in _with_activations(opened(ref, answered), params).swaps]


def diff_of(
    ref: StudyRef, params: Mapping[str, Any], root: str, answered: Content | None = None
) -> str:
    """The change of activations, and the fills of an initializer that torch has, too, as a unified
    diff of the user's files, with paths from `root`.
    """
    # One more model is built, to see which lines of the user's code make its activations.
    prepared = opened(ref, answered)
    choice = choice_in(prepared.host, params)
    seed = prepared.study.seed
    build = partial(prepared.build, seed)
    if choice is not None:
        build = partial(choice.built, prepared.run(seed, seed), seed)
    run = _with_activations(prepared, params)
    # Gains are those of the activations that are in the model by now.
    starts = [
        plain_start(run, technique, own)
        for technique, own in techniques_in_order(prepared.host, params)
        if isinstance(technique, Initializer)
    ]
    swaps: list[SwapReport | None] = [*run.swaps]
    return "".join(diff(report, root, build) for report in swaps[:-1]) + diff(
        swaps[-1] if swaps else None, root, build, starts
    )


def opened(
    ref: StudyRef, answered: Content | None, device: str = "cpu", used: str = "applied to"
) -> Prepared:
    """The study, opened; with a warning where it is not what was answered.

    Arguments:
        ref: the study.
        answered: its content when it was begun; None where that is not known.
        device: a torch device.
        used: what is done with it, for the warning.
    """
    if ref.script is not None:
        raise InputError(
            "The model of a script is made by the script alone; use .apply(model, batch) in it."
        )
    prepared = prepare(ref, device)
    if answered is not None:
        # The model's layers follow from the rest.
        found = difference(replace(answered, model={}), prepared.content)
        if found.sentences:
            warnings.warn(
                f"Study {prepared.study.name!r} has changed since it was begun: "
                f"{listed(found.sentences)}. Its recommendation is {used} what is there now.",
                stacklevel=4,  # the line that calls the method of the recommendation
            )
    return prepared


def _with_activations(prepared: Prepared, params: Mapping[str, Any]) -> Run:
    """A run of a fresh model of the study with the activation techniques in `params`."""
    run = prepared.run(0, prepared.study.seed)
    techniques = techniques_in_order(prepared.host, params)
    shown = (Activation, ModelChoice)
    _apply(run, [pair for pair in techniques if isinstance(pair[0], shown)])
    return run


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
