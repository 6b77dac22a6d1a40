"""From a question to runs: the model built, its objective inferred, its data split."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advisor.data import Facts, Source, Splits
from advisor.errors import InputError, explain, listing, near
from advisor.loading.model import build_model
from advisor.model import Anatomy, call, materialize, trace
from advisor.model.anatomy import unmatched
from advisor.model.call import left_out
from advisor.model.tracing.output import described, pick, predictions
from advisor.randomness import isolated, mix
from advisor.study import Study, Task
from advisor.training.criterion import Criterion
from advisor.training.noise import noisy
from advisor.training.objective import Objective, infer, to_device
from advisor.training.recipe import adamw
from advisor.training.run import EXAMPLE_ROWS, Data, Run
from advisor.work.study_ref import StudyRef, source_of


@dataclass(frozen=True)
class Prepared:
    """What every run of a study shares: study, data, objective, the constructor's arguments, epochs
    and batch.

    `epochs` is the user's number, or a first one that the pilot may raise.
    """

    question: StudyRef
    study: Study
    source: Source
    objective: Objective
    arguments: Mapping[str, Any]
    epochs: int
    batch: int
    device: torch.device
    vocabulary: int | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def goal(self) -> Criterion:
        """What the study compares arms by."""
        return Criterion(self.objective.metric, self.study.reach)

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(self.facts.sizes["train"] / self.batch)

    @property
    def overlap(self) -> float:
        """Validation rows for each training row where seeds draw both from the same rows; 0 where
        the user fixed them.
        """
        return self.facts.sizes["valid"] / self.facts.sizes["train"] if self.source.redraws else 0.0

    @property
    def facts(self) -> Facts:
        """Facts of the data."""
        return self.source.facts

    def splits(self, seed: int) -> Splits:
        """The splits of one seed."""
        return _splits(self.question, self.vocabulary, seed)

    def build(self, seed: int) -> nn.Module:
        """The user's model, with the initial draws of `seed`."""
        torch.manual_seed(mix(seed, "model"))
        model, _ = build_model(self.study.task.build, self.facts.named(), self.study.task.arguments)
        dense(model)
        model = model.to(self.device)
        rows = self.splits(self.study.seed).train.take(
            torch.arange(min(2, self.facts.sizes["train"]))
        )[0]
        materialize(model, to_device(rows, self.device))
        return model

    def run(self, seed: int, splits: Splits, cache: Path | None = None) -> Run:
        """A run of the user's model as it is, ready for techniques."""
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


def dense(model: nn.Module) -> list[str]:
    """Make embedding tables give dense gradients, the same numbers as sparse ones, which AdamW
    refuses; their names.
    """
    tables = [
        (name, module)
        for name, module in model.named_modules()
        if getattr(module, "sparse", None) is True
    ]
    for _, module in tables:
        module.sparse = False
    return [name for name, _ in tables]


def _dense_note(model: nn.Module) -> list[str]:
    names = dense(model)
    return (
        [f"{listing(names)}: trained with dense gradients, because AdamW refuses sparse ones"]
        if names
        else []
    )


@functools.lru_cache(maxsize=2)
def setup(question: StudyRef, device: str = "cpu") -> Prepared:
    """Read the data, build the model once and look at it. Raises `InputError` when they do not fit
    together.
    """
    study, source = question.study(), source_of(question)
    where = _device(device)
    with isolated(mix(study.seed, "model")):
        model, arguments = build_model(study.task.build, source.facts.named(), study.task.arguments)
    source, vocabulary = _fit_vocabulary(question, source, model)
    splits = source.splits(study.seed)
    rows = min(EXAMPLE_ROWS, len(splits.train))
    inputs = to_device(splits.train.take(torch.arange(rows))[0], where)
    model = model.to(where)
    with isolated(0):
        anatomy = trace(model, inputs, study.task.output, rows)
        output = _forward(model, inputs)
    _check_patterns(study.task, anatomy)
    scale = source.target_scale[1] if source.target_scale else 1.0
    objective = noisy(
        infer(study.task, output, source.facts, anatomy, scale, rows), study.noise, inputs
    )
    batch = study.task.batch or _batch(len(splits.train))
    given = {key: value for key, value in arguments.items() if key not in study.task.arguments}
    inferred = [
        f"{type(model).__name__} was built with "
        + ", ".join(f"{k}={v!r}" for k, v in given.items())
        + ", inferred from the data"
    ]
    return Prepared(
        question=question,
        study=study,
        source=source,
        objective=objective,
        arguments=arguments,
        epochs=study.epochs or _epochs(len(splits.train), batch),
        batch=batch,
        device=where,
        vocabulary=vocabulary,
        notes=(
            *source.notes,
            *(inferred if given else ()),
            *_dense_note(model),
            *_passed(model, inputs),
            *_several(study.task, output, rows),
        ),
        warnings=(*source.warnings, *objective.warnings),
    )


def _check_patterns(task: Task, anatomy: Anatomy) -> None:
    for name, patterns in (("include", task.include), ("exclude", task.exclude)):
        for pattern in unmatched(anatomy, patterns):
            ids = [site.id for site in anatomy.sites]
            there = f"The sites are: {listing(ids, 40) or 'none'}."
            raise InputError(
                f"--{name} {pattern!r} matches no activation site.{near(pattern, ids)} {there}"
            )


def _passed(model: nn.Module, inputs: tuple[Any, ...]) -> list[str]:
    names = left_out(model, inputs)
    return (
        [f"{listing(names)}: no parameter of {type(model).__name__}.forward, and not passed to it"]
        if names
        else []
    )


def _several(task: Task, output: Any, rows: int) -> list[str]:
    """A note where more than one tensor could be the prediction and the user has not chosen."""
    found = {
        name: tensor
        for name, tensor in predictions(output).items()
        if tensor.dim() and len(tensor) == rows
    }
    if task.output is not None or len(found) < 2:
        return []
    taken = next(name for name, tensor in found.items() if tensor is pick(output, rows))
    return [
        f"the model returns {described(found)}; {taken} is taken as its prediction; choose with --output or Task(output=…)"
    ]


def _device(name: str) -> torch.device:
    """A device that can be computed on. Raises `InputError` where it cannot."""
    try:
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as problem:
        raise InputError(
            f"--device {name!r} cannot be used here: {explain(problem).split(chr(10))[0][:120]}. Use cpu, cuda or mps."
        ) from problem
    return found


@functools.lru_cache(maxsize=4)
def _splits(question: StudyRef, vocabulary: int | None, seed: int) -> Splits:
    return source_of(question, vocabulary).splits(seed)


def _forward(model: nn.Module, inputs: tuple[Any, ...]) -> Any:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return call(model, inputs)
    except Exception as problem:  # the user's own forward may raise anything
        raise InputError(
            f"{type(model).__name__} fails on a batch of the data in evaluation mode: {explain(problem)}."
        ) from problem
    finally:
        model.train(training)


def _fit_vocabulary(
    question: StudyRef, source: Source, model: nn.Module
) -> tuple[Source, int | None]:
    """The source with no more ids than the model's smallest table that words could index has rows."""
    words = source.facts.vocabulary
    tables = [
        m.num_embeddings for m in model.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))
    ]
    if not words or not tables or max(tables) >= len(words):
        return source, None
    return source_of(question, max(tables)), max(tables)


def _batch(rows: int) -> int:
    """Rows in a mini-batch: 32 for small data, more as there are more."""
    return next(
        size
        for limit, size in ((1_000, 32), (10_000, 64), (50_000, 128), (float("inf"), 256))
        if rows < limit
    )


def _epochs(rows: int, batch: int) -> int:
    """About 400 steps, but at least 5 and at most 100 epochs: enough to rank techniques, short
    enough to try many.
    """
    return max(5, min(100, round(400 / max(1, rows / batch))))
