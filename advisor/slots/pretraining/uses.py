"""How layers use their inputs while the model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from advisor.model import Layer
from advisor.slots.forward import forward, quiet
from advisor.slots.operations import OnUse, Operation, WeightUses, recurrent_uses
from advisor.training.run import Run


def input_weight(layer: Layer) -> Tensor | None:
    """The weight of a layer that its input meets first, where it is a parameter."""
    name = "weight_ih_l0" if layer.kind == "rnn" else "weight"
    return layer.module._parameters.get(name)


@contextmanager
def watching(layers: list[Layer], on_use: OnUse) -> Iterator[None]:
    """While open, `on_use` is called for every use of these layers."""
    weights: list[Tensor] = []
    recurrent: dict[nn.Module, Tensor] = {}
    for layer in layers:
        weight = input_weight(layer)
        if weight is None:
            continue
        if layer.kind == "rnn":
            recurrent[layer.module] = weight
        else:
            weights.append(weight)
    with WeightUses(weights, on_use), recurrent_uses(recurrent, on_use):
        yield


def as_rows(operation: Operation, inputs: Tensor) -> Tensor:
    """An operation's input as (rows, …): features last for a matrix product, (rows, channels, …)
    for a convolution.

    Of a recurrent layer (rows, steps, features).
    """
    if operation.name == "recurrent":
        return inputs if inputs.ndim == 3 else inputs[None]
    if "conv" not in operation.name:
        return inputs.reshape(-1, inputs.shape[-1])
    # The name ends in the number of dimensions and a d: `conv2d`.
    dimensions = int(operation.name[-2])
    return inputs if inputs.ndim == dimensions + 2 else inputs[None]


def first_uses(run: Run, layers: list[Layer]) -> dict[str, tuple[Operation, Tensor]]:
    """The first operation of each layer, by the layer's name, and its input as rows."""
    uses: dict[str, tuple[Operation, Tensor]] = {}
    names = {id(input_weight(layer)): layer.name for layer in layers}

    def note(weight: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep the first use of a weight."""
        uses.setdefault(names[id(weight)], (operation, as_rows(operation, inputs)))

    with quiet(run.model), watching(layers, note):
        forward(run, run.example())
    return uses
