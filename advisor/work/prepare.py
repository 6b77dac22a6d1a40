"""A study, opened: data read, model looked at, objective inferred, plugins loaded."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advisor.data.facts import Facts
from advisor.data.source import Source, open_source
from advisor.data.splits import Splits
from advisor.errors import InputError, explain, listing, near
from advisor.host.host import Host, load
from advisor.loading.model import build_model
from advisor.model.anatomy import Anatomy, unmatched
from advisor.model.call import call, left_out
from advisor.model.tracing.output import described, pick, predictions
from advisor.model.tracing.trace import materialize, trace
from advisor.randomness import isolated, mix
from advisor.study import Study, Task
from advisor.training.criterion import Criterion
from advisor.training.noise import noisy
from advisor.training.objective import Objective, infer, to_device
from advisor.training.recipe import adamw
from advisor.training.run import EXAMPLE_ROWS, Data, Run
from advisor.work.study_ref import StudyRef

FULL_STEPS = 400
"""Steps of a training where the user gives no epochs: enough to rank techniques, and to try many.
"""
FEWEST_EPOCHS, MOST_EPOCHS = 5, 100
"""Epochs of such a training, whatever its steps."""
BATCHES = ((1_000, 32), (10_000, 64), (50_000, 128))
"""Rows in a mini-batch for data with fewer training rows than so many; 256 for more."""


@dataclass(frozen=True)
class Prepared:
    """What every run of a study shares. A process makes it once, with `prepare`, and hands it down.

    Attributes:
        ref: where the study comes from.
        study: the study.
        host: the plugins.
        source: the data.
        objective: loss and metric.
        arguments: what the model's constructor is called with.
        epochs: of a full training: the user's number, or a first one that the pilot may raise.
        batch: rows in a mini-batch.
        device: where models are trained.
        notes: what was understood and done, one sentence each.
        warnings: what the user should know, one sentence each.
        opening: a name for this opening of the study, which its jobs carry.
    """

    ref: StudyRef
    study: Study
    host: Host
    source: Source
    objective: Objective
    arguments: Mapping[str, Any]
    epochs: int
    batch: int
    device: torch.device
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    opening: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def criterion(self) -> Criterion:
        """What the study compares arms by."""
        return Criterion(self.objective.metric, self.study.reach)

    @property
    def facts(self) -> Facts:
        """Facts of the data."""
        return self.source.facts

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(self.facts.sizes["train"] / self.batch)

    @property
    def overlap(self) -> float:
        """Validation rows for each training row, where every seed draws both from the same rows.

        0 where the user fixed them.
        """
        if not self.source.redraws:
            return 0.0
        return self.facts.sizes["valid"] / self.facts.sizes["train"]

    def splits(self, seed: int) -> Splits:
        """The splits of one seed."""
        return self.source.splits(seed)

    def build(self, seed: int) -> nn.Module:
        """The user's model, with the initial draws of `seed`."""
        torch.manual_seed(mix(seed, "model"))
        task = self.study.task
        model, _ = build_model(task.build, self.facts.named(), task.arguments)
        make_dense(model)
        model = model.to(self.device)
        # Layers that learn their sizes from a batch get one of the study's own split.
        rows = torch.arange(min(2, self.facts.sizes["train"]))
        inputs, _ = self.splits(self.study.seed).train.take(rows)
        materialize(model, to_device(inputs, self.device))
        return model

    def run(self, seed: int, split: int, cache: Path | None = None) -> Run:
        """A run of the user's model as it is, ready for techniques, on the rows of `split`."""
        splits = self.splits(split)
        return Run(
            task=self.study.task,
            model=self.build(seed),
            loss=self.objective.loss,
            optimizer=adamw,
            data=Data(splits.train, splits.unlabeled, self.facts),
            seed=seed,
            generator=torch.Generator().manual_seed(seed),
            device=self.device,
            objective=self.objective,
            cache=cache,
        )


def prepare(ref: StudyRef, device: str = "cpu") -> Prepared:
    """Load the study and its plugins, read the data, build the model once and look at it.

    Raises `InputError` when they do not fit together.
    """
    study = ref.load()
    task = study.task
    host = load(ref.plugins, ref.without)
    place = _usable_device(device)
    source = _open(ref, study)

    with isolated(mix(study.seed, "model")):
        model, arguments = build_model(task.build, source.facts.named(), task.arguments)
    source = _with_vocabulary_for(model, source)
    train = source.splits(study.seed).train
    rows = min(EXAMPLE_ROWS, len(train))
    inputs, _ = train.take(torch.arange(rows))
    inputs = to_device(inputs, place)
    model = model.to(place)
    with isolated(0):
        anatomy = trace(model, inputs, task.output, rows)
        output = _output_of(model, inputs)
    _check_patterns(task, anatomy)

    scale = source.target_scale[1] if source.target_scale else 1.0
    objective = infer(task, output, source.facts, anatomy, scale, rows)
    objective = noisy(objective, study.noise, inputs)
    batch = task.batch or _batch_for(len(train))
    notes = [
        *source.notes,
        *_note_arguments(task, model, arguments),
        *_note_dense(model),
        *_note_left_out(model, inputs),
        *_note_outputs(task, output, rows),
    ]
    return Prepared(
        ref=ref,
        study=study,
        host=host,
        source=source,
        objective=objective,
        arguments=arguments,
        epochs=study.epochs or _epochs_for(len(train), batch),
        batch=batch,
        device=place,
        notes=tuple(notes),
        warnings=(*source.warnings, *objective.warnings),
    )


def _open(ref: StudyRef, study: Study) -> Source:
    task = study.task
    return open_source(
        data=task.data,
        train=task.train,
        valid=task.valid,
        test=task.test,
        unlabeled=task.unlabeled,
        target=task.target,
        kind=task.kind,
        seed=study.seed,
        folder=ref.folder(),
        definitions_only=ref.definitions_only,
    )


def _with_vocabulary_for(model: nn.Module, source: Source) -> Source:
    """The source with no more ids than the model's largest table of words has rows."""
    words = source.facts.vocabulary
    kinds = (nn.Embedding, nn.EmbeddingBag)
    tables = [module.num_embeddings for module in model.modules() if isinstance(module, kinds)]
    if not words or not tables or max(tables) >= len(words):
        return source
    return source.limit_vocabulary(max(tables))


def _output_of(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return call(model, inputs)
    except Exception as problem:  # the user's own forward may raise anything
        raise InputError(
            f"{type(model).__name__} fails on a batch of the data in evaluation mode: "
            f"{explain(problem)}."
        ) from problem
    finally:
        model.train(was_training)


def _check_patterns(task: Task, anatomy: Anatomy) -> None:
    for option, patterns in (("include", task.include), ("exclude", task.exclude)):
        for pattern in unmatched(anatomy, patterns):
            ids = [site.id for site in anatomy.sites]
            raise InputError(
                f"--{option} {pattern!r} matches no activation site.{near(pattern, ids)} "
                f"The sites are: {listing(ids, 40) or 'none'}."
            )


def make_dense(model: nn.Module) -> list[str]:
    """Make embedding tables give dense gradients, and return the names of those that did not.

    The numbers are the same; AdamW refuses sparse gradients.
    """
    sparse = []
    for name, module in model.named_modules():
        if getattr(module, "sparse", None) is True:
            sparse.append(name)
            module.sparse = False
    return sparse


def _note_arguments(task: Task, model: nn.Module, arguments: Mapping[str, Any]) -> list[str]:
    inferred = {key: value for key, value in arguments.items() if key not in task.arguments}
    if not inferred:
        return []
    words = ", ".join(f"{key}={value!r}" for key, value in inferred.items())
    return [f"{type(model).__name__} was built with {words}, inferred from the data"]


def _note_dense(model: nn.Module) -> list[str]:
    names = make_dense(model)
    if not names:
        return []
    return [f"{listing(names)}: trained with dense gradients, because AdamW refuses sparse ones"]


def _note_left_out(model: nn.Module, inputs: tuple[Any, ...]) -> list[str]:
    names = left_out(model, inputs)
    if not names:
        return []
    forward = f"{type(model).__name__}.forward"
    return [f"{listing(names)}: no parameter of {forward}, and not passed to it"]


def _note_outputs(task: Task, output: Any, rows: int) -> list[str]:
    """A note where several tensors could be the prediction and the user has not chosen."""
    candidates = {}
    for name, tensor in predictions(output).items():
        if tensor.dim() and len(tensor) == rows:
            candidates[name] = tensor
    if task.output is not None or len(candidates) < 2:
        return []
    chosen = pick(output, rows)
    name = next(name for name, tensor in candidates.items() if tensor is chosen)
    return [
        f"the model returns {described(candidates)}; {name} is taken as its prediction; "
        "choose with --output or Task(output=…)"
    ]


def _usable_device(name: str) -> torch.device:
    """A device that can be computed on. Raises `InputError` where it cannot."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        reason = explain(problem).split("\n")[0][:120]
        raise InputError(
            f"--device {name!r} cannot be used here: {reason}. Use cpu, cuda or mps."
        ) from problem
    return device


def _batch_for(rows: int) -> int:
    """Rows in a mini-batch for so many training rows."""
    for limit, batch in BATCHES:
        if rows < limit:
            return batch
    return 256


def _epochs_for(rows: int, batch: int) -> int:
    """Epochs of a training where the user gives none."""
    epochs = round(FULL_STEPS / max(1, rows / batch))
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, epochs))
