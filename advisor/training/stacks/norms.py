"""Normalizations in a step that is written out: one copy after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, fx, nn

from advisor.training.stacks.curves import ATEN
from advisor.training.stacks.plan import StepPlan
from advisor.training.stacks.traced import NotStackable


@dataclass
class Norms:
    """The normalizations of the copies.

    Attributes:
        inputs: what is read, `(copies, rows, …, features)`.
        layers: of the copies.
        weight, bias: stacked; the gradients of these are there already.
    """

    inputs: tuple[fx.Node, ...]
    layers: Sequence[Any]
    weight: Tensor
    bias: Tensor
    trains: bool = True


class BatchNorms(Norms):
    """Batch normalizations of vectors, which keep their running statistics."""

    def forward(self, plan: StepPlan) -> Tensor:
        """By the statistics of the mini-batch; by the running ones where rows are scored."""
        given = plan.values[self.inputs[0]]
        if given.ndim != 3:
            raise NotStackable("batch normalization of more than vectors is not written out")
        outputs, features = plan.new(given.shape, given), given.shape[2]
        shape = (len(given), 0 if plan.is_scoring else features)
        self._means, self._deviations = plan.new(shape, given), plan.new(shape, given)
        for place, layer in enumerate(self.layers):
            own = (self.weight.detach()[place], self.bias.detach()[place])
            kept = (layer.running_mean, layer.running_var)
            how = (not plan.is_scoring, layer.momentum, layer.eps)
            into = {
                "out": outputs[place],
                "save_mean": self._means[place],
                "save_invstd": self._deviations[place],
            }
            compute = ATEN.native_batch_norm.out
            plan.forward.append(partial(compute, given[place], *own, *kept, *how, **into))
            if layer.num_batches_tracked is not None and not plan.is_scoring:
                plan.forward.append(partial(layer.num_batches_tracked.add_, 1))
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """Through the statistics of the mini-batch."""
        given = plan.values[self.inputs[0]]
        for place, layer in enumerate(self.layers):
            kept = (layer.running_mean, layer.running_var)
            found = (self._means[place], self._deviations[place])
            read = (gradient[place], given[place], self.weight.detach()[place], *kept, *found)
            call = partial(ATEN.native_batch_norm_backward.out, *read, True, layer.eps)
            plan.backward.append(partial(call, (True,) * 3, **gradients_of(self, gradient, place)))
        plan.hand_on(self.inputs[0], gradient)


class LayerNorms(Norms):
    """Layer normalizations of the last dimension."""

    def forward(self, plan: StepPlan) -> Tensor:
        """By mean and deviation of each row."""
        given = plan.values[self.inputs[0]]
        outputs, shape = plan.new(given.shape, given), (*given.shape[:-1], 1)
        self._means, self._deviations = plan.new(shape, given), plan.new(shape, given)
        for place, layer in enumerate(self.layers):
            own = (self.weight.detach()[place], self.bias.detach()[place])
            into = {
                "out0": outputs[place],
                "out1": self._means[place],
                "out2": self._deviations[place],
            }
            call = partial(ATEN.native_layer_norm.out, given[place], layer.normalized_shape)
            plan.forward.append(partial(call, *own, layer.eps, **into))
        return outputs

    def backward(self, plan: StepPlan, gradient: Tensor) -> None:
        """Through mean and deviation of each row."""
        given = plan.values[self.inputs[0]]
        for place, layer in enumerate(self.layers):
            own = (self.weight.detach()[place], self.bias.detach()[place])
            found = (self._means[place], self._deviations[place])
            read = (gradient[place], given[place], layer.normalized_shape, *found, *own)
            call = partial(ATEN.native_layer_norm_backward.out, *read, (True,) * 3)
            plan.backward.append(partial(call, **gradients_of(self, gradient, place)))
        plan.hand_on(self.inputs[0], gradient)


def has_usual_statistics(layer: Any) -> bool:
    """Whether a layer is a batch normalization with weights and running means."""
    is_one = type(layer) is nn.BatchNorm1d and layer.running_mean is not None
    return is_one and layer.affine and layer.momentum is not None


def is_by_row(layer: Any) -> bool:
    """Whether a layer normalizes the last dimension, and has weights and biases."""
    is_one = type(layer) is nn.LayerNorm and len(layer.normalized_shape) == 1
    return is_one and layer.weight is not None and layer.bias is not None


def gradients_of(norms: Norms, gradient: Tensor, place: int) -> dict[str, Tensor]:
    """Where the gradients of one copy are written: that of what is read over that of the value."""
    if norms.weight.grad is None or norms.bias.grad is None:
        raise NotStackable("a normalization is frozen")
    return {
        "out0": gradient[place],
        "out1": norms.weight.grad[place],
        "out2": norms.bias.grad[place],
    }
