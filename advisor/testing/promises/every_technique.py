"""Promises of every technique about what it does to a run."""

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

from advisor.diagnosis.finding import Finding
from advisor.errors import explain
from advisor.randomness import isolated
from advisor.technique import Technique
from advisor.testing.examples import EXAMPLES, run_of
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import (
    OTHER,
    SEED,
    Subject,
    Try,
    equal,
    frozen_in,
    global_states,
    leaves,
    output,
    same,
    state,
    ties,
)
from advisor.training.loop import Fit, train
from advisor.training.recipe import parameter_groups
from advisor.training.run import Run, apply

BATCH, LR, DECAY, SENTENCE = 32, 1e-3, 1e-2, 400


@promise(at=("unfit",))
def judges(subject: Subject) -> Iterator[str]:
    """`unfit` returns None or why not, in one sentence, and changes nothing."""
    for example in EXAMPLES:
        used: list[str] = []
        run = run_of(example, SEED, used)
        before, states = state(run.model), global_states()
        try:
            why = subject.technique.unfit(run)
        except Exception as problem:
            raise AssertionError(
                f"it raised {explain(problem)} on {example.name}. Change it to return the reason."
            ) from problem
        if why is not None and not (
            isinstance(why, str) and why.strip() and "\n" not in why and len(why) <= SENTENCE
        ):
            yield f"it returned {why!r} on {example.name}. Change it to return None or one sentence."
        name = same(before, state(run.model))
        if name or used or states != global_states():
            what = (
                f"changed {name}"
                if name
                else "read data outside training"
                if used
                else "drew global random numbers"
            )
            yield f"it {what} on {example.name}. Change it to look only."


@promise(at=("finds",))
def finds_only(subject: Subject) -> Iterator[str]:
    """`finds` returns findings for the technique's own slot, with finite numbers, and changes
    nothing.
    """
    if type(subject.technique).finds is Technique.finds:
        raise Unjudged("it looks for nothing itself")
    for probe in subject.probes():
        run = run_of(probe.example, SEED, [])
        before, states = state(run.model), global_states()
        for found in subject.technique.finds(run):
            if (
                not isinstance(found, Finding)
                or found.slot != subject.technique.slot
                or not math.isfinite(found.number)
            ):
                slot = subject.technique.slot
                yield f"it returned {found!r} {probe.on}. Change it to return advisor.Finding(…, slot={slot!r})."
        if same(before, state(run.model)) or states != global_states():
            yield f"it changed the model or drew global random numbers {probe.on}. Change it to look only."


@promise()
def applies(subject: Subject) -> Iterator[str]:
    """`apply` works at the defaults on every model that `unfit` lets pass, and returns None or one
    line.
    """
    for probe in subject.probes():
        found = probe.attempt()
        if found.raised is not None:
            raise AssertionError(
                f"it raised {explain(found.raised)} {probe.on}. Change it to work there, or say in unfit() why it cannot."
            ) from found.raised
        if found.told is not None and not (isinstance(found.told, str) and "\n" not in found.told):
            yield f"it returned {found.told!r} {probe.on}. Change it to return one line that says what was changed, or None."


@promise()
def applies_at_the_ends(subject: Subject) -> Iterator[str]:
    """`apply` works and leaves finite numbers at both ends of the space, and with every option."""
    ends = subject.ends()
    if not ends:
        raise Unjudged("nothing of it varies")
    for probe in list(subject.probes())[:1]:
        for params in ends:
            found = probe.attempt(params)
            if found.raised is not None:
                raise AssertionError(
                    f"with {params} it raised {explain(found.raised)} {probe.on}. Change it, or narrow the space."
                ) from found.raised
            if fault := _not_finite(found):
                yield f"with {params} {fault} {probe.on}. Change it, or narrow the space."


@promise()
def finite(subject: Subject) -> Iterator[str]:
    """Parameters, buffers and outputs are finite afterwards, and the output has the shape that it
    had.
    """
    for probe, found in subject.tries():
        if fault := _not_finite(found):
            yield f"{fault} {probe.on}. Change what computes it."
        shape = output(found.run).shape
        if shape != found.shape:
            yield f"the output was {tuple(found.shape)} and is {tuple(shape)} {probe.on}. Change it to keep the shape."


def _not_finite(found: Try) -> str | None:
    bad = next(
        (name for name, value in found.after.items() if not bool(torch.isfinite(value).all())), None
    )
    if bad:
        return f"{bad} is not finite"
    return None if bool(torch.isfinite(output(found.run)).all()) else "the output is not finite"


@promise()
def keeps_keys(subject: Subject) -> Iterator[str]:
    """Every key of the model's `state_dict` stays, with its shape; new ones may come."""
    for probe, found in subject.tries():
        now = found.after
        bad = next(
            (
                name
                for name, was in found.before.items()
                if name not in now or now[name].shape != was.shape
            ),
            None,
        )
        if bad:
            yield f"{bad!r} is gone or has another shape {probe.on}. Change tensors in place, with copy_()."


@promise()
def keeps_frozen(subject: Subject) -> Iterator[str]:
    """What the user froze stays frozen and keeps its values."""
    for probe, found in subject.tries():
        now, still = found.after, frozen_in(found.run.model)
        for name in found.frozen:
            if name in now and not equal(now[name], found.before[name]):
                yield f"it changed {name!r}, which is frozen, {probe.on}. Skip parameters without requires_grad."
            if name not in still:
                yield f"it unfroze {name!r} {probe.on}. Leave requires_grad of the user's parameters as it is."


@promise()
def keeps_ties(subject: Subject) -> Iterator[str]:
    """Weights that were one tensor still are."""
    for probe, found in subject.tries():
        now = ties(found.run.model)
        for names in found.tied:
            if not any(names <= group for group in now):
                yield f"{' and '.join(sorted(names))} were one parameter {probe.on}. Change it in place, not by a new one."


@promise()
def keeps_padding(subject: Subject) -> Iterator[str]:
    """The padding row of an embedding table stays zero."""
    for probe, found in subject.tries():
        tables = {
            name: module
            for name, module in found.run.model.named_modules()
            if isinstance(module, torch.nn.Embedding)
        }
        for name, table in tables.items():
            if table.padding_idx is not None and bool(table.weight[table.padding_idx].any()):
                yield f"row {table.padding_idx} of {name} is not zero {probe.on}. Set it to zero at the end."


@promise(at=("fill", "learn", "vectors", "apply", "__init__"))
def leaves_global_random_numbers(subject: Subject) -> Iterator[str]:
    """The global random states of torch, NumPy and Python are left as they were."""
    for probe, found in subject.tries():
        if found.drawn:
            yield (
                f"the global state of {' and '.join(found.drawn)} moved {probe.on}. Change it to draw from run.generator "
                "(or the generator that it gets), and never call manual_seed."
            )


@promise(at=("fill", "learn", "vectors", "apply", "__init__"))
def repeats(subject: Subject) -> Iterator[str]:
    """The same seed gives the same model, whatever the global random states are."""
    for probe, found in list(subject.tries())[:3]:
        name = same(found.after, probe.tried(around=OTHER).after)
        if name:
            yield f"{name!r} differs between two runs of one seed {probe.on}. Change it to draw from run.generator."


@promise()
def blind(subject: Subject) -> Iterator[str]:
    """Validation and test data are never looked at."""
    for probe in subject.probes():
        found = probe.attempt()
        if found.used:
            raise AssertionError(
                f"it read run.task.{found.used[0]} {probe.on}. Change it to use run.data, which is what training sees."
            ) from found.raised
    yield from ()


@promise()
def trains(subject: Subject) -> Iterator[str]:
    """One step of training works afterwards and changes the model."""
    for probe in list(subject.probes())[:3]:
        run = _worked(probe.fresh()).run
        before = state(run.model)
        try:
            _epochs(run, 0, 1)
        except Exception as problem:
            raise AssertionError(
                f"training raised {explain(problem)} {probe.on}. Change what apply() leaves."
            ) from problem
        after = state(run.model)
        if all(
            equal(before[name], after[name])
            for name, p in run.model.named_parameters()
            if name in before
        ):
            yield f"no parameter changed {probe.on}. Leave something to train, and give run.optimizer all its groups."
        if any(not bool(torch.isfinite(value).all()) for value in after.values()):
            yield f"the model is not finite after it {probe.on}. Start smaller."


@promise()
def resumes(subject: Subject) -> Iterator[str]:
    """Training that is stopped, saved and loaded goes on with the same numbers."""
    for probe in list(subject.probes())[:1]:
        straight, first, second = (_worked(probe.fresh()).run for _ in range(3))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "state.pt"
            try:
                _epochs(straight, 0, 2)
                _epochs(first, 0, 1, save=place)
                _epochs(second, 1, 2, load=place)
            except Exception as problem:
                raise AssertionError(
                    f"it raised {explain(problem)} {probe.on}. Keep what training needs in parameters and buffers."
                ) from problem
        name = same(state(straight.model), state(second.model))
        if name:
            yield f"{name!r} is another {probe.on}. Keep what training needs in parameters, buffers and the optimizer's state."


def _worked(found: Try) -> Try:
    if found.raised is not None:
        raise Unjudged("apply raised")
    return found


def _epochs(run: Run, start: int, end: int, **places: Any) -> None:
    with isolated(0):
        for _ in train(run, Fit(LR, DECAY, BATCH, start, end, **places), run.data.train):
            pass


@promise(at=("apply", "__init__"))
def copies(subject: Subject) -> Iterator[str]:
    """The model can be copied and pickled afterwards, and the copies give the same output."""
    for probe, found in subject.tries():
        want = output(found.run)
        for how, make in (("copy.deepcopy", copy.deepcopy), ("pickle", _through_pickle)):
            try:
                other = copy.copy(found.run)
                other.model = make(found.run.model)
            except Exception as problem:
                raise AssertionError(
                    f"{how} raised {explain(problem)} {probe.on}. Put classes and functions at the top of the file, no lambdas."
                ) from problem
            if not equal(output(other), want):
                yield f"the output after {how} is another {probe.on}. Keep what the model needs in its modules."


def _through_pickle(model: torch.nn.Module) -> Any:
    return pickle.load(io.BytesIO(pickle.dumps(model)))  # made on the line


@promise()
def costs(subject: Subject) -> Iterator[str]:
    """What it enters among the costs is finite seconds."""
    for probe in list(subject.probes())[:1]:
        run = _worked(probe.fresh()).run
        fresh = run_of(probe.example, SEED, [])
        apply(fresh, [(subject.technique, subject.technique.defaults())])
        for name, seconds in {**run.costs, **fresh.costs}.items():
            if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < 0:
                yield f"run.costs[{name!r}] is {seconds!r}. Change it to seconds."


@promise(at=("apply", "__init__"))
def registers(subject: Subject) -> Iterator[str]:
    """Whatever the output's gradient reaches is a parameter of the model, so that it is trained,
    moved and saved.
    """
    for probe, found in subject.tries():
        known = {id(parameter) for parameter in found.run.model.parameters()}
        loose = [tensor for tensor in leaves(found.run) if id(tensor) not in known]
        if loose:
            yield (
                f"a tensor of shape {tuple(loose[0].shape)} wants a gradient and is no parameter of the model {probe.on}. Make "
                "it an nn.Parameter that is set on self; a list of them is an nn.ParameterList."
            )


@promise()
def groups(subject: Subject) -> Iterator[str]:
    """Every trainable parameter of the model is in one of the optimizer's groups, once."""
    for probe, found in subject.tries():
        held = [p for group in parameter_groups(found.run) for p in group["params"]]
        given = found.run.optimizer(parameter_groups(found.run), LR, DECAY)
        inside = [p for group in given.param_groups for p in group["params"]]
        if {id(p) for p in held} != {id(p) for p in inside} or len(inside) != len(held):
            yield f"the optimizer has {len(inside)} of {len(held)} parameters {probe.on}. Give it all groups that it gets."
