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
from advisor.testing.subject import OTHER, Probe, Subject, equal, same
from advisor.training.run import Run

FEW = 8
"""Different numbers in a weight below which it was built rather than drawn: identities, constants,
Hadamard matrices.
"""


@contextmanager
def watched(
    technique: Technique, name: str, see: Callable[[tuple[Any, ...], Any], None]
) -> Iterator[None]:
    """`see` gets the arguments and the result of every call of a method."""
    method = getattr(technique, name)

    def instead(*args: Any, **params: Any) -> Any:
        result = method(*args, **params)
        see(args, result)
        return result

    setattr(technique, name, instead)
    try:
        yield
    finally:
        delattr(technique, name)


# ---------------------------------------------------------------- initializers


@promise(Initializer, at=("fill", "start", "apply"))
def fills_blocks(subject: Subject) -> Iterator[str]:
    """An initializer fills gates, attention projections and groups one block at a time."""
    for probe in subject.probes():
        seen: list[Tensor] = []
        with watched(subject.technique, "fill", lambda args, _, seen=seen: seen.append(args[0])):  # type: ignore[misc]
            run = probe.fresh().run
        whole = {
            p.untyped_storage().data_ptr(): (name, p.numel() // n) for name, p, n in _stacked(run)
        }
        for weight in seen:
            name, most = whole.get(weight.untyped_storage().data_ptr(), ("", math.inf))
            if weight.numel() > most:
                yield f"fill got {tuple(weight.shape)} of {name} {probe.on}, several blocks at once. Leave blocks to start()."


def _stacked(run: Run) -> Iterator[tuple[str, Tensor, int]]:
    """Parameters in which several matrices are stacked, with how many."""
    for path, module in run.model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            count = (
                4
                if isinstance(module, nn.LSTM)
                else 3
                if isinstance(module, nn.MultiheadAttention)
                else 1
            )
            count = getattr(module, "groups", count) if parameter.ndim > 2 else count
            if count > 1 and name != "out_proj" and parameter.ndim >= 2:
                yield f"{path}.{name}", parameter, count


@promise(Initializer, at=("start", "apply"))
def sets_the_forget_gate_once(subject: Subject) -> Iterator[str]:
    """An initializer sets at most one of the two biases of an LSTM's forget gate, because they are
    added.
    """
    seen = False
    for probe, found in subject.tries():
        for name, module in found.run.model.named_modules():
            if isinstance(module, nn.LSTM):
                biases = dict(module.named_parameters())
                one, other = (
                    biases[key].detach().chunk(4)[1] for key in ("bias_ih_l0", "bias_hh_l0")
                )
                seen = True
                if bool((one * other).any()):
                    yield f"both biases of {name} are set {probe.on}. Leave one at zero."
    if not seen:
        raise Unjudged("it does not fit an LSTM")


@promise(Initializer, at=("start", "apply"))
def leaves_norms(subject: Subject) -> Iterator[str]:
    """An initializer leaves norm layers as they are, running statistics too."""
    for probe, found in subject.tries():
        now = found.after
        for path, module in found.run.model.named_modules():
            if isinstance(module, (_NormBase, nn.LayerNorm)):
                names = [f"{path}.{key}" for key in module.state_dict()]
                if bad := [name for name in names if not equal(now[name], found.before[name])]:
                    yield f"it changed {bad[0]} {probe.on}. Leave norm layers out, and restore their statistics."


@promise(Initializer, at=("fill", "start", "apply"))
def draws_by_the_seed(subject: Subject) -> Iterator[str]:
    """Another seed gives another draw, unless the rule draws nothing."""
    for probe, found in subject.tries():
        one, other = found.after, probe.tried(seed=OTHER).after
        if same(one, other) is None and any(
            _is_drawn(found.before[name], one[name]) for name in found.before
        ):
            yield f"two seeds give the same numbers {probe.on}. Change it to draw from the generator that it gets."


def _is_drawn(before: Tensor, after: Tensor) -> bool:
    """Whether a weight holds new numbers that no simple construction gives: neither few values nor
    a multiple of the old.
    """
    if after.ndim < 2 or equal(before, after) or len(after.unique()) <= FEW:
        return False
    return not bool(
        (before - after * (before.norm() / after.norm())).abs().max() <= 1e-5 * before.abs().max()
    )


# ---------------------------------------------------------------- pretraining and embeddings


@promise(Pretraining, at=("learn", "apply"))
def lowers_its_loss(subject: Subject) -> Iterator[str]:
    """Pretraining tells finite losses from before and after, and lowers them on some layer of the
    kit's models.
    """
    losses: list[Any] = []
    for probe in list(subject.probes())[:2]:
        with watched(subject.technique, "learn", lambda _, result: losses.append(result)):
            probe.fresh()
    if not losses:
        raise Unjudged("it does not learn by learn()")
    for pair in losses:
        if (
            not isinstance(pair, tuple)
            or len(pair) < 2
            or not all(isinstance(x, (int, float)) for x in pair[:2])
        ):
            yield f"learn returned {pair!r}. Change it to return two numbers, the loss before and after."
            return
    if not any(math.isfinite(pair[1]) and pair[1] < pair[0] for pair in losses):
        told = ", ".join(f"{pair[0]:.3g} → {pair[1]:.3g}" for pair in losses[:4])
        yield f"its loss fell on none of {len(losses)} layers ({told}). Change its rate, or measure both on the same rows."


@promise(Pretraining, at=("learn", "apply"))
def learns_without_targets(subject: Subject) -> Iterator[str]:
    """Pretraining uses no targets, unless it says so with `labelled = True`."""
    if getattr(subject.technique, "labelled", False):
        raise Unjudged("it says that it uses targets")
    yield from _by_targets(subject)


@promise(Embedding, at=("vectors", "apply"))
def reads_without_targets(subject: Subject) -> Iterator[str]:
    """Word vectors do not depend on targets."""
    yield from _by_targets(subject)


def _by_targets(subject: Subject) -> Iterator[str]:
    for probe, found in list(subject.tries())[:2]:
        name = same(found.after, _turned(probe))
        if name:
            yield f"{name!r} is another for other targets {probe.on}. Change it to use inputs only."


def _turned(probe: Probe) -> dict[str, Tensor]:
    return probe.tried(turned=True).after


@promise(Pretraining, at=("learn", "apply"))
def leaves_no_gradients(subject: Subject) -> Iterator[str]:
    """Pretraining leaves no gradients behind."""
    for probe, found in subject.tries():
        for name, parameter in found.run.model.named_parameters():
            if parameter.grad is not None and bool(parameter.grad.any()):
                yield f"{name} still has a gradient {probe.on}. Set it to None at the end."


@promise(Embedding, at=("vectors", "apply"))
def fills_rows(subject: Subject) -> Iterator[str]:
    """An embedding changes the rows of word tables and no other tensor."""
    for probe, found in subject.tries():
        tables = {
            f"{path}.weight"
            for path, module in found.run.model.named_modules()
            if isinstance(module, (nn.Embedding, nn.EmbeddingBag))
        }
        tied = {name for names in found.tied if names & tables for name in names} | tables
        now = found.after
        changed = [name for name, was in found.before.items() if not equal(was, now[name])]
        if not any(name in tied for name in changed):
            yield f"no row of a table changed {probe.on}. Return vectors by id from vectors()."
        if others := [name for name in changed if name not in tied]:
            yield f"it changed {others[0]!r} {probe.on}. Leave everything but tables to other slots."
