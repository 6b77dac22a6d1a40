"""Promises of every technique about what it does to a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from advisor.diagnosis.finding import Finding
from advisor.errors import explain
from advisor.space import Int
from advisor.technique import Technique
from advisor.testing.examples import EXAMPLES, run_of
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import (
    OTHER,
    SEED,
    Subject,
    Try,
    equal,
    first_difference,
    global_states,
    output,
    state,
    ties,
)

SENTENCE = 400
"""Most characters of a sentence that says why not."""


@promise(at=("unfit",))
def judges(subject: Subject) -> Iterator[str]:
    """`unfit` returns None or why not, in one sentence, and changes nothing."""
    for example in EXAMPLES:
        touched: list[str] = []
        run = run_of(example, SEED, touched)
        before, states = state(run.model), global_states()
        try:
            why = subject.technique.unfit(run)
        except Exception as problem:
            raise AssertionError(
                f"it raised {explain(problem)} on {example.name}. Change it to return the reason."
            ) from problem

        # The reason goes into a table of all techniques, hence one sentence.
        if why is not None and not (_is_line(why) and why.strip() and len(why) <= SENTENCE):
            yield (
                f"it returned {why!r} on {example.name}. Change it to return None or one sentence."
            )

        # A look must not change what it looks at.
        name = first_difference(before, state(run.model))
        if name:
            yield f"it changed {name} on {example.name}. Change it to look only."
        if touched:
            yield f"it read data outside training on {example.name}. Change it to look only."
        if states != global_states():
            yield f"it drew global random numbers on {example.name}. Change it to look only."


@promise(at=("pass_seconds",))
def counts_its_passes(subject: Subject) -> Iterator[str]:
    """What makes an artefact counts what a pass costs: each time the same, not below 0 seconds."""
    technique = subject.technique
    if technique.passes not in technique.space:
        raise Unjudged("it makes no artefact, or its passes do not vary")
    if not isinstance(technique.space[technique.passes], Int):
        yield f"passes names {technique.passes!r}, which is no advisor.Int. Change it to one."
    for probe in subject.probes():
        params = technique.defaults()
        counts = [technique.pass_seconds(run_of(probe.example, SEED), **params) for _ in range(2)]
        if counts[0] != counts[1]:
            yield f"it returned {counts[0]} and {counts[1]} {probe.on}. Count; read no clock."
        if not math.isfinite(counts[0]) or counts[0] < 0:
            yield f"it returned {counts[0]} {probe.on}. Give seconds, 0 where none are known."


@promise(at=("finds",))
def finds_only(subject: Subject) -> Iterator[str]:
    """`finds` returns findings for the technique's own slot, with finite numbers, and changes
    nothing.
    """
    if type(subject.technique).finds is Technique.finds:
        raise Unjudged("it looks for nothing itself")
    slot = subject.technique.slot
    for probe in subject.probes():
        run = run_of(probe.example, SEED)
        before, states = state(run.model), global_states()
        # A finding names what its technique mends, and its number goes into JSON.
        for finding in subject.technique.finds(run):
            is_own = isinstance(finding, Finding) and finding.slot == slot
            if not is_own or not math.isfinite(finding.number):
                yield (
                    f"it returned {finding!r} {probe.on}. "
                    f"Change it to return advisor.Finding(…, slot={slot!r})."
                )
        if first_difference(before, state(run.model)) or states != global_states():
            yield (
                f"it changed the model or drew global random numbers {probe.on}. "
                "Change it to look only."
            )


@promise()
def applies(subject: Subject) -> Iterator[str]:
    """`apply` works at the defaults on every model that `unfit` lets pass, and returns None or one
    line.
    """
    for probe in subject.probes():
        attempt = probe.attempt()
        if attempt.raised is not None:
            raise AssertionError(
                f"it raised {explain(attempt.raised)} {probe.on}. "
                "Change it to work there, or say in unfit() why it cannot."
            ) from attempt.raised
        if attempt.returned is not None and not _is_line(attempt.returned):
            yield (
                f"it returned {attempt.returned!r} {probe.on}. "
                "Change it to return one line that says what was changed, or None."
            )


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and "\n" not in value


@promise()
def applies_at_the_ends(subject: Subject) -> Iterator[str]:
    """`apply` works and leaves finite numbers at both ends of the space, and with every option."""
    ends = subject.ends()
    if not ends:
        raise Unjudged("nothing of it varies")
    # One model is enough: the other promises try the defaults on all of them.
    probe = next(subject.probes())
    for params in ends:
        attempt = probe.attempt(params)
        if attempt.raised is not None:
            raise AssertionError(
                f"with {params} it raised {explain(attempt.raised)} {probe.on}. "
                "Change it, or narrow the space."
            ) from attempt.raised
        fault = _not_finite(attempt)
        if fault:
            yield f"with {params} {fault} {probe.on}. Change it, or narrow the space."


@promise()
def finite(subject: Subject) -> Iterator[str]:
    """Parameters, buffers and outputs are finite afterwards, and the output has the shape that it
    had.
    """
    for probe, attempt in subject.tries():
        fault = _not_finite(attempt)
        if fault:
            yield f"{fault} {probe.on}. Change what computes it."
        shape = output(attempt.run).shape
        if shape != attempt.shape:
            yield (
                f"the output was {tuple(attempt.shape)} and is {tuple(shape)} {probe.on}. "
                "Change it to keep the shape."
            )


def _not_finite(attempt: Try) -> str | None:
    """What of the model is not finite, or None."""
    for name, value in attempt.after.items():
        if not bool(torch.isfinite(value).all()):
            return f"{name} is not finite"
    if not bool(torch.isfinite(output(attempt.run)).all()):
        return "the output is not finite"
    return None


@promise()
def keeps_keys(subject: Subject) -> Iterator[str]:
    """Every key of the model's `state_dict` stays, with its shape; new ones may come."""
    for probe, attempt in subject.tries():
        # The user's own checkpoints must still load.
        after = attempt.after
        for name, before in attempt.before.items():
            if name not in after or after[name].shape != before.shape:
                yield (
                    f"{name!r} is gone or has another shape {probe.on}. "
                    "Change tensors in place, with copy_()."
                )


@promise()
def keeps_frozen(subject: Subject) -> Iterator[str]:
    """What the user froze stays frozen and keeps its values."""
    for probe, attempt in subject.tries():
        after = attempt.after
        there = dict(attempt.run.model.named_parameters(remove_duplicate=False))
        # A key that is gone breaks another promise. A layer that is wrapped has its weights under
        # other names: it is the parameter itself that must not be unfrozen.
        for name, frozen in attempt.frozen.items():
            if name in after and not equal(after[name], attempt.before[name]):
                yield (
                    f"it changed {name!r}, which is frozen, {probe.on}. "
                    "Skip parameters without requires_grad."
                )
            if there.get(name, frozen).requires_grad:
                yield (
                    f"it unfroze {name!r} {probe.on}. "
                    "Leave requires_grad of the user's parameters as it is."
                )


@promise()
def keeps_ties(subject: Subject) -> Iterator[str]:
    """Weights that were one tensor still are."""
    for probe, attempt in subject.tries():
        # More names may share the tensor than before, but none of them fewer.
        ties_after = ties(attempt.run.model)
        for names in attempt.tied:
            if not any(names <= tied for tied in ties_after):
                yield (
                    f"{' and '.join(sorted(names))} were one parameter {probe.on}. "
                    "Change it in place, not by a new one."
                )


@promise()
def keeps_padding(subject: Subject) -> Iterator[str]:
    """The padding row of an embedding table stays zero."""
    for probe, attempt in subject.tries():
        for name, module in attempt.run.model.named_modules():
            if not isinstance(module, nn.Embedding) or module.padding_idx is None:
                continue
            # Of rows that stand for no word, nothing may reach the layers after the table.
            if bool(module.weight[module.padding_idx].any()):
                yield (
                    f"row {module.padding_idx} of {name} is not zero {probe.on}. "
                    "Set it to zero at the end."
                )


@promise(at=("fill", "learn", "vectors", "apply", "__init__"))
def leaves_global_random_numbers(subject: Subject) -> Iterator[str]:
    """The global random states of torch, NumPy and Python are left as they were."""
    for probe, attempt in subject.tries():
        if attempt.drawn:
            yield (
                f"the global state of {' and '.join(attempt.drawn)} moved {probe.on}. "
                "Change it to draw from run.generator "
                "(or the generator that it gets), and never call manual_seed."
            )


@promise(at=("fill", "learn", "vectors", "apply", "__init__"))
def repeats(subject: Subject) -> Iterator[str]:
    """The same seed gives the same model, whatever the global random states are."""
    for probe, attempt in list(subject.tries())[:3]:
        # Only where the global random states stand differs between the two.
        again = probe.working(global_seed=OTHER)
        name = first_difference(attempt.after, again.after)
        if name:
            yield (
                f"{name!r} differs between two runs of one seed {probe.on}. "
                "Change it to draw from run.generator."
            )


@promise()
def blind(subject: Subject) -> Iterator[str]:
    """Validation and test data are never looked at."""
    for probe in subject.probes():
        # The data raise when they are used; a technique that catches this is noted all the same.
        attempt = probe.attempt()
        if attempt.touched:
            raise AssertionError(
                f"it read run.task.{attempt.touched[0]} {probe.on}. "
                "Change it to use run.data, which is what training sees."
            ) from attempt.raised
    yield from ()
