"""AutoInit: weights by an analysis of what reaches each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from advisor import Choice, Fans, Initializer, Layer, Run

from .fills import DISTRIBUTIONS
from .signals import Signal, SignalTracker

_TINY = 1e-12
"""An input with a smaller second moment carries no signal."""
_BY_FAN_IN = {
    "rnn": "recurrent: by fan_in",
    "attention": "projections inside one operation: by fan_in",
}
"""Kinds of layers that no rule of the analysis covers, and what they get."""


class AutoInit(Initializer):
    """Weights that keep mean 0 and variance 1 in every layer, by analysis of what comes before it.

    Var W = 1 / (fan_in · E x²), where mean and variance of a layer's input x follow from those of
    the rows and from each operation on the way: activations by quadrature, dropout as in training,
    pooling, sums, products and joins of branches as if these were independent. What has no rule,
    as normalizations, is measured on at most 256 training rows. Helps nets in which other things
    than an activation lie between two layers: dropout, pooling, branches, several activations.

    Arguments:
        distribution: what the weights are drawn from.

    Reference: Bingham & Miikkulainen 2023, "AutoInit: analytic signal-preserving weight
    initialization for neural networks".
    """

    name = "autoinit"
    cite = "Bingham & Miikkulainen 2023"
    cost = "a pass over at most 256 training rows, before training"
    # The first is the paper's own.
    space = {"distribution": Choice("truncated_normal", "untruncated_normal", "uniform")}
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        distribution: str = "truncated_normal",
        **params: Any,
    ) -> None:
        """The variance for an input with E x² = 1; what the input needs is multiplied later."""
        DISTRIBUTIONS[distribution](weight, 1 / math.sqrt(fans.fan_in), generator)

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, then follow the signal through the model once and scale each layer before it
        runs.
        """
        filled = super().apply(run, **params)
        results = self.scaled(run)
        squares = [result for result in results.values() if isinstance(result, float)]
        action = f"variance 1 by analysis in {len(squares)} layers"
        if squares:
            action += f" (E x² before them {min(squares):.2g}–{max(squares):.2g})"
        others = [(name, why) for name, why in results.items() if isinstance(why, str)]
        if others:
            action += f"; not analysed: {self.tell(others)}"
        return f"{action}; {filled}"

    def scaled(self, run: Run) -> dict[str, float | str]:
        """Scale every layer; by name, E x² of its input, or why it was not scaled."""
        results: dict[str, float | str] = {}
        for layer in self.layers(run):
            why = "it did not run" if layer.callable else "never called as a layer: by fan_in"
            results[layer.name] = _BY_FAN_IN.get(layer.kind, why)
        inputs = self.sample(run)
        tracker = SignalTracker()
        for each in inputs:
            if isinstance(each, Tensor) and each.is_floating_point():
                tracker.put(each, tracker.of(each))
        reached: dict[str, float] = {}

        def enter(layer: Layer, given: Tensor) -> None:
            """Scale a layer before it runs for the first time."""
            square = reached[layer.name] = tracker.of(given).square
            if isinstance(results[layer.name], str) and square > _TINY:
                self.scale(layer, 1 / math.sqrt(square))
                results[layer.name] = square

        def leave(layer: Layer, output: Tensor, *_: Any) -> None:
            """Say what left a layer: variance 1 where it was scaled for what had reached it."""
            first = results[layer.name]
            if isinstance(first, float):
                tracker.put(output, left(layer, reached[layer.name] / first))

        analysed = [each for each in self.layers(run) if each.kind not in _BY_FAN_IN]
        with self.visiting(run, leave) as forward, entering(analysed, enter), tracker:
            forward(inputs)
        return results


@contextmanager
def entering(layers: Iterable[Layer], enter: Callable[[Layer, Tensor], None]) -> Iterator[None]:
    """Inside, `enter` is called with each layer that is about to run, and its input."""

    def hook(layer: Layer, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if given is not None:
            enter(layer, given)

    with ExitStack() as hooks:
        for layer in layers:
            if layer.callable:
                before = partial(hook, layer)
                handle = layer.module.register_forward_pre_hook(before, with_kwargs=True)
                hooks.callback(handle.remove)
        yield


def left(layer: Layer, variance: float) -> Signal:
    """The output of a layer whose sums have this variance; a bias that the author set adds its own
    mean and variance.
    """
    bias = layer.module._parameters.get("bias")
    if bias is None:
        return Signal.gaussian(0.0, variance)
    numbers = bias.detach().double()
    return Signal.gaussian(float(numbers.mean()), variance + float(numbers.var(correction=0)))
