"""Promises of every technique about the training that follows it, and about what is kept of it."""

from __future__ import annotations

import copy
import io
import math
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.randomness import isolated
from advisor.testing.examples import BATCH, EPOCHS, run_of
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import (
    SEED,
    Probe,
    Subject,
    equal,
    first_difference,
    leaves,
    output,
    state,
)
from advisor.training.groups import parameter_groups
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, predict, train
from advisor.training.run import Run, apply

LR = 1e-3
"""Learning rate of the kit's trainings."""
DECAY = 1e-2
"""Weight decay of the kit's trainings."""


@promise()
def trains(subject: Subject) -> Iterator[str]:
    """One step of training works afterwards and changes the model."""
    for probe in list(subject.probes())[:3]:
        run = fresh_run(probe)
        before = state(run.model)
        try:
            train_epochs(run, 0, 1)
        except Exception as problem:
            raise AssertionError(
                f"training raised {explain(problem)} {probe.on}. Change what apply() leaves."
            ) from problem

        # Buffers may move by themselves; what must change is a parameter that was there before.
        after = state(run.model)
        names = [name for name, _ in run.model.named_parameters() if name in before]
        if all(equal(before[name], after[name]) for name in names):
            yield (
                f"no parameter changed {probe.on}. "
                "Leave something to train, and give run.optimizer all its groups."
            )
        if any(not bool(torch.isfinite(value).all()) for value in after.values()):
            yield f"the model is not finite after it {probe.on}. Start smaller."


@promise()
def resumes(subject: Subject) -> Iterator[str]:
    """Training that is stopped, saved and loaded goes on with the same numbers."""
    probe = next(subject.probes())
    straight, first, second = (fresh_run(probe) for _ in range(3))

    # Two epochs at once, and one epoch each in two runs that share nothing but the saved state.
    with tempfile.TemporaryDirectory() as folder:
        file = KeptFile(Path(folder) / "state.pt")
        try:
            whole = train_epochs(straight, 0, EPOCHS)
            train_epochs(first, 0, 1, save=file)
            rest = train_epochs(second, 1, EPOCHS, state=file.read())
        except Exception as problem:
            raise AssertionError(
                f"it raised {explain(problem)} {probe.on}. "
                "Keep what training needs in parameters, buffers and run.keep."
            ) from problem
    advice = "Keep what training needs in parameters, buffers, the optimizer's state and run.keep."
    name = first_difference(kept_state(straight), kept_state(second))
    if name:
        yield f"{name!r} is another {probe.on}. {advice}"
    elif whole[1:] != rest or not equal(scored_output(straight), scored_output(second)):
        yield f"its loss, or what it is scored by, is another {probe.on}. {advice}"


def fresh_run(probe: Probe) -> Run:
    """A run with the technique applied, for one check alone. Raises `Unjudged` where it raises."""
    attempt = probe.fresh()
    if attempt.raised is not None:
        raise Unjudged("apply raised")
    return attempt.run


def train_epochs(run: Run, start: int, end: int, **places: Any) -> list[tuple[float, float]]:
    """Train a run for some of the epochs of a full training; its losses and scores."""
    settings = TrainingSettings(LR, DECAY, BATCH, start, end, epochs=EPOCHS, **places)
    with isolated(0):
        return [(epoch.loss, epoch.score) for epoch in train(run, settings, run.data.train)]


def scored_output(run: Run) -> Tensor:
    """What a run is scored by."""
    return predict(run, run.data.train, BATCH)[0]


def kept_state(run: Run) -> dict[str, Tensor]:
    """The tensors of a run's model, and of what its techniques keep."""
    tensors = state(run.model)
    for name, kept in run.keep.items():
        for key, value in kept.state_dict().items():
            if isinstance(value, Tensor):
                tensors[f"{key} of run.keep[{name!r}]"] = value.detach().clone()
    return tensors


@promise(at=("apply", "__init__"))
def copies(subject: Subject) -> Iterator[str]:
    """The model can be copied and pickled afterwards, and the copies give the same output."""
    for probe, attempt in subject.tries():
        # The two ways of copying read different things of a model's classes.
        expected = output(attempt.run)
        for how, make_copy in (("copy.deepcopy", copy.deepcopy), ("pickle", _through_pickle)):
            run = copy.copy(attempt.run)
            try:
                run.model = make_copy(attempt.run.model)
            except Exception as problem:
                raise AssertionError(
                    f"{how} raised {explain(problem)} {probe.on}. "
                    "Put classes and functions at the top of the file, no lambdas."
                ) from problem
            if not equal(output(run), expected):
                advice = "Keep what the model needs in its modules."
                yield f"the output after {how} is another {probe.on}. {advice}"


def _through_pickle(model: nn.Module) -> Any:
    return pickle.load(io.BytesIO(pickle.dumps(model)))  # noqa: S301  # pickled on this line


@promise()
def costs(subject: Subject) -> Iterator[str]:
    """What it enters among the costs is finite seconds."""
    # Once by itself, and once as a search applies it, which enters costs of its own.
    probe = next(subject.probes())
    run = fresh_run(probe)
    applied = run_of(probe.example, SEED)
    apply(applied, [(subject.technique, subject.technique.defaults())])
    entered = dict(run.costs)
    entered.update(applied.costs)
    for name, seconds in entered.items():
        if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < 0:
            yield f"run.costs[{name!r}] is {seconds!r}. Change it to seconds."


@promise(at=("apply", "__init__"))
def registers(subject: Subject) -> Iterator[str]:
    """Whatever the output's gradient reaches is a parameter of the model, so that it is trained,
    moved and saved.
    """
    for probe, attempt in subject.tries():
        # A model trains, moves and saves what it registers, and nothing else.
        registered = {id(parameter) for parameter in attempt.run.model.parameters()}
        loose = [tensor for tensor in leaves(attempt.run) if id(tensor) not in registered]
        if loose:
            yield (
                f"a tensor of shape {tuple(loose[0].shape)} wants a gradient and is no parameter "
                f"of the model {probe.on}. Make it an nn.Parameter that is set on self; "
                "a list of them is an nn.ParameterList."
            )


@promise()
def groups(subject: Subject) -> Iterator[str]:
    """Every trainable parameter of the model is in one of the optimizer's groups, once."""
    for probe, attempt in subject.tries():
        groups_before = parameter_groups(attempt.run)
        optimizer = attempt.run.optimizer(parameter_groups(attempt.run), LR, DECAY)
        parameters = _parameters_in(groups_before)
        optimized = _parameters_in(optimizer.param_groups)
        # By identity: two parameters may hold equal numbers.
        same = set(map(id, parameters)) == set(map(id, optimized))
        if not same or len(optimized) != len(parameters):
            yield (
                f"the optimizer has {len(optimized)} of {len(parameters)} parameters {probe.on}. "
                "Give it all groups that it gets."
            )


def _parameters_in(groups: list[dict[str, Any]]) -> list[nn.Parameter]:
    parameters: list[nn.Parameter] = []
    for group in groups:
        parameters += group["params"]
    return parameters
