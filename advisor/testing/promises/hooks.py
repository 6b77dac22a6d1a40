"""Promises of techniques that hang into the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from advisor.errors import explain
from advisor.nested import tensors_in
from advisor.randomness import isolated
from advisor.testing.examples import BATCH
from advisor.testing.promise import Unjudged, promise
from advisor.testing.promises.training import fresh_run, scored_output, train_epochs
from advisor.testing.subject import (
    SEED,
    Probe,
    Subject,
    equal,
    first_difference,
    global_states,
    state,
)
from advisor.training.ended import StoppedEarly
from advisor.training.hooks import batch_fault, check_hooks, left_by_scoring, values_of
from advisor.training.run import Run

SIZES = (BATCH, 3)
"""Rows of the mini-batches that a hook is tried with; a last one is smaller than the others."""


class _Broken(Exception):  # noqa: N818  # it says nothing went wrong with the model
    """Raised while a model is scored."""


@promise(at=("apply",))
def hooks_in(subject: Subject) -> Iterator[str]:
    """Hooks are functions, and what is kept has `state_dict` and `load_state_dict`."""
    for probe, attempt in subject.tries():
        try:
            check_hooks(probe.on, attempt.run)
        except StoppedEarly as problem:
            yield f"{problem}."


@promise(at=("apply",))
def changes_batches(subject: Subject) -> Iterator[str]:
    """What it makes of a mini-batch has as many inputs and rows, and follows from the generator."""
    for probe in _with_hook(subject, "batch"):
        run = fresh_run(probe)
        assert run.batch is not None  # these are the examples where it is set
        for rows in SIZES:
            inputs, target = _first_rows(run, rows)
            states = global_states()
            with isolated(SEED):
                first = _called(run, inputs, target, probe)
                moved = global_states()
            with isolated(SEED):
                unmoved = global_states()
            fault = batch_fault(first, inputs, target)
            if fault is not None:
                yield f"run.batch {fault}, {probe.on}."
                return
            if moved != unmoved or states != global_states():
                yield (
                    f"it drew global random numbers {probe.on}. "
                    "Change it to draw from the generator that it gets."
                )
            inputs, target = _first_rows(run, rows)
            if not _are_equal(first, _called(run, inputs, target, probe)):
                yield (
                    f"two calls with generators of one seed give other rows {probe.on}. "
                    "Change it to draw from the generator that it gets."
                )


def _first_rows(run: Run, rows: int) -> tuple[tuple[Any, ...], Tensor]:
    """A mini-batch of the first training rows."""
    inputs, target = run.data.train.take(torch.arange(rows))
    assert target is not None  # training rows have one
    return inputs, target


def _called(run: Run, inputs: tuple[Any, ...], target: Tensor, probe: Probe) -> Any:
    """What a run's hook makes of a mini-batch. Raises `AssertionError` where it raises."""
    assert run.batch is not None  # these are the examples where it is set
    try:
        return run.batch(inputs, target, torch.Generator().manual_seed(SEED))
    except Exception as problem:
        raise AssertionError(
            f"run.batch raised {explain(problem)} {probe.on}, with {len(target)} rows. "
            "Change it to work there, or say in unfit() why it cannot."
        ) from problem


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two mini-batches hold the same numbers."""
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(equal(mine, theirs) for mine, theirs in pairs)


@promise(at=("apply",))
def trains_on_training_rows(subject: Subject) -> Iterator[str]:
    """Its hooks never look at validation and test data."""
    for probe in _with_hook(subject, "each_step", "batch", "scored"):
        attempt = probe.fresh()
        reached: Exception | None = None
        # The data raise when they are used; a hook that catches this is noted all the same.
        try:
            train_epochs(attempt.run, 0, 1)
        except Exception as problem:  # a promise of its own reports it
            reached = problem
        if attempt.touched:
            raise AssertionError(
                f"it read run.task.{attempt.touched[0]} while it was trained, {probe.on}. "
                "Change it to use what the hook is given, or run.data."
            ) from reached
    yield from ()


@promise(at=("apply",))
def puts_weights_back(subject: Subject) -> Iterator[str]:
    """Weights that a model is scored with are gone afterwards, also where the scoring raises."""
    for probe in _with_hook(subject, "scored"):
        run = fresh_run(probe)
        try:
            train_epochs(run, 0, 1)
        except StoppedEarly as problem:
            yield f"{problem}, {probe.on}."
            return
        if not equal(scored_output(run), scored_output(run)):
            yield (
                f"two scorings in a row give other outputs {probe.on}. Let scored() change nothing."
            )

        # Whatever the user's model or metric raises must reach the search.
        model, before = run.model, values_of(run.model)
        assert run.scored is not None  # these are the examples where it is set
        try:
            with run.scored():
                raise _Broken
        except _Broken:
            pass
        else:
            yield f"its context hides what is raised in it {probe.on}. Let it pass."
        left = left_by_scoring(run, model, before)
        if left is not None:
            yield f"where the scoring raises, it {left} {probe.on}. Put it back in `finally`."


@promise(at=("apply",))
def trains_its_own_weights(subject: Subject) -> Iterator[str]:
    """Training goes the same way whether the model is scored on the way or not."""
    for probe in _with_hook(subject, "scored"):
        scored, unscored = fresh_run(probe), fresh_run(probe)
        unscored.scored = None
        try:
            train_epochs(scored, 0, 2)
            train_epochs(unscored, 0, 2)
        except Exception as problem:
            raise Unjudged(f"training raised {explain(problem)}") from problem
        name = first_difference(state(scored.model), state(unscored.model))
        if name:
            yield (
                f"{name!r} is trained otherwise where the model is scored {probe.on}. "
                "Leave scored() all that training reads."
            )


def _with_hook(subject: Subject, *names: str) -> Sequence[Probe]:
    """Up to three examples where the technique sets one of these hooks. Raises `Unjudged` where it
    sets none.
    """
    found = []
    for probe, attempt in subject.tries():
        if any(getattr(attempt.run, name) not in (None, []) for name in names):
            found.append(probe)
    if not found:
        raise Unjudged("it sets no such hook")
    return found[:3]
