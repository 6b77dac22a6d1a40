"""The layers of a model that can be pretrained."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from torch import Tensor, nn

from advisor.model import Layer
from advisor.model.tracing.elementwise import saturates, value_range
from advisor.slots.layer_weight import frozen
from advisor.slots.operations import Operation
from advisor.slots.pretraining.uses import first_uses, input_weight
from advisor.slots.sentences import LOADED
from advisor.training.run import EXAMPLE_ROWS, Run

KINDS = ("linear", "conv", "conv_transpose")
"""The kinds of layer that a method pretrains unless it says otherwise."""
ROWS = 4096
"""Most rows on which a layer is pretrained; more than that seldom changes a layer."""
ELEMENTS = 16_000_000
"""About how many numbers of one layer's input are kept: 64 MB."""
WORK = 1_000_000_000
"""About how many multiplications one pass over a layer's rows takes: a second or less."""


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

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> net = lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> run = advisor.diagnose(advisor.Study("small", task)).run
        >>> segments, skipped = advisor.Pretraining().segments(run)
        >>> segments[0].layer.name, segments[0].encode(torch.randn(5, 4)).shape
        ('0', torch.Size([5, 8]))
        >>> skipped
        [('2', 'output layer')]
    """

    layer: Layer
    activation: Callable[[Tensor], Tensor]
    operation: Operation = field(repr=False)
    size: tuple[int, ...] = ()
    yields: float = 1.0

    @property
    def rows(self) -> int:
        """Input rows to train on: as many as memory and patience allow."""
        in_memory = ELEMENTS // max(1, math.prod(self.size))
        in_time = WORK // max(1, self.multiplications)
        return max(32, min(ROWS, in_memory, in_time))

    @property
    def multiplications(self) -> int:
        """About how many multiplications the layer takes for an input row."""
        weights = sum(p.numel() for p in self.layer.module.parameters(recurse=False))
        # A recurrent layer uses its weights in each step, a convolution at each place.
        is_recurrent = self.layer.kind == "rnn"
        return weights * math.prod(self.size[:1] if is_recurrent else self.size[1:])

    @property
    def numbers(self) -> int:
        """About how many numbers a convolution reads and gives for an input row."""
        weight, groups = self.weight, self.operation.settings.get("groups", 1)
        is_mirrored = "transpose" in self.operation.name
        given = weight.shape[1] * groups if is_mirrored else len(weight)
        return math.prod(self.size) + given * math.prod(self.size[1:])

    @property
    def whole_rows(self) -> int:
        """Rows of data whose inputs of this layer may be kept whole."""
        input_rows_per_use = max(1.0, self.yields / max(1, self.layer.calls))
        return max(32, int(self.rows / input_rows_per_use))

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight; of a recurrent layer, that from its input."""
        weight = input_weight(self.layer)
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


def segments(
    run: Run, kinds: Collection[str] = KINDS
) -> tuple[list[Segment], list[tuple[str, str]]]:
    """What can be pretrained among layers of these kinds, in order of execution, and why each other
    is left out.
    """
    # The model runs once, and only with layers that the trace does not rule out.
    layers = [layer for layer in run.anatomy.layers if layer.kind in kinds]
    why_not = {}
    for layer in layers:
        why_not[layer.name] = _why_not(layer) or (LOADED if run.is_loaded(layer.module) else None)
    uses = first_uses(run, [layer for layer in layers if why_not[layer.name] is None])
    usable, skipped = [], []
    for layer in layers:
        use = uses.get(layer.name)
        why = why_not[layer.name] or why_unusable(layer, use)
        if why or use is None:
            skipped.append((layer.name, str(why)))
            continue
        operation, rows = use
        # How many input rows a row of data gives follows from the first use on the example.
        yields = layer.calls * len(rows) / min(EXAMPLE_ROWS, len(run.data.train))
        # The activation that follows a recurrent layer is a part of it.
        follows = layer.site.function if layer.site is not None and layer.kind != "rnn" else None
        size = tuple(rows.shape[1:])
        usable.append(Segment(layer, follows or nn.Identity(), operation, size, yields))
    return usable, skipped


def _why_not(layer: Layer) -> str | None:
    """Why a layer cannot be pretrained, as far as the trace says, or None."""
    weight = input_weight(layer)
    module = layer.module
    if layer.is_output:
        return "output layer"
    if layer.matrices:
        return "written by hand: its weight is no module's"
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


def why_unusable(layer: Layer, use: tuple[Operation, Tensor] | None) -> str | None:
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
