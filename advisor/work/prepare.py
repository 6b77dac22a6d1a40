"""A study, opened: data read, model looked at, objective inferred, plugins loaded."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advisor.content.files_read import FilesRead, files_read
from advisor.content.study_content import Content, ContentDigest
from advisor.data.facts import Facts
from advisor.data.notes import Notes, told_beside_errors
from advisor.data.source import Source, open_source
from advisor.data.splits import Part, Splits
from advisor.errors import InputError
from advisor.host.host import Host, load
from advisor.loading.model import build_model, inferred_arguments
from advisor.loading.references import Reference
from advisor.model.tracing.trace import trace
from advisor.randomness import isolated, mix
from advisor.study import Study, Task
from advisor.training.columns import in_columns
from advisor.training.criterion import Criterion
from advisor.training.first_values import check_loss, check_metric, check_parameters
from advisor.training.groups import groups_of
from advisor.training.noise import noisy
from advisor.training.objective import Objective, infer, to_device
from advisor.training.own_loop import OwnLoop
from advisor.training.recipe import Recipe, optimizer_steps, recipe_of
from advisor.training.run import EXAMPLE_ROWS, Data, Run
from advisor.work.building import arguments_for, fresh_model
from advisor.work.content import content_of, digests_of_files
from advisor.work.loaded import loaded_names
from advisor.work.model_choice import notes_on_models, with_models
from advisor.work.own_training import own_training
from advisor.work.padding import note_on_padding, with_padding_for
from advisor.work.shapes import Shapes, shapes_of
from advisor.work.study_ref import StudyRef
from advisor.work.task_facts import (
    batch_for,
    check_patterns,
    epochs_for,
    notes_on,
    output_of,
    usable_device,
)

METRIC_ROWS = 1024
"""Training rows on which a metric is tried that fails on a small batch."""


@dataclass(frozen=True)
class Prepared:
    """What every run of a study shares. A process makes it once, with `prepare`, and hands it down.

    Attributes:
        ref: where the study comes from.
        study: the study.
        host: the plugins.
        source: the data.
        objective: loss and metric.
        recipe: how all arms are trained.
        arguments: what the model's constructor is called with.
        epochs: of a full training: the user's number, or a first one that the pilot may raise.
        batch: rows in a mini-batch.
        shapes: how the model is best computed.
        device: where models are trained.
        notes: what was understood and done, one sentence each.
        warnings: what the user should know, one sentence each.
        content: what identifies the study.
        loop: the user's own training loop; None where the recipe trains.
        read: the data as they were read, before the model said how many words there may be.
        opening_id: a name for this opening of the study, which its jobs carry.
        rows: training rows of a share of the data on which all is done; None for all.
    """

    ref: StudyRef
    study: Study
    host: Host
    source: Source
    objective: Objective
    recipe: Recipe
    arguments: Mapping[str, Any]
    epochs: int
    batch: int
    device: torch.device
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    content: Content
    read: Source = field(repr=False)
    loop: OwnLoop | None = None
    shapes: Shapes = field(default_factory=Shapes)
    opening_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    rows: int | None = None

    @property
    def has_rows(self) -> bool:
        """Whether the rows are known here and models are built here; a script does both itself."""
        return True

    @property
    def criterion(self) -> Criterion:
        """What the study compares arms by."""
        return Criterion(self.objective.metric, self.study.reach)

    def infers_another(self, criterion: str) -> bool:
        """Whether the task names no metric, and what follows is not called as `criterion`."""
        return self.study.task.metric is None and self.criterion.name != criterion

    @property
    def digest(self) -> ContentDigest:
        """What another process that opens the study compares with its own.

        A pickled study brings its code with it, so that this is the same everywhere; the source of
        a notebook is not. Nor are the paths in code whose files were sent.
        """
        digest = replace(self.content.digest, plugins=repr(self.host.marks))
        brings_code = self.ref.pickled is not None or self.ref.was_sent
        return replace(digest, code="") if brings_code else digest

    @property
    def facts(self) -> Facts:
        """Facts of the data."""
        return self.source.facts

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(self.facts.sizes["train"] / self.batch)

    def on_rows(self, rows: int | None) -> Prepared:
        """The study on a share of its data with about so many training rows; None for all."""
        if rows == self.rows:
            return self
        return replace(self, rows=rows, source=self.source.on_rows(rows, self.study.seed))

    def splits(self, seed: int) -> Splits:
        """The splits of one seed."""
        return self.source.splits(seed)

    def measuring_splits(self, seed: int) -> Splits:
        """The splits of one seed that measures; the rows that chose are trained on."""
        return self.source.measuring_splits(self.study.seed, seed)

    def build(self, seed: int) -> nn.Module:
        """The user's model, with the initial draws of `seed`."""
        task = self.study.task
        arguments, shares = arguments_of(task), self.ref.shares_draws
        facts, device = self.facts, self.device
        return fresh_model(task.build, arguments, facts, self._first_rows, device, seed, shares)

    @cached_property
    def _first_rows(self) -> Part:
        """Rows of the study's own split, from which layers learn their sizes."""
        return self.splits(self.study.seed).train

    @cached_property
    def loaded(self) -> frozenset[str]:
        """Names of the weights that the model's constructor loads."""
        return loaded_names(self.build, self.device)

    def run(self, seed: int, split: int | Splits, cache: Path | None = None) -> Run:
        """A run of the user's model as it is, ready for techniques.

        Arguments:
            seed: of the initial draws, the batch order and dropout.
            split: the rows that are trained on and scored, or their seed.
            cache: folder of shared artefacts, or None.
        """
        splits = self.splits(split) if isinstance(split, int) else split
        return Run(
            task=self.study.task,
            model=self.build(seed),
            loss=self.objective.loss,
            optimizer=self.recipe.optimizer,
            data=Data(splits.train, splits.unlabeled, self.facts, splits.weights),
            seed=seed,
            generator=torch.Generator().manual_seed(seed),
            device=self.device,
            objective=self.objective,
            cache=cache,
            loaded=lambda: self.loaded,
            recipe=self.recipe,
            scored_together=self.shapes.scored_together,
            channels_last=self.shapes.channels_last,
            steps=self.epochs * self.recipe.steps_an_epoch(len(splits.train), self.batch),
        )


def prepare(ref: StudyRef, device: str = "cpu", others: Sequence[Prepared] = ()) -> Prepared:
    """Load the study and its plugins, read the data, build the model once and look at it.

    Arguments:
        ref: where the study comes from.
        device: a torch device.
        others: studies that are open; data that one of them has read are not read again.

    Raises:
        InputError: the parts of the study do not fit together.
    """
    with files_read() as loading:
        study = ref.load()
    host = load(ref.plugins, ref.without)
    place = usable_device(device)
    notes = Notes()
    with told_beside_errors(notes):
        source = read_before(ref, study, others) or read_data(ref, study, notes)
        return _put_together(ref, study, host, source, place, loading)


def _put_together(
    ref: StudyRef,
    study: Study,
    host: Host,
    source: Source,
    place: torch.device,
    loading: FilesRead,
) -> Prepared:
    """The opened study, whose model is built once and looked at.

    Raises:
        InputError: the parts of the study do not fit together.
    """
    task = study.task

    # A first model shows how many words there may be.
    with files_read() as building, isolated(mix(study.seed, "model")):
        named = source.facts.named()
        model, arguments = build_model(task.build, named, arguments_of(task))
        # What the constructors of other models read is a part of the study, too; why one of them
        # cannot be built is said where it is asked whether it fits.
        for build in task.other_models.values():
            with suppress(InputError):
                build_model(build, named, arguments_for(build, task.arguments))
    read = source
    source = with_words_for(model, source)
    source = with_padding_for(model, source, study.seed, task.output)

    # The model is traced on a batch of training rows; its output for them shows what the task is.
    splits = source.splits(study.seed)
    train = splits.train
    rows = min(EXAMPLE_ROWS, len(train))
    inputs, target = to_device(train.take(torch.arange(rows)), place)
    model = model.to(place)
    with isolated(0):
        anatomy = trace(model, inputs, task.output, rows)
        output = output_of(model, inputs)
        shapes = shapes_of(model, inputs, train)
    check_parameters(model)
    check_patterns(task, anatomy)

    # Loss and metric follow from the output and the targets, where the user gives none.
    scale = source.target_scale[1] if source.target_scale else 1.0
    objective = infer(task, output, source.facts, anatomy, scale, rows, ref.as_before)
    if task.loss is not None:
        objective = in_columns(objective, output, target, task.output)
    objective = noisy(objective, study.noise, inputs)
    check_loss(model, inputs, target, objective)
    if callable(task.metric):
        check_metric(objective, first_outputs(model, train, place))

    # What the user says about batches and epochs goes before the usual numbers.
    batch = task.batch or batch_for(len(train))
    own = own_training(task, model)
    if own.loop is not None and study.epochs is None:
        study = replace(study, epochs=own.loop.epochs)
    epochs = study.epochs or epochs_for(len(train), batch)
    recipe = own.recipe or recipe_for(study, model, len(train), batch, epochs)
    inferred = inferred_arguments(task.build, named, arguments_of(task))
    origins = {name: found.origin for name, found in inferred.items()}
    notes = notes_on(task, model, arguments, inputs, output, rows, origins)
    files = digests_of_files(loading, building, ref.folder(), task.vectors)
    return Prepared(
        ref=ref,
        study=study,
        host=with_models(host, task, ref.shares_draws),
        source=source,
        objective=objective,
        recipe=recipe,
        arguments=arguments,
        epochs=epochs,
        batch=batch,
        device=place,
        notes=(
            *source.notes,
            *notes_on_models(task),
            *note_on_padding(model, source),
            *notes,
            *recipe.told,
        ),
        warnings=(*source.warnings, *objective.warnings, *recipe.warnings, *own.warnings),
        content=content_of(files, task, source, splits, model, arguments),
        read=read,
        loop=own.loop,
        shapes=shapes if study.noise is None else replace(shapes, scored_together=0),
    )


def arguments_of(task: Task) -> Mapping[str, Any]:
    """What the user gives the constructor of the model; of several models, the first takes its own
    of all arguments.
    """
    return arguments_for(task.build, task.arguments) if task.models else task.arguments


def recipe_for(study: Study, model: nn.Module, rows: int, batch: int, epochs: int) -> Recipe:
    """The recipe of a study, tried on a first model and so many training rows.

    Raises `InputError` where it cannot train the model.
    """
    task = study.task
    with isolated(mix(study.seed, "recipe")):
        steps = optimizer_steps(rows, batch, task.accumulate)
        return recipe_of(task, groups_of(model), steps, epochs, study.epochs is not None)


def first_outputs(
    model: nn.Module, train: Part, device: torch.device
) -> Iterator[tuple[Any, torch.Tensor]]:
    """What a model gives for few training rows, and then for more of all of them, with targets."""
    for most in (EXAMPLE_ROWS, METRIC_ROWS):
        rows = torch.linspace(0, len(train) - 1, min(most, len(train))).long()
        inputs, target = to_device(train.take(rows), device)
        yield output_of(model, inputs), target


def read_before(ref: StudyRef, study: Study, others: Sequence[Prepared]) -> Source | None:
    """The data of a study that another one has read from the same files; None where none has."""
    words = words_of_data(ref, study)
    for other in others:
        if words is not None and words == words_of_data(other.ref, other.study):
            return other.read
    return None


def words_of_data(ref: StudyRef, study: Study) -> tuple[object, ...] | None:
    """What names the data of a study; None where they are given as values or by a function."""
    task = study.task
    places = [task.data, task.train, task.valid, task.test, task.unlabeled]
    values = [*places, task.group, task.time]
    if not all(value is None or isinstance(value, (str, Path)) for value in values):
        return None
    if not isinstance(task.weights, (str, dict, type(None))):
        return None
    # Whole paths are the same files from every folder.
    named = [Reference.parse(str(place)).place for place in places if place is not None]
    folder = None if all(map(os.path.isabs, named)) else ref.folder()
    settings = (repr(task.target), repr(task.weights), task.kind, study.seed)
    return (*map(str, values), *settings, ref.definitions_only, folder)


def read_data(ref: StudyRef, study: Study, notes: Notes | None = None) -> Source:
    """The data of a study, read anew, with sentences for `notes`. Raises `InputError` where they
    cannot be learned from.
    """
    task = study.task
    return open_source(
        data=task.data,
        train=task.train,
        valid=task.valid,
        test=task.test,
        unlabeled=task.unlabeled,
        target=task.target,
        kind=task.kind,
        group=task.group,
        time=task.time,
        weights=task.weights,
        seed=study.seed,
        folder=ref.folder(),
        definitions_only=ref.definitions_only,
        notes=notes,
    )


def with_words_for(model: nn.Module, source: Source) -> Source:
    """The data with no more word ids than the largest embedding table of the model has rows."""
    tables = [0]
    for module in model.modules():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            tables.append(module.num_embeddings)
    vocabulary = source.facts.vocabulary
    if vocabulary and 0 < max(tables) < len(vocabulary):
        return source.limit_vocabulary(max(tables))
    return source
