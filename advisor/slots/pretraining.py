"""The base of greedy layer-wise pretraining: one executed layer at a time, on the input that it really gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.model import Layer
from advisor.model.record import tensors
from advisor.model.walk import paths
from advisor.slots.held import sources
from advisor.slots.operations import Operation, Watch
from advisor.slots.passes import affordable, batches, forward, quiet, sources_of
from advisor.slots.sentences import NAMES, count, grouped
from advisor.technique import Technique
from advisor.training.run import EXAMPLE_ROWS, Run

KINDS = ("linear", "conv", "conv_transpose")
ROWS = 4096
"""Most rows on which a layer is pretrained; more than that seldom changes a layer."""
ELEMENTS = 16_000_000
"""About how many numbers of one layer's input are kept: 64 MB."""
WORK = 1_000_000_000
"""About how many multiplications one pass over a layer's rows takes: a second or less."""
BATCH = 256

LEARNT, WORSE, BROKEN, EMPTY = range(4)
_REASONS = {WORSE: "its loss did not fall", BROKEN: "its loss is not finite", EMPTY: "its input does not vary"}


@dataclass(frozen=True)
class Segment:
    """A layer as the model uses it, with the activation that follows it (the identity where none does).

    Arguments:
        layer: the user's layer.
        activation: a function of the layer's output.
        operation: what the layer computes, `operation(inputs)`; its `name` and `settings` say with which stride and so on.
        size: shape of one input row.
        yields: input rows for each row of data: more than one where a layer runs on tokens, or several times.
    """

    layer: Layer
    activation: Callable[[Tensor], Tensor]
    operation: Operation = field(repr=False)
    size: tuple[int, ...] = ()
    yields: float = 1.0

    @property
    def rows(self) -> int:
        """Input rows to train on: as many as memory and patience allow."""
        work = self.weight.numel() * math.prod(self.size[1:])
        return max(32, min(ROWS, ELEMENTS // max(1, math.prod(self.size)), WORK // max(1, work)))

    @property
    def weight(self) -> nn.Parameter:
        """The layer's weight."""
        found = self.layer.module.weight
        assert isinstance(found, nn.Parameter)  # others are left out
        return found

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The layer's trainable parameters."""
        return [parameter for parameter in self.layer.module.parameters(recurse=False) if parameter.requires_grad]

    def encode(self, inputs: Tensor) -> Tensor:
        """The layer and its activation, on `inputs` (rows, …)."""
        return self.activation(self.operation(inputs))


class Pretraining(Technique):
    """Greedy layer-wise pretraining of the user's own layers; write `learn`.

    The layers come in order of execution. Each is trained alone on the inputs that reach it through the layers before it,
    which are pretrained by then; training and unlabeled rows are used, targets are not. Afterwards everything is trained
    whole, as without it. No shape of model is required, because a segment is one layer with its captured input. A layer
    whose loss does not fall keeps its start.
    """

    slot = "pretraining"

    def unfit(self, run: Run) -> str | None:
        """A model none of whose hidden layers can be cut out cannot be pretrained."""
        found, skipped = segments(run)
        if found:
            return None
        why = listing((f"{name}: {reason}" for name, reason in skipped), NAMES)
        return "no hidden layer can be pretrained" + (
            f" ({why})" if skipped else ": the model has no linear or convolutional hidden layer"
        )

    def learn(self, segment: Segment, inputs: Tensor, generator: torch.Generator, **params: Any) -> tuple[float, float]:
        """Train `segment.parameters` on `inputs` (rows, …), in place; return the loss before and after."""
        raise TypeError(f"pretraining {self.name!r} must define learn(segment, inputs, generator)")

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Layers that cannot be pretrained, and why."""
        return segments(run)[1]

    def apply(self, run: Run, **params: Any) -> str:
        """Pretrain every segment in order."""
        found, skipped = segments(run)

        def pretrain() -> dict[str, Tensor]:
            codes = [self._learn(run, segment, params) for segment in found]
            weights = {f"{i}.{j}": p.detach() for i, s in enumerate(found) for j, p in enumerate(s.parameters)}
            return {**weights, "codes": torch.tensor(codes, dtype=torch.long)}

        kept = run.remember([self.slot, self.name, sorted(params.items()), run.seed, *_state(run), *_inputs(run)], pretrain)
        with torch.no_grad():
            for i, segment in enumerate(found):
                for j, parameter in enumerate(segment.parameters):
                    parameter.copy_(kept[f"{i}.{j}"])
        codes = kept["codes"].tolist()
        skipped += [(s.layer.name, _REASONS[code]) for s, code in zip(found, codes, strict=True) if code != LEARNT]
        return f"pretrained {count(codes.count(LEARNT))}" + (f"; left out {grouped(skipped)}" if skipped else "")

    def _learn(self, run: Run, segment: Segment, params: dict[str, Any]) -> int:
        """Train one segment; put its start back where that was no gain."""
        inputs = capture(run, segment)
        if inputs is None:
            return EMPTY
        start = [parameter.detach().clone() for parameter in segment.parameters]
        before, after = self.learn(segment, inputs, run.generator, **params)
        for parameter in nn.Module.parameters(run.model):
            parameter.grad = None
        finite = math.isfinite(after) and all(bool(parameter.isfinite().all()) for parameter in segment.parameters)
        if finite and after < before:
            return LEARNT
        with torch.no_grad():
            for parameter, value in zip(segment.parameters, start, strict=True):
                parameter.copy_(value)
        return WORSE if finite else BROKEN


def _state(run: Run) -> Iterator[Tensor]:
    for path in paths(run.model).values():
        yield from (
            tensor for tensor in (*path.module._parameters.values(), *path.module._buffers.values()) if tensor is not None
        )


def _rows(run: Run) -> int:
    """How many rows are looked at."""
    return min(affordable(run, ROWS, 16, ELEMENTS), sum(map(len, sources_of(run))))


def _inputs(run: Run) -> Iterator[Tensor]:
    for inputs in batches(run, _rows(run), BATCH):
        yield from tensors(inputs)


# ---------------------------------------------------------------- what can be pretrained


def segments(run: Run) -> tuple[list[Segment], list[tuple[str, str]]]:
    """What can be pretrained, in order of execution, and why each other layer is left out."""
    layers = [layer for layer in run.anatomy.layers if layer.kind in KINDS]
    why_not = {layer.name: _why_not(layer) for layer in layers}
    weights = {id(layer.module.weight): layer for layer in layers if why_not[layer.name] is None}
    uses = _uses(run, [layer.module.weight for layer in weights.values()])  # type: ignore[misc]  # a Parameter: else left out
    found, skipped = [], []
    for layer in layers:
        why = why_not[layer.name] or _unusable(uses.get(id(layer.module.weight)))
        if why:
            skipped.append((layer.name, why))
            continue
        operation, rows = uses[id(layer.module.weight)]
        yields = layer.calls * len(rows) / min(EXAMPLE_ROWS, len(run.data.train))
        function = layer.site.function if layer.site is not None else None
        found.append(Segment(layer, function or _identity, operation, tuple(rows.shape[1:]), yields))
    return found, skipped


def _why_not(layer: Layer) -> str | None:
    weight = layer.module._parameters.get("weight")
    reasons = (
        (layer.is_output, "output layer"),
        (layer.site is not None and layer.site.label != "hidden", "feeds a gate or a probability"),
        (bool(layer.tied), "its weight is tied"),
        (not any(parameter.requires_grad for parameter in sources(layer).values()), "frozen"),
        (weight is None, "its weight is computed from others"),
        (weight is not None and not weight.requires_grad, "frozen"),
        (isinstance(layer.module, nn.Bilinear), "it has two inputs"),
        (layer.mixes, "meets another branch in a product"),
    )
    return next((why for fails, why in reasons if fails), None)


def _unusable(use: tuple[Operation, Tensor] | None) -> str | None:
    if use is None:
        return "its weight is used inside another operation"
    return None if use[1].is_floating_point() else "its input is not real numbers"


def _identity(signal: Tensor) -> Tensor:
    return signal


def _uses(run: Run, weights: list[Tensor]) -> dict[int, tuple[Operation, Tensor]]:
    """The first operation of each weight, by the weight's id, and its input as rows."""
    found: dict[int, tuple[Operation, Tensor]] = {}

    def see(weight: Tensor, operation: Operation, inputs: Tensor) -> None:
        if id(weight) not in found:
            found[id(weight)] = operation, as_rows(operation, inputs)

    with quiet(run.model), Watch(weights, see):
        forward(run, run.example())
    return found


# ---------------------------------------------------------------- inputs


def as_rows(operation: Operation, inputs: Tensor) -> Tensor:
    """An operation's input as (rows, …): features last for a matrix product, (rows, channels, …) for a convolution."""
    if "conv" not in operation.name:
        return inputs.reshape(-1, inputs.shape[-1])
    return inputs if inputs.ndim == int(operation.name[-2]) + 2 else inputs[None]


def capture(run: Run, segment: Segment) -> Tensor | None:
    """The inputs (rows, …) that reach a layer, of all its uses; None where they do not vary.

    Drawn from training and unlabeled rows, `segment.rows` at most. Inputs of another shape than the
    first (a layer that is used at several resolutions) are left out.
    """
    used = max(2, min(_rows(run), math.ceil(segment.rows / segment.yields)))
    share = math.ceil(2 * segment.rows / math.ceil(used / BATCH) / max(1, segment.layer.calls))
    caught: list[Tensor] = []

    def see(_: Tensor, operation: Operation, inputs: Tensor) -> None:
        rows = as_rows(operation, inputs)
        if rows.shape[1:] == segment.size:
            each = torch.randperm(len(rows), generator=run.generator)[:share].to(rows.device)
            caught.append(rows.detach()[each])

    with quiet(run.model), Watch([segment.weight], see):
        for inputs in batches(run, used, BATCH):
            forward(run, inputs)
    whole = torch.cat(caught) if caught else torch.empty(0)
    rows = whole[torch.randperm(len(whole), generator=run.generator)[: segment.rows].to(whole.device)]
    return rows if rows.numel() > 1 and bool(rows.isfinite().all()) and float(rows.std()) > 1e-12 else None
