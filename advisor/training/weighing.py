"""Rows that count more or less in training, with any loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from advisor.model.tracing.output import pick


def weigh(output: Any, chosen: int | str | None, weights: Tensor) -> None:
    """Multiply what each row gives to the gradient by its weight.

    A loss is a mean over rows, so this is the gradient of the weighted mean, whatever the loss; its
    value stays that of all rows alike.

    Arguments:
        output: what the model gave for a batch.
        chosen: which tensor of it is the prediction, as `Task.output`.
        weights: one for each row `(B,)`, or for each label of it `(B, k)`.
    """
    prediction = pick(output, len(weights), chosen)
    if not prediction.requires_grad:
        return
    # One weight a row holds for all numbers of the row.
    shape = (len(weights), *[1] * (prediction.ndim - 1))
    shaped = weights.reshape(shape if weights.ndim == 1 else prediction.shape)
    factors = shaped.to(prediction.dtype)
    prediction.register_hook(lambda gradient: gradient * factors)
