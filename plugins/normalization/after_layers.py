"""Norms between the hidden layers of a model without any and their activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from advisor import Layer, Run, Technique

from .modules import batch_norm, layer_norm, rms_norm

NAME = "normalization"
"""What the norm of a layer is called in it."""
KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers after which a norm can stand."""


def normalized(module: nn.Module, _inputs: Any, output: Any) -> Any:
    """A hook after a layer: its result, through the norm that it has."""
    norm: Callable[[Any], Any] = getattr(module, NAME)
    return norm(output)


class AfterLayers(Technique):
    """Norms after the hidden layers of a model that has none.

    Attributes:
        norm: the norm of a layer.
    """

    slot = "normalization"
    mends = ("collapsed", "vanishing", "exploding", "saturated_units")

    def norm(self, layer: nn.Module) -> nn.Module:
        """The norm of the result of a layer."""
        raise NotImplementedError

    def unfit(self, run: Run) -> str | None:
        """The model must have no norm yet, and hidden layers that are called."""
        norms = [layer.name for layer in run.anatomy.layers if layer.kind == "norm"]
        if norms:
            return f"the model normalizes already ({norms[0]})"
        if not hidden_layers(run):
            return "the model has no hidden linear layer or convolution that it calls"
        return None

    def apply(self, run: Run, **params: Any) -> str:
        """Put a norm into each hidden layer, behind its product."""
        layers = hidden_layers(run)
        for layer in layers:
            weight = next(nn.Module.parameters(layer.module))
            norm = self.norm(layer.module).to(weight.device, weight.dtype)
            norm.train(layer.module.training)
            layer.module.add_module(NAME, norm)
            layer.module.register_forward_hook(normalized)
            run.undecayed += nn.Module.parameters(norm)
        names = ", ".join(layer.name for layer in layers)
        return f"{self.name} between {names} and what follows"


class LayerNorm(AfterLayers):
    """Layer norm after each hidden layer, before its activation.

    (z - mean z) / std z · γ + β over the units of a row, or over channels and places of maps. Helps
    deep plain nets whose signal dies or runs away; it does not depend on the batch.

    Arguments:
        none

    Reference: Ba et al. 2016, "Layer normalization".
    """

    name = "layer_norm"
    cite = "Ba et al. 2016"

    def norm(self, layer: nn.Module) -> nn.Module:
        """Torch's, of vectors or maps."""
        return layer_norm(layer)


class RMSNorm(AfterLayers):
    """Root-mean-square norm after each hidden layer, before its activation.

    z / √(mean z² + ε) · γ over the units of a row, or over channels and places of maps. Helps as
    layer norm does, with less to compute; the mean of the signal stays.

    Arguments:
        none

    Reference: Zhang & Sennrich 2019, "Root mean square layer normalization".
    """

    name = "rms_norm"
    cite = "Zhang & Sennrich 2019"

    def norm(self, layer: nn.Module) -> nn.Module:
        """Torch's, of vectors; of maps its own."""
        return rms_norm(layer)


class BatchNorm(AfterLayers):
    """Batch norm after each hidden layer, before its activation.

    (z - mean z) / std z · γ + β over the rows of a mini-batch for each unit or channel, with
    running statistics in use. Helps convolutional nets most, with batches of sixteen rows and more.

    Arguments:
        none

    Reference: Ioffe & Szegedy 2015, "Batch normalization".
    """

    name = "batch_norm"
    cite = "Ioffe & Szegedy 2015"

    def norm(self, layer: nn.Module) -> nn.Module:
        """Torch's, of vectors or maps."""
        return batch_norm(layer)


def hidden_layers(run: Run) -> list[Layer]:
    """The layers of torch's own that an activation follows, which are called as modules."""
    return [
        layer
        for layer in run.anatomy.layers
        if type(layer.module) in KINDS
        and layer.callable
        and not (layer.is_output or layer.mixes or hasattr(layer.module, NAME))
        and layer.followed_by not in ("none", "output")
    ]
