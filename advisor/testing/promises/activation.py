"""Promises of activations, about the function alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.randomness import isolated
from advisor.slots.activation.base import Activation
from advisor.testing.examples import WIDTH
from advisor.testing.promise import Unjudged, promise
from advisor.testing.subject import OTHER, SEED, Subject
from advisor.training.groups import parameter_groups

FAR = 50.0
"""An activation must be finite as far out as this."""
CLOSE = 1e-5
"""A difference below this is rounding."""
_AT = ("forward", "factory", "apply", "name")
"""What can be at fault where an activation's function is, likeliest first."""


@promise(Activation, at=("unfit", *_AT))
def fits(subject: Subject) -> Iterator[str]:
    """An activation can be tried on models with rectifiers."""
    # One model that it fits is enough to judge the function.
    reasons = [probe.why_not for probe in subject.all]
    if None not in reasons:
        why = str(reasons[0]).rstrip(".")
        raise AssertionError(
            f"it refuses each of the kit's models: {why}. "
            "Change what it returns, or what its unfit() asks for."
        ) from _failure(subject)
    yield from ()


@promise(Activation, at=_AT)
def elementwise(subject: Subject) -> Iterator[str]:
    """An activation is elementwise."""
    function = _function(subject)
    signal = torch.randn(16, WIDTH, generator=torch.Generator().manual_seed(0))
    value = _value(function, signal)
    if value.shape != signal.shape:
        yield (
            f"it turns the shape {tuple(signal.shape)} into {tuple(value.shape)}. "
            "Change it to keep the shape."
        )
        return

    # Move one number of the input: no other value may follow.
    for row, column in ((3, 2), (0, WIDTH - 1)):
        moved = signal.clone()
        moved[row, column] += 1.0
        others = (_value(function, moved) - value).abs() > CLOSE
        others[row, column] = False
        if bool(others.any()):
            yield (
                f"changing one number of its input changes {int(others.sum())} other values. "
                "Change it so that a value depends on its own input only; "
                "what looks at a batch or at neighbours is a layer."
            )
            return


@promise(Activation, at=_AT)
def steady(subject: Subject) -> Iterator[str]:
    """In evaluation mode an activation gives the same values each time; it draws no random numbers
    there.
    """
    # Two seeds show a draw, and two calls show what is kept from one to the next.
    function = _function(subject)
    signal = torch.linspace(-6, 6, WIDTH)
    if not torch.equal(_value(function, signal, SEED), _value(function, signal, OTHER)):
        yield (
            "two calls with one input differ. Change it to draw only where self.training is true, "
            "and to keep nothing from one call to the next."
        )


@promise(Activation, at=_AT)
def finite_far_out(subject: Subject) -> Iterator[str]:
    """An activation and its derivative are finite between -50 and 50."""
    function = _function(subject)
    numbers = torch.linspace(-FAR, FAR, 16 * WIDTH + 1)[: 16 * WIDTH]
    signal = numbers.reshape(16, WIDTH).requires_grad_()
    # A product, because a function that works in place may not change a leaf.
    with isolated(0):
        value = function(signal * 1.0)
        if value.shape != signal.shape:
            raise Unjudged("it does not keep the shape")
        if not value.requires_grad:
            yield (
                "it has no gradient. Change it to compute with torch, without detach() or NumPy."
            )
            return
        (slope,) = torch.autograd.grad(value.sum(), signal)

    # Name the first input at which a number is not finite.
    for what, result in (("value", value), ("derivative", slope)):
        bad = signal[~torch.isfinite(result)]
        if len(bad):
            yield (
                f"its {what} is not finite at {float(bad[0]):.3g}. "
                "Change it, for example with clamp or torch.where."
            )


@promise(Activation, at=_AT)
def bends(subject: Subject) -> Iterator[str]:
    """An activation is not a straight line: not the identity in disguise, and no constant."""
    signal = torch.linspace(-6, 6, 97)[:, None].expand(97, WIDTH).contiguous()
    values = _value(_function(subject), signal)
    if next(elementwise(subject), None):
        raise Unjudged("it is not elementwise")
    # Second differences of a straight line are zero.
    bending = values[2:] - 2 * values[1:-1] + values[:-2]
    if not bool((bending.abs() > CLOSE).any()):
        yield (
            "at its defaults it is affine, so a layer with it is a layer without. "
            "Change its function or its defaults."
        )


@promise(Activation, at=_AT)
def decays_nothing(subject: Subject) -> Iterator[str]:
    """Parameters that an activation brings get no weight decay."""
    brings_parameters = False
    for probe, attempt in subject.tries():
        undecayed: set[int] = set()
        for group in parameter_groups(attempt.run):
            if group.get("weight_decay") == 0.0:
                undecayed.update(map(id, group["params"]))
        for name, parameter in attempt.run.model.named_parameters():
            if name in attempt.before or not parameter.requires_grad:
                continue  # only what was not there before is the activation's own
            brings_parameters = True
            if id(parameter) not in undecayed:
                advice = "Add it to run.undecayed, or leave that to Activation.apply."
                yield f"{name!r} is decayed {probe.on}. {advice}"
    if not brings_parameters:
        raise Unjudged("it brings no parameters")


def _function(subject: Subject) -> Callable[[Tensor], Tensor]:
    """The activation as it stands in a model, in evaluation mode; else as its factory makes it."""
    technique = subject.technique
    # In a model it stands as it will train, with what `Activation.apply` adds.
    fitting = [probe for probe in subject.all if probe.fits]
    if fitting:
        for report in fitting[0].attempt().run.swaps:
            for activation in report.activations.values():
                return _in_evaluation(activation)
    try:
        activation = technique.factory(**technique.defaults())  # type: ignore[attr-defined]  # an Activation
        return _in_evaluation(activation)
    except Exception as problem:
        raise Unjudged(f"its factory raised {explain(problem)}") from problem


def _failure(subject: Subject) -> Exception | None:
    """What its factory or its function raises, at the defaults or at the ends of the space; None
    where neither does.
    """
    technique = subject.technique
    signal = torch.zeros(WIDTH, requires_grad=True)
    for params in (technique.defaults(), *subject.ends()):
        try:
            with isolated(0):
                activation = technique.factory(**params)  # type: ignore[attr-defined]  # an Activation
                _in_evaluation(activation)(signal * 1.0)
        except Exception as problem:  # a stranger's activation may raise anything
            return problem
    return None


def _in_evaluation(activation: Any) -> Callable[[Tensor], Tensor]:
    """A copy of an activation in evaluation mode; a plain function has no mode."""
    function: Callable[[Tensor], Tensor] = activation
    if isinstance(activation, nn.Module):
        function = copy.deepcopy(activation).eval()
    return function


def _value(function: Callable[[Tensor], Tensor], signal: Tensor, seed: int = 0) -> Tensor:
    with torch.no_grad(), isolated(seed):
        try:
            return torch.as_tensor(function(signal.clone()))
        except Exception as problem:
            raise AssertionError(
                f"it raised {explain(problem)} on a plain tensor. Change it to take any shape."
            ) from problem
