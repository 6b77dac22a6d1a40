"""Dropout at another rate, or where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from advisor import Float, Layer, Run, Technique

MODULES = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
"""Torch's dropouts that drop parts of a signal, whose rate is set."""
OF_MAPS: Mapping[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv1d: F.dropout1d,
    nn.Conv2d: F.dropout2d,
    nn.Conv3d: F.dropout3d,
}
"""What drops whole channels before these layers; before others single numbers are dropped."""


class DropInput:
    """A hook before a layer that drops a part of its input in training.

    Arguments:
        rate: the share that is dropped.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The input of the layer."""
        if not module.training or not inputs or not isinstance(inputs[0], Tensor):
            return inputs
        drop = OF_MAPS.get(type(module), F.dropout)
        return (drop(inputs[0], self.rate, training=True), *inputs[1:])


class DropoutRate(Technique):
    """Dropout at this rate: of the dropouts that the model has, or else before its hidden layers.

    x ← x · b / (1 - p), b ~ Bernoulli(1 - p) for each unit, or for each channel of maps, in
    training alone. Helps wide layers and few rows; with batch norm little is left to gain.

    Arguments:
        rate: the share p that is dropped.

    Reference: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
    overfitting"; Tompson et al. 2015 (whole channels).
    """

    name = "dropout_rate"
    slot = "regularization"
    cite = "Srivastava et al. 2014; Tompson et al. 2015"
    space = {"rate": Float(0.0, 0.7, default=0.2)}
    fights = {
        "normalization.batch_norm": (
            "dropout moves the variance that batch norm keeps for use (Li et al. 2019)"
        )
    }

    def unfit(self, run: Run) -> str | None:
        """There must be a dropout, or a layer whose input is another layer's result."""
        if dropouts(run.model) or later_layers(run):
            return None
        return "the model has no dropout, and no layer after a hidden one that it calls"

    def apply(self, run: Run, rate: float = 0.2, **params: Any) -> str:
        """Set the rate, or put dropout in."""
        present = dropouts(run.model)
        for module in present.values():
            module.p = rate
        if present:
            return f"dropout {rate:.3g} at {', '.join(present)}"
        layers = later_layers(run)
        for layer in layers:
            layer.module.register_forward_pre_hook(DropInput(rate))
        return f"dropout {rate:.3g} before {', '.join(layer.name for layer in layers)}"


def dropouts(model: nn.Module) -> dict[str, Any]:
    """The dropouts of a model by name."""
    named = nn.Module.named_modules(model)
    return {name: each for name, each in named if isinstance(each, MODULES)}


def later_layers(run: Run) -> list[Layer]:
    """The linear layers and convolutions that are called on the result of another layer."""
    kinds = ("linear", "conv", "conv_transpose")
    first = next((layer.index for layer in run.anatomy.layers if layer.kind in kinds), 0)
    return [
        layer
        for layer in run.anatomy.layers
        if layer.kind in kinds and layer.callable and not layer.matrices and layer.index > first
    ]
