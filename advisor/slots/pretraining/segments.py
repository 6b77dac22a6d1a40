"""The layers of a model that can be pretrained, and the inputs that reach them."""

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
from advisor.slots.layer_weight import frozen
from advisor.slots.operations import OnUse, Operation, WeightUses, recurrent_uses
from advisor.training.objective import to_device
from advisor.training.run import EXAMPLE_ROWS, Run

KINDS = ("linear", "conv", "conv_transpose")
"""The kinds of layer that a method pretrains unless it says otherwise."""
ROWS = 4096
"""Most rows on which a layer is pretrained; more than that seldom changes a layer."""
ELEMENTS = 16_000_000
"""About how many numbers of one layer's input are kept: 64 MB."""
WORK = 1_000_000_000
"""About how many multiplications one pass over a layer's rows takes: a second or less."""
BATCH = 256
"""Rows of data in one pass of the model."""
_STILL = 1e-12
"""Inputs whose deviation is smaller do not vary."""


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
        numbers = math.prod(self.size)
        weights = sum(p.numel() for p in self.layer.module.parameters(recurse=False))
        # A recurrent layer uses its weights in each step, a convolution at each place.
        is_recurrent = self.layer.kind == "rnn"
        uses = math.prod(self.size[:1] if is_recurrent else self.size[1:])
        in_memory = ELEMENTS // max(1, numbers)
        in_time = WORK // max(1, weights * uses)
        return max(32, min(ROWS, in_memory, in_time))

    @property
    def whole_rows(self) -> int:
        """Rows of data whose inputs of this layer may be kept whole."""
        input_rows_per_use = max(1.0, self.yields / max(1, self.layer.calls))
        return max(32, int(self.rows / input_rows_per_use))

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight; of a recurrent layer, that from its input."""
        weight = _weight(self.layer)
        assert isinstance(weight, nn.Parameter)  # others are left out
        return weight

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
        own = self.layer.module.parameters(recurse=False)
        return [parameter for parameter in own if parameter.requires_grad]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Smallest and largest value of the activation, or None where it does not saturate on both
        sides.
        """
        extremes = value_range(self.activation, self.weight.detach())
        return extremes if saturates(extremes) else None

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
    uses = _first_uses(run, [layer for layer in layers if why_not[layer.name] is None])
    usable, skipped = [], []
    for layer in layers:
        use = uses.get(layer.name)
        why = why_not[layer.name] or _why_unusable(layer, use)
        if why or use is None:
            skipped.append((layer.name, str(why)))
            continue
        operation, rows = use
        # How many input rows a row of data gives follows from the first use on the example.
        yields = layer.calls * len(rows) / min(EXAMPLE_ROWS, len(run.data.train))
        # The activation that follows a recurrent layer is a part of it.
        follows = layer.site.function if layer.site is not None and layer.kind != "rnn" else None
        size = tuple(rows.shape[1:])
        usable.append(Segment(layer, follows or _identity, operation, size, yields))
    return usable, skipped


def _weight(layer: Layer) -> Tensor | None:
    name = "weight_ih_l0" if layer.kind == "rnn" else "weight"
    return layer.module._parameters.get(name)


def _why_not(layer: Layer) -> str | None:
    """Why a layer cannot be pretrained, as far as the trace says, or None."""
    weight = _weight(layer)
    module = layer.module
    if layer.is_output:
        return "output layer"
    if layer.site is not None and layer.site.label != "hidden":
        return "feeds a gate or a probability"
    if layer.tied:
        return "its weight is tied"
    if frozen(layer):
        return "frozen"
    if layer.kind == "rnn" and not isinstance(module, nn.RNNBase):
        return "a cell: its steps are the model's own"
    if weight is None:
        return "its weight is computed from others"
    if not weight.requires_grad:
        return "frozen"
    if isinstance(module, nn.Bilinear):
        return "it has two inputs"
    if layer.kind == "rnn" and getattr(module, "bidirectional", False):
        return "it reads from both sides: it has seen the next step"
    return "meets another branch in a product" if layer.mixes else None


def _why_unusable(layer: Layer, use: tuple[Operation, Tensor] | None) -> str | None:
    """Why a layer cannot be pretrained on the inputs that it gets, or None."""
    is_recurrent = layer.kind == "rnn"
    if use is None and is_recurrent:
        return "its input is packed"
    if use is None:
        return "its weight is used inside another operation"
    _, rows = use
    if is_recurrent and rows.shape[1] < 2:
        return "its sequences have one step"
    return None if rows.is_floating_point() else "its input is not real numbers"


def _identity(signal: Tensor) -> Tensor:
    return signal


def _first_uses(run: Run, layers: list[Layer]) -> dict[str, tuple[Operation, Tensor]]:
    """The first operation of each layer, by the layer's name, and its input as rows."""
    uses: dict[str, tuple[Operation, Tensor]] = {}
    names = {id(_weight(layer)): layer.name for layer in layers}

    def note(weight: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep the first use of a weight."""
        uses.setdefault(names[id(weight)], (operation, as_rows(operation, inputs)))

    with quiet(run.model), _watching(layers, note):
        forward(run, run.example())
    return uses


@contextmanager
def _watching(layers: list[Layer], on_use: OnUse) -> Iterator[None]:
    """While open, `on_use` is called for every use of these layers."""
    weights: list[Tensor] = []
    recurrent: dict[nn.Module, Tensor] = {}
    for layer in layers:
        weight = _weight(layer)
        if weight is None:
            continue
        if layer.kind == "rnn":
            recurrent[layer.module] = weight
        else:
            weights.append(weight)
    with WeightUses(weights, on_use), recurrent_uses(recurrent, on_use):
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
    # The name ends in the number of dimensions and a d: `conv2d`.
    dimensions = int(operation.name[-2])
    return inputs if inputs.ndim == dimensions + 2 else inputs[None]


def capture(run: Run, segment: Segment) -> Tensor | None:
    """The inputs (rows, …) that reach a layer, of all its uses; None where they do not vary.

    Drawn from training and unlabeled rows, `segment.rows` at most. Inputs of another shape than the
    first (a layer that is used at several resolutions) are left out.
    """
    # Twice the rows that a batch's uses must give are kept, in case other uses give fewer.
    data_rows = max(2, min(rows_of(run), math.ceil(segment.rows / segment.yields)))
    number_of_batches = math.ceil(data_rows / BATCH)
    per_use = math.ceil(2 * segment.rows / number_of_batches / max(1, segment.layer.calls))
    caught: list[Tensor] = []

    def sample(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep some rows of one use."""
        rows = as_rows(operation, inputs)
        if rows.shape[1:] == segment.size:
            chosen = torch.randperm(len(rows), generator=run.generator)[:per_use]
            caught.append(rows.detach()[chosen.to(rows.device)])

    with quiet(run.model), _watching([segment.layer], sample):
        for inputs in batches(run, data_rows, BATCH):
            forward(run, inputs)
    every = torch.cat(caught) if caught else torch.empty(0)
    chosen = torch.randperm(len(every), generator=run.generator)[: segment.rows]
    rows = every[chosen.to(every.device)]
    return rows if rows.numel() > 1 and _varies(rows) else None


def capture_labelled(run: Run, segment: Segment) -> tuple[Tensor, Tensor] | None:
    """The inputs (rows, …) of a layer's first use, whole, with the targets of their rows, from
    training rows alone.

    None where they do not vary, or where a row of the layer's input is not a row of the data.
    """
    most = min(rows_of(run), segment.whole_rows)
    order = torch.randperm(len(run.data.train), generator=run.generator)[:most]
    caught: list[Tensor] = []
    targets: list[Tensor] = []

    def keep_first(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        """Keep the first use in each batch, whose targets are there already."""
        if len(caught) < len(targets):
            is_recurrent = operation.name == "recurrent"
            rows = as_rows(operation, inputs) if is_recurrent else inputs
            caught.append(rows.detach())

    with quiet(run.model), _watching([segment.layer], keep_first):
        for index in order.tensor_split(math.ceil(len(order) / BATCH)):
            inputs, target = run.data.train.take(index)
            targets.append(to_device(target, run.device))
            forward(run, to_device(inputs, run.device))

    same_rows = [len(rows) for rows in caught] == [len(target) for target in targets]
    shapes = {rows.shape[1:] for rows in caught}
    if not same_rows or len(shapes) > 1:
        return None
    rows = torch.cat(caught)
    return (rows, torch.cat(targets)) if _varies(rows) else None


def _varies(rows: Tensor) -> bool:
    """Whether there is anything to learn in these inputs."""
    return bool(rows.isfinite().all()) and float(rows.std()) > _STILL


def rows_of(run: Run) -> int:
    """How many rows of data are read."""
    rows = sum(len(part) for part in input_parts(run))
    return min(affordable_rows(run, ROWS, 16, ELEMENTS), rows)
