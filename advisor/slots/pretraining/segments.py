"""The layers of a model that can be trained alone, and the inputs that reach them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from advisor.model import Layer
from advisor.model.tracing.elementwise import saturates, value_range
from advisor.slots.forward import affordable_rows, batches, forward, input_parts, quiet
from advisor.slots.layer_weight import sources
from advisor.slots.operations import OnUse, Operation, WeightUses, recurrent_uses
from advisor.training.objective import to_device
from advisor.training.run import EXAMPLE_ROWS, Run

KINDS = ("linear", "conv", "conv_transpose")
ROWS = 4096
"""Most rows on which a layer is pretrained; more than that seldom changes a layer."""
ELEMENTS = 16_000_000
"""About how many numbers of one layer's input are kept: 64 MB."""
WORK = 1_000_000_000
"""About how many multiplications one pass over a layer's rows takes: a second or less."""
BATCH = 256


@dataclass(frozen=True)
class Segment:
    """A layer as the model uses it, with the activation that follows it (the identity where none
    does).

    Arguments:
        layer: the user's layer.
        activation: a function of the layer's output.
        operation: what the layer computes, `operation(inputs)`; its `name` and `settings` say with
            which stride and so on.
        size: shape of one input row.
        yields: input rows for each row of data: more than one where a layer runs on tokens, or
            several times.
    """

    layer: Layer
    activation: Callable[[Tensor], Tensor]
    operation: Operation = field(repr=False)
    size: tuple[int, ...] = ()
    yields: float = 1.0

    @property
    def rows(self) -> int:
        """Input rows to train on: as many as memory and patience allow."""
        weights, places = (
            sum(p.numel() for p in self.layer.module.parameters(recurse=False)),
            self.size[1:],
        )
        work = weights * math.prod(self.size[:1] if self.layer.kind == "rnn" else places)
        return max(32, min(ROWS, ELEMENTS // max(1, math.prod(self.size)), WORK // max(1, work)))

    @property
    def whole_rows(self) -> int:
        """Rows of data whose inputs of this layer may be kept whole."""
        return max(32, int(self.rows / max(1.0, self.yields / max(1, self.layer.calls))))

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight; of a recurrent layer, that from its input."""
        found = _weight(self.layer)
        assert isinstance(found, nn.Parameter)  # others are left out
        return found

    @property
    def matrix(self) -> Tensor:
        """The weight of a linear layer as (units, inputs), however it lies."""
        return self.weight if self.operation.name == "linear" else self.weight.T

    @property
    def bias(self) -> Tensor | None:
        """The layer's bias, or None."""
        return self.layer.module._parameters.get("bias")

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The layer's trainable parameters."""
        return [
            parameter
            for parameter in self.layer.module.parameters(recurse=False)
            if parameter.requires_grad
        ]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Smallest and largest value of the activation, or None where it does not saturate on both
        sides.
        """
        found = value_range(self.activation, self.weight.detach())
        return found if saturates(found) else None

    def encode(self, inputs: Tensor) -> Tensor:
        """The layer and its activation, on `inputs` (rows, …)."""
        return self.activation(self.operation(inputs))


# ---------------------------------------------------------------- what can be pretrained


def segments(
    run: Run, kinds: Collection[str] = KINDS
) -> tuple[list[Segment], list[tuple[str, str]]]:
    """What can be pretrained among layers of these kinds, in order of execution, and why each other
    is left out.
    """
    layers = [layer for layer in run.anatomy.layers if layer.kind in kinds]
    why_not = {layer.name: _why_not(layer) for layer in layers}
    uses = _uses(run, [layer for layer in layers if why_not[layer.name] is None])
    found, skipped = [], []
    for layer in layers:
        why = why_not[layer.name] or _unusable(layer, uses.get(layer.name))
        if why:
            skipped.append((layer.name, why))
            continue
        operation, rows = uses[layer.name]
        yields = layer.calls * len(rows) / min(EXAMPLE_ROWS, len(run.data.train))
        function = layer.site.function if layer.site is not None and layer.kind != "rnn" else None
        found.append(
            Segment(layer, function or _identity, operation, tuple(rows.shape[1:]), yields)
        )
    return found, skipped


def _weight(layer: Layer) -> Tensor | None:
    return layer.module._parameters.get("weight_ih_l0" if layer.kind == "rnn" else "weight")


def _why_not(layer: Layer) -> str | None:
    weight, module = _weight(layer), layer.module
    reasons = (
        (layer.is_output, "output layer"),
        (layer.site is not None and layer.site.label != "hidden", "feeds a gate or a probability"),
        (bool(layer.tied), "its weight is tied"),
        (not any(parameter.requires_grad for parameter in sources(layer).values()), "frozen"),
        (
            layer.kind == "rnn" and not isinstance(module, nn.RNNBase),
            "a cell: its steps are the model's own",
        ),
        (weight is None, "its weight is computed from others"),
        (weight is not None and not weight.requires_grad, "frozen"),
        (isinstance(module, nn.Bilinear), "it has two inputs"),
        (
            layer.kind == "rnn" and getattr(module, "bidirectional", False),
            "it reads from both sides: it has seen the next step",
        ),
        (layer.mixes, "meets another branch in a product"),
    )
    return next((why for fails, why in reasons if fails), None)


def _unusable(layer: Layer, use: tuple[Operation, Tensor] | None) -> str | None:
    if use is None:
        return (
            "its input is packed"
            if layer.kind == "rnn"
            else "its weight is used inside another operation"
        )
    if layer.kind == "rnn" and use[1].shape[1] < 2:
        return "its sequences have one step"
    return None if use[1].is_floating_point() else "its input is not real numbers"


def _identity(signal: Tensor) -> Tensor:
    return signal


def _uses(run: Run, layers: list[Layer]) -> dict[str, tuple[Operation, Tensor]]:
    """The first operation of each layer, by the layer's name, and its input as rows."""
    found: dict[str, tuple[Operation, Tensor]] = {}
    names = {id(_weight(layer)): layer.name for layer in layers}

    def see(weight: Tensor, operation: Operation, inputs: Tensor) -> None:
        found.setdefault(names[id(weight)], (operation, as_rows(operation, inputs)))

    with quiet(run.model), _watching(layers, see):
        forward(run, run.example())
    return found


@contextmanager
def _watching(layers: list[Layer], see: OnUse) -> Iterator[None]:
    """While open, `see` is called for every use of these layers."""
    weights = [
        weight for layer in layers if layer.kind != "rnn" and (weight := _weight(layer)) is not None
    ]
    recurrent = {
        layer.module: weight
        for layer in layers
        if layer.kind == "rnn" and (weight := _weight(layer)) is not None
    }
    with WeightUses(weights, see), recurrent_uses(recurrent, see):
        yield


# ---------------------------------------------------------------- inputs


def as_rows(operation: Operation, inputs: Tensor) -> Tensor:
    """An operation's input as (rows, …): features last for a matrix product, (rows, channels, …)
    for a convolution.

    Of a recurrent layer (rows, steps, features).
    """
    if operation.name == "recurrent":
        return inputs if inputs.ndim == 3 else inputs[None]
    if "conv" not in operation.name:
        return inputs.reshape(-1, inputs.shape[-1])
    return inputs if inputs.ndim == int(operation.name[-2]) + 2 else inputs[None]


def capture(run: Run, segment: Segment) -> Tensor | None:
    """The inputs (rows, …) that reach a layer, of all its uses; None where they do not vary.

    Drawn from training and unlabeled rows, `segment.rows` at most. Inputs of another shape than the
    first (a layer that is used at several resolutions) are left out.
    """
    used = max(2, min(rows_of(run), math.ceil(segment.rows / segment.yields)))
    share = math.ceil(2 * segment.rows / math.ceil(used / BATCH) / max(1, segment.layer.calls))
    caught: list[Tensor] = []

    def see(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        rows = as_rows(operation, inputs)
        if rows.shape[1:] == segment.size:
            each = torch.randperm(len(rows), generator=run.generator)[:share].to(rows.device)
            caught.append(rows.detach()[each])

    with quiet(run.model), _watching([segment.layer], see):
        for inputs in batches(run, used, BATCH):
            forward(run, inputs)
    whole = torch.cat(caught) if caught else torch.empty(0)
    rows = whole[
        torch.randperm(len(whole), generator=run.generator)[: segment.rows].to(whole.device)
    ]
    return (
        rows
        if rows.numel() > 1 and bool(rows.isfinite().all()) and float(rows.std()) > 1e-12
        else None
    )


def capture_labelled(run: Run, segment: Segment) -> tuple[Tensor, Tensor] | None:
    """The inputs (rows, …) of a layer's first use, whole, with the targets of their rows, from
    training rows alone.

    None where they do not vary, or where a row of the layer's input is not a row of the data.
    """
    order = torch.randperm(len(run.data.train), generator=run.generator)[
        : min(rows_of(run), segment.whole_rows)
    ]
    caught: list[Tensor] = []
    targets: list[Tensor] = []

    def see(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        if len(caught) < len(targets):
            caught.append(
                as_rows(operation, inputs).detach()
                if operation.name == "recurrent"
                else inputs.detach()
            )

    with quiet(run.model), _watching([segment.layer], see):
        for index in order.tensor_split(math.ceil(len(order) / BATCH)):
            inputs, target = (to_device(part, run.device) for part in run.data.train.take(index))
            targets.append(target)
            forward(run, inputs)
    if [len(rows) for rows in caught] != [len(target) for target in targets] or len(
        {rows.shape[1:] for rows in caught}
    ) > 1:
        return None
    found = torch.cat(caught)
    return (
        (found, torch.cat(targets))
        if bool(found.isfinite().all()) and float(found.std()) > 1e-12
        else None
    )


def rows_of(run: Run) -> int:
    """How many rows of data are looked at."""
    return min(affordable_rows(run, ROWS, 16, ELEMENTS), sum(map(len, input_parts(run))))
