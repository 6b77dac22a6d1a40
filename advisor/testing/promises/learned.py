"""Promises of initializers, pretraining and embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from advisor.slots.embedding.base import Embedding
from advisor.slots.initializer.base import Initializer
from advisor.slots.pretraining.base import Pretraining
from advisor.technique import Technique
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import OTHER, Subject, equal, first_difference
from advisor.training.run import Run

FEW = 8
"""Different numbers in a weight below which it was built rather than drawn: identities, constants,
Hadamard matrices.
"""

Observer = Callable[[tuple[Any, ...], Any], None]
"""Gets the arguments and the result of a call."""


@contextmanager
def observed(technique: Technique, name: str, observe: Observer) -> Iterator[None]:
    """Inside, `observe` gets the arguments and the result of every call of a method."""
    method = getattr(technique, name)

    def call_and_observe(*args: Any, **params: Any) -> Any:
        """Call the method and hand both ends of the call on."""
        result = method(*args, **params)
        observe(args, result)
        return result

    # The instance's attribute hides the method of its class, until it is deleted.
    setattr(technique, name, call_and_observe)
    try:
        yield
    finally:
        delattr(technique, name)


# ---------------------------------------------------------------- initializers


@promise(Initializer, at=("fill", "start", "apply"))
def fills_blocks(subject: Subject) -> Iterator[str]:
    """An initializer fills gates, attention projections and groups one block at a time."""
    for probe in subject.probes():
        filled: list[Tensor] = []
        with observed(subject.technique, "fill", _first_argument_into(filled)):
            run = probe.fresh().run
        # A weight that was filled is a view of the parameter whose memory it shares.
        blocks = {}
        for name, parameter, count in _stacked(run):
            memory = parameter.untyped_storage().data_ptr()
            blocks[memory] = name, parameter.numel() // count
        for weight in filled:
            name, most = blocks.get(weight.untyped_storage().data_ptr(), ("", math.inf))
            if weight.numel() > most:
                what = f"fill got {tuple(weight.shape)} of {name} {probe.on}"
                yield f"{what}, several blocks at once. Leave blocks to start()."


def _first_argument_into(arguments: list[Tensor]) -> Observer:
    return lambda args, _: arguments.append(args[0])


def _stacked(run: Run) -> Iterator[tuple[str, Tensor, int]]:
    """Parameters in which several matrices are stacked, with how many."""
    for path, module in run.model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            count = 1
            if isinstance(module, nn.LSTM):
                count = 4
            elif isinstance(module, nn.MultiheadAttention):
                count = 3
            if parameter.ndim > 2:
                count = getattr(module, "groups", count)
            if count > 1 and name != "out_proj" and parameter.ndim >= 2:
                yield f"{path}.{name}", parameter, count


@promise(Initializer, at=("start", "apply"))
def sets_the_forget_gate_once(subject: Subject) -> Iterator[str]:
    """An initializer sets at most one of the two biases of an LSTM's forget gate, because they are
    added.
    """
    fits_an_lstm = False
    for probe, attempt in subject.tries():
        for name, module in attempt.run.model.named_modules():
            if not isinstance(module, nn.LSTM):
                continue
            fits_an_lstm = True
            biases = dict(module.named_parameters())
            # Of the four gates, the second is the forget gate.
            input_bias = biases["bias_ih_l0"].detach().chunk(4)[1]
            hidden_bias = biases["bias_hh_l0"].detach().chunk(4)[1]
            if bool((input_bias * hidden_bias).any()):
                yield f"both biases of {name} are set {probe.on}. Leave one at zero."
    if not fits_an_lstm:
        raise Unjudged("it does not fit an LSTM")


@promise(Initializer, at=("start", "apply"))
def leaves_norms(subject: Subject) -> Iterator[str]:
    """An initializer leaves norm layers as they are, running statistics too."""
    for probe, attempt in subject.tries():
        before, after = attempt.before, attempt.after
        for path, module in attempt.run.model.named_modules():
            if not isinstance(module, (_NormBase, nn.LayerNorm)):
                continue
            for key in module.state_dict():
                name = f"{path}.{key}"
                if not equal(after[name], before[name]):
                    yield (
                        f"it changed {name} {probe.on}. "
                        "Leave norm layers out, and restore their statistics."
                    )


@promise(Initializer, at=("fill", "start", "apply"))
def draws_by_the_seed(subject: Subject) -> Iterator[str]:
    """Another seed gives another draw, unless the rule draws nothing."""
    for probe, attempt in subject.tries():
        before, after = attempt.before, attempt.after
        # Rules that draw nothing, such as constants, give the same numbers for every seed.
        other = probe.working(seed=OTHER).after
        if first_difference(after, other) is not None:
            continue
        if any(_is_drawn(before[name], after[name]) for name in before):
            yield (
                f"two seeds give the same numbers {probe.on}. "
                "Change it to draw from the generator that it gets."
            )


def _is_drawn(before: Tensor, after: Tensor) -> bool:
    """Whether a weight holds new numbers that no simple construction gives: neither few values nor
    a multiple of the old.
    """
    if after.ndim < 2 or equal(before, after) or len(after.unique()) <= FEW:
        return False
    # Rules that rescale what a model begins with draw nothing new.
    rescaled = after * (before.norm() / after.norm())
    difference = (before - rescaled).abs().max()
    return not bool(difference <= 1e-5 * before.abs().max())


# ---------------------------------------------------------------- pretraining and embeddings


@promise(Pretraining, at=("learn", "apply"))
def lowers_its_loss(subject: Subject) -> Iterator[str]:
    """Pretraining tells finite losses from before and after, and lowers them on some layer of the
    kit's models.
    """
    # Two models have several layers, and one that is learnt better shows that it learns.
    losses: list[Any] = []
    for probe in list(subject.probes())[:2]:
        with observed(subject.technique, "learn", lambda _, result: losses.append(result)):
            probe.fresh()
    if not losses:
        raise Unjudged("it does not learn by learn()")

    for pair in losses:
        if not _is_pair_of_numbers(pair):
            yield (
                f"learn returned {pair!r}. "
                "Change it to return two numbers, the loss before and after."
            )
            return
    if not any(math.isfinite(pair[1]) and pair[1] < pair[0] for pair in losses):
        examples = ", ".join(f"{pair[0]:.3g} → {pair[1]:.3g}" for pair in losses[:4])
        yield (
            f"its loss fell on none of {len(losses)} layers ({examples}). "
            "Change its rate, or measure both on the same rows."
        )


def _is_pair_of_numbers(value: Any) -> bool:
    """Whether this is a tuple that begins with two numbers."""
    if not isinstance(value, tuple) or len(value) < 2:
        return False
    return all(isinstance(number, (int, float)) for number in value[:2])


@promise(Pretraining, at=("learn", "apply"))
def learns_without_targets(subject: Subject) -> Iterator[str]:
    """Pretraining uses no targets, unless it says so with `labelled = True`."""
    if getattr(subject.technique, "labelled", False):
        raise Unjudged("it says that it uses targets")
    yield from _differs_by_targets(subject)


@promise(Embedding, at=("vectors", "apply"))
def reads_without_targets(subject: Subject) -> Iterator[str]:
    """Word vectors do not depend on targets."""
    yield from _differs_by_targets(subject)


def _differs_by_targets(subject: Subject) -> Iterator[str]:
    for probe, attempt in list(subject.tries())[:2]:
        # Seed and inputs are the same; only the targets are others.
        other = probe.working(other_targets=True)
        name = first_difference(attempt.after, other.after)
        if name:
            yield f"{name!r} is another for other targets {probe.on}. Change it to use inputs only."


@promise(Pretraining, at=("learn", "apply"))
def leaves_no_gradients(subject: Subject) -> Iterator[str]:
    """Pretraining leaves no gradients behind."""
    for probe, attempt in subject.tries():
        for name, parameter in attempt.run.model.named_parameters():
            if parameter.grad is not None and bool(parameter.grad.any()):
                yield f"{name} still has a gradient {probe.on}. Set it to None at the end."


@promise(Embedding, at=("vectors", "apply"))
def fills_rows(subject: Subject) -> Iterator[str]:
    """An embedding changes the rows of word tables and no other tensor."""
    for probe, attempt in subject.tries():
        tables = set()
        for path, module in attempt.run.model.named_modules():
            if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                tables.add(f"{path}.weight")
        # A weight that is tied to a table changes with it.
        allowed = set(tables)
        for names in attempt.tied:
            if names & tables:
                allowed |= names

        after = attempt.after
        changed = [name for name, was in attempt.before.items() if not equal(was, after[name])]
        if not allowed.intersection(changed):
            yield f"no row of a table changed {probe.on}. Return vectors by id from vectors()."
        others = [name for name in changed if name not in allowed]
        if others:
            yield (
                f"it changed {others[0]!r} {probe.on}. Leave everything but tables to other slots."
            )
