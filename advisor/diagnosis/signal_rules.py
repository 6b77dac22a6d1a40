"""What can be wrong with the signal on its way forward and the gradient on its way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import Measured, Signal

FAINT = 3e-3
"""With almost equal rows (cosine above `ALIKE`), a deviation below this is a collapse too."""
ALIKE = 0.99
"""Mean cosine above which the rows are almost equal."""
SHRUNK = 1e-2
"""Share of the first layer's deviation: a signal that was small from the beginning did not
collapse.
"""
TAIL = 3
"""Hidden layers before the output that must be faint too: a small branch or token alone may begin
alike in all rows.
"""
NORMED = 100
"""How much more a gradient may grow through normalizations, which take the scale out of the weights
before them.
"""
GROWN = 10
"""Growth of the gradient inside the hidden layers; a large ratio without it comes from the output
layer.
"""


def not_finite(measured: Measured) -> Iterator[Finding]:
    """NaN or infinity in a layer, the loss or a gradient."""
    if measured.failure:
        return
    if math.isfinite(measured.loss):
        yield from _gradients_not_finite(measured)
        return
    place = _first_layer_where(
        measured.signals, lambda std: not math.isfinite(std), default="the loss"
    )
    sentence = (
        f"The loss at the start is {measured.loss}; "
        f"the first number that is not finite is in {place}."
    )
    yield finding_of("not_finite", place, measured.loss, sentence)


def _gradients_not_finite(measured: Measured) -> Iterator[Finding]:
    """Gradients that are not finite although the loss is, in one finding."""
    names, worst = [], 0.0
    for name, norm in measured.gradients.items():
        if norm is not None and not math.isfinite(norm):
            names.append(name)
            worst = norm
    if names:
        sentence = (
            f"The loss is finite, and its gradient is {worst} in {len(names)} of "
            f"{len(measured.gradients)} parameter tensors (first in {names[0]}): the first step "
            "ends the training. Look for a root, a logarithm, a norm or a division at zero."
        )
        yield finding_of("not_finite", names[0], worst, sentence)


def collapsed(measured: Measured) -> Iterator[Finding]:
    """All rows look the same to the last layer, and to the layers before it."""
    bound = BOUNDS["collapsed"].value
    last, cosine = measured.features, measured.cosine
    stds = [signal.std for signal in measured.hidden if signal.std is not None]
    if last is None or cosine is None or not stds:
        return

    # The signal must have become small on its way, and stay small to the end.
    tail = max(1, min(TAIL, len(stds) // 2))
    if not max(last, *stds[-tail:]) < SHRUNK * stds[0]:
        return
    if not (last < bound or (last < FAINT and cosine > ALIKE)):
        return

    first, end = measured.weighted[0].layer.name, measured.weighted[-1].layer.name
    place = _first_layer_where(measured.weighted, lambda std: std < bound, default=end)
    # Without biases rows may keep their directions, however little is left of them.
    what = "all rows look alike" if cosine > ALIKE else "next to nothing is left of the rows"
    sentence = (
        f"The signal collapses: the deviation across rows is {stds[0]:.2g} after "
        f"{first} and {last:.1g} before the output (below {bound:g} "
        f"from {place} on), so that {what} (mean cosine {cosine:.3f})."
    )
    yield finding_of("collapsed", place, last, sentence)


def _first_layer_where(
    signals: Sequence[Signal], is_wrong: Callable[[float], bool], default: str
) -> str:
    """Name of the first layer whose deviation is wrong, or `default` where none is."""
    for signal in signals:
        if signal.std is not None and is_wrong(signal.std):
            return signal.layer.name
    return default


@dataclass(frozen=True)
class GradientPath:
    """Gradient norms on the way from the loss back to the first layers.

    Attributes:
        first: layer of the first quarter with the largest gradient, and `first_norm`, its norm.
        last: the last layer, and `last_norm`, its norm.
        deepest_norm: norm in the last hidden layer.
    """

    first: Signal
    first_norm: float
    last: Signal
    last_norm: float
    deepest_norm: float

    def __str__(self) -> str:
        first = f"{self.first_norm:.1g} in {self.first.layer.name}"
        return f"its norm is {first} and {self.last_norm:.1g} in {self.last.layer.name}"


def vanishing(measured: Measured) -> Iterator[Finding]:
    """A gradient that is almost gone when it reaches the first layers."""
    path = gradient_path(measured)
    if path is not None and path.first_norm < BOUNDS["vanishing"].value:
        sentence = f"The gradient vanishes on its way to the first layers: {path}."
        yield finding_of("vanishing", path.first.layer.name, path.first_norm, sentence)


def exploding(measured: Measured) -> Iterator[Finding]:
    """A gradient that grows on its way to the first layers."""
    path = gradient_path(measured)
    if path is None:
        return
    # The gradient must grow inside the hidden layers too, not only in the output layer.
    bound = BOUNDS["exploding"].value * (NORMED if measured.is_normalized else 1)
    grows = path.first_norm > bound * path.last_norm > 0
    if grows and path.first_norm > GROWN * path.deepest_norm:
        times = path.first_norm / path.last_norm
        sentence = (
            f"The gradient explodes on its way to the first layers: {path}, "
            f"{times:.0f} times as much."
        )
        yield finding_of("exploding", path.first.layer.name, times, sentence)


def gradient_path(measured: Measured) -> GradientPath | None:
    """The gradient on its way back, or None where there is nothing to compare.

    There is not with fewer than two hidden layers, with numbers that are not finite, or where the
    author begins with a zero output layer, which passes no gradient in the first step.
    """
    # Layers whose result meets another branch in a product get gradients of another size.
    trained = [signal for signal in measured.weighted if signal.gradient is not None]
    hidden = []
    for signal in measured.hidden:
        if signal.gradient is not None and not signal.layer.mixes:
            hidden.append(signal)
    if len(hidden) < 2:
        return None
    # An output layer that begins at zero passes nothing in the first step.
    output_weights = []
    for signal in measured.output_layers:
        output_weights += signal.weights
    if output_weights and all(map(_is_zero, output_weights)):
        return None
    if not all(math.isfinite(_norm(signal)) for signal in trained):
        return None
    first, last = _first_layer(hidden), trained[-1]
    return GradientPath(first, _norm(first), last, _norm(last), _norm(hidden[-1]))


def _norm(signal: Signal) -> float:
    return signal.gradient or 0.0


def _first_layer(hidden: list[Signal]) -> Signal:
    """The layer with the largest gradient in the first quarter, because one layer may lie in a
    branch with little gradient.

    Where a branch begins with zero weights, nothing reaches its beginning yet; then it is the first
    layer that gets a gradient.
    """
    # The largest would be one at the end of such a branch, which says nothing about the way back.
    if any(_is_zero(weight) for signal in hidden for weight in signal.weights):
        for signal in hidden:
            if signal.gradient:
                return signal
        return hidden[0]
    return max(hidden[: max(1, len(hidden) // 4)], key=_norm)


def _is_zero(weight: Tensor) -> bool:
    return not bool(weight.detach().any())


def no_gradient(measured: Measured) -> Iterator[Finding]:
    """Parameters of layers that ran and that the loss does not reach."""
    # Of a loss that is not finite, no gradient was computed.
    if not math.isfinite(measured.loss):
        return
    # One finding says it all where nothing of the model is reached.
    gradients = measured.gradients
    reached = any(norm is not None for norm in gradients.values())
    if not reached:
        what = "nothing: the model has no trainable parameters"
        if gradients:
            what = f"none of {len(gradients)} trainable tensors"
        sentence = f"The gradient of the loss reaches {what}. Nothing can be trained."
        yield finding_of("no_gradient", "the loss", len(gradients), sentence)
        return

    # A module that never ran is another finding; raw parameters belong to no layer.
    anatomy = measured.run.anatomy
    names = []
    for name, norm in gradients.items():
        if norm is None and name not in anatomy.raw and _module_of(name) not in anatomy.unused:
            names.append(name)
    for module, group in groupby(sorted(names), key=_module_of):
        tensors = len(list(group))
        sentence = (
            f"{module or 'the model'} ran, and no gradient of the loss reaches its {tensors} "
            "parameter tensors: they stay as they are. Look for detach(), no_grad() or argmax() "
            "behind it."
        )
        yield finding_of("no_gradient", module or "model", tensors, sentence)


def _module_of(parameter: str) -> str:
    return parameter.rpartition(".")[0]
