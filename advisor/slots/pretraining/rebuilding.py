"""The step of a linear layer that learns to rebuild what it reads, written out.

Such a step is a few products. Torch's kernels are called in turn, forwards and backwards, on
tensors that are made once: autograd's notes would take longer. The numbers are the same, but for
what rounding does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advisor.model.tracing.formula import formula_of
from advisor.slots.pretraining.segments import Segment
from advisor.training.optimizers import FUSED_DEVICES
from advisor.training.stacks.curves import ATEN, CURVES, LAYERS, Curve, by_tape, curve_of

Error = Callable[[Tensor, Tensor], Tensor]
"""The mean error of what was rebuilt, `(rebuilt, clean)`."""


def squares_into(rebuilt: Tensor, clean: Tensor, gradient: Tensor) -> None:
    """Write the gradient of the mean squared error."""
    one = torch.ones((), dtype=rebuilt.dtype, device=rebuilt.device)
    ATEN.mse_loss_backward.grad_input(one, rebuilt, clean, 1, grad_input=gradient)


def entropy_into(rebuilt: Tensor, clean: Tensor, gradient: Tensor) -> None:
    """Write the gradient of the mean cross-entropy of logits."""
    torch.sigmoid(rebuilt, out=gradient)
    gradient.sub_(clean).div_(clean.numel())


SLOPES: dict[Error, Callable[[Tensor, Tensor, Tensor], None]] = {
    F.mse_loss: squares_into,
    F.binary_cross_entropy_with_logits: entropy_into,
}
"""How the gradients of errors are written: of what was rebuilt, by that and what it should be."""


class Spaces(NamedTuple):
    """What a step of so many rows writes to: the layer's output before and after its activation,
    what is rebuilt, and the gradients of the last two.
    """

    before: Tensor
    after: Tensor
    rebuilt: Tensor
    error: Tensor
    slope: Tensor


class Rebuilding:
    """Writes the gradients of the mean error of what a layer's decoder makes of its output.

    Arguments:
        segment: a linear layer.
        decoder: its mirror.
        error: one of `SLOPES`.
    """

    def __init__(self, segment: Segment, decoder: nn.Linear, error: Error) -> None:
        self._layer = weights_of(segment.weight, segment.bias)
        self._decoder = weights_of(decoder.weight, decoder.bias)
        self._curve = curve_of_function(segment.activation)
        self._slope = SLOPES[error]
        self._spaces: dict[int, Spaces] = {}

    @torch.no_grad()
    def __call__(self, read: Tensor, clean: Tensor) -> None:
        """Write the gradients for rows that the layer reads and those that are to be rebuilt."""
        spaces = self._spaces_for(clean)
        self._layer.forward(read, spaces.before)
        if self._curve is not None:
            self._curve.value(spaces.before, spaces.after)()
        self._decoder.forward(spaces.after, spaces.rebuilt)

        self._slope(spaces.rebuilt, clean, spaces.error)
        self._decoder.backward(spaces.after, spaces.error)
        torch.mm(spaces.error, self._decoder.weight, out=spaces.slope)
        if self._curve is not None:
            known = spaces.after if self._curve.by_output else spaces.before
            self._curve.slope(spaces.slope, known, spaces.slope)()
        self._layer.backward(read, spaces.slope)

    def _spaces_for(self, clean: Tensor) -> Spaces:
        rows = len(clean)
        if rows not in self._spaces:
            before, slope = (clean.new_empty(rows, len(self._layer.weight)) for _ in range(2))
            is_same = self._curve is None or self._curve.by_output
            after = before if is_same else torch.empty_like(before)
            rebuilt, error = torch.empty_like(clean), torch.empty_like(clean)
            self._spaces[rows] = Spaces(before, after, rebuilt, error, slope)
        return self._spaces[rows]


class LinearWeights(NamedTuple):
    """Of a linear layer, with where their gradients are written; None for what it has not."""

    weight: Tensor
    bias: Tensor | None
    gradient: Tensor
    bias_gradient: Tensor | None

    def forward(self, read: Tensor, output: Tensor) -> None:
        """Write the layer's output."""
        if self.bias is None:
            torch.mm(read, self.weight.mT, out=output)
        else:
            torch.addmm(self.bias, read, self.weight.mT, out=output)

    def backward(self, read: Tensor, gradient: Tensor) -> None:
        """Write the gradients of weight and bias, by that of the output."""
        torch.mm(gradient.mT, read, out=self.gradient)
        if self.bias_gradient is not None:
            torch.sum(gradient, 0, out=self.bias_gradient)


def weights_of(weight: Tensor, bias: Tensor | None) -> LinearWeights:
    """Weight and bias of a layer, which get gradients where they are trained."""
    for each in (weight, bias):
        if each is not None and each.requires_grad:
            each.grad = torch.zeros_like(each)
    gradient = None if bias is None else bias.grad
    own = None if bias is None else bias.detach()
    assert weight.grad is not None  # it is trained
    return LinearWeights(weight.detach(), own, weight.grad, gradient)


def curve_of_function(function: Callable[[Tensor], Tensor]) -> Curve | None:
    """What an activation does to single numbers; None for the identity."""
    if type(function) is nn.Identity:
        return None
    formula = formula_of(function)
    if formula is None:
        return by_tape(function)
    if formula.of in CURVES:
        return curve_of(formula.built())  # type: ignore[arg-type]  # a module, as its class is one
    is_bare = not formula.arguments and not formula.settings
    return curve_of(LAYERS[formula.of]) if is_bare and formula.of in LAYERS else by_tape(function)


def rebuilding(segment: Segment, decoder: nn.Module, error: Error) -> Rebuilding | None:
    """What writes the gradients of a layer and its decoder; None where autograd has to."""
    operation = segment.operation
    # The operation may add another bias than the layer's, or none.
    is_linear = operation.name == "linear" and operation.bias is segment.bias
    if not is_linear or type(decoder) is not nn.Linear or error not in SLOPES:
        return None
    own = (segment.weight, segment.bias, decoder.weight, decoder.bias)
    if not all(each is None or is_plain(each) for each in own):
        return None
    # What has no derivative gives the layer no gradient at all.
    has_slope = segment.encode(segment.weight.new_zeros(2, *segment.size)).requires_grad
    return Rebuilding(segment, decoder, error) if has_slope else None


def is_plain(parameter: Tensor) -> bool:
    """Whether nothing happens to a parameter but what a layer does with it, on a device for which
    torch has all that is called here.
    """
    hooks = (parameter._backward_hooks, parameter._post_accumulate_grad_hooks)
    is_known = type(parameter) is nn.Parameter and parameter.device.type in FUSED_DEVICES
    return is_known and not any(hooks)
