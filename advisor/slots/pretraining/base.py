"""The base of greedy layer-wise pretraining: one executed layer at a time, on the input that it
really gets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.model import Site
from advisor.model.nested_values import tensors
from advisor.model.references import paths
from advisor.randomness import isolated, mix
from advisor.slots.forward import batches, quiet
from advisor.slots.pretraining.descend import (
    descend,
    held_out,
    keep_best,
    minibatches,
    rows_in_batch,
)
from advisor.slots.pretraining.layer_inputs import BATCH, capture, capture_labelled, rows_of
from advisor.slots.pretraining.rebuilding import rebuilding
from advisor.slots.pretraining.segments import KINDS, Segment, segments
from advisor.slots.sentences import NAMES, count, grouped
from advisor.space import Float, Int, Space
from advisor.technique import Technique
from advisor.training.counted_seconds import (
    CONVOLUTIONS,
    seconds_of_operations,
    seconds_of_steps,
)
from advisor.training.eager import SGD, AdamW
from advisor.training.memory_format import as_in_training
from advisor.training.run import Run


class LayerResult(IntEnum):
    """What came of pretraining one layer; kept as a number beside its weights."""

    LEARNT = 0
    WORSE = 1
    BROKEN = 2
    EMPTY = 3


_REASONS = {
    LayerResult.WORSE: "its loss did not fall",
    LayerResult.BROKEN: "its loss is not finite",
    LayerResult.EMPTY: "its input does not vary",
}
"""Why a layer keeps its start."""
_EMPTY_OR_MIXED = "its input does not vary, or its rows are not the data's"
"""Why a layer that needs the targets of its rows has none."""
_KINDS = {
    "linear": "linear",
    "conv": "convolutional",
    "conv_transpose": "convolutional",
    "rnn": "recurrent",
}
"""Adjectives for kinds of layers."""
STEP_CALLS = 4
"""Calls of layers in a step of a method: the layer, its activation, a decoder and the loss."""
_WATCHED = "watched "
"""Prefix under which the numbers that a method watched are kept beside the weights."""


class Learnt(NamedTuple):
    """What a layer's training came to: the loss before and after, and numbers that were watched, by
    name.

    Example:
        >>> import advisor
        >>> learnt = advisor.Learnt(before=0.9, after=0.4, watched={"sparsity": 0.05})
        >>> learnt.after < learnt.before
        True
    """

    before: float
    after: float
    watched: Mapping[str, float] = {}


class Pretraining(Technique):
    """Greedy layer-wise pretraining of the user's own layers; write `learn`.

    The layers come in order of execution. Each is trained by itself on the inputs that reach it
    through the layers before it, which are pretrained by then; training and unlabeled rows are
    used, targets only where `labelled` is true. Afterwards everything is trained whole, or all but
    the first `freeze` layers. No shape of model is required, because a segment is one layer with
    its captured input. A layer whose loss does not fall keeps its start.

    Attributes:
        kinds: kinds of layer that the method can train: `linear`, `conv`, `conv_transpose`, `rnn`.
        labelled: whether `learn` gets `targets`; its inputs are then those of whole training rows.
        effort: how many times what is counted a pass takes (`pass_seconds`): 1 for steps that are
            written out, and more where autograd does more than that.
        space: passes over a layer's inputs at most, learning rate, and how many layers stay as
            pretraining left them.

    Example:
        >>> import advisor
        >>> class Centre(advisor.Pretraining):
        ...     name, cite = "centre", "LeCun et al. 1998"
        ...     def learn(self, segment, inputs, generator, epochs=20, lr=3e-3):
        ...         def loss(rows, noise):
        ...             return segment.encode(rows[0]).mean(0).square().mean()
        ...         return self.descend(
        ...             segment.parameters, [inputs], loss, generator, epochs=epochs, lr=lr
        ...         )
        >>> Centre().defaults()["epochs"]
        20
    """

    slot = "pretraining"
    cost = "a training of each layer, before training"
    needs_rows = True
    passes = "epochs"
    mends: tuple[str, ...] = (
        "collapsed",
        "vanishing",
        "exploding",
        "dead_units",
        "saturated_units",
    )
    kinds: tuple[str, ...] = KINDS
    labelled: bool = False
    effort: float = 1.0
    space: Space = {
        "epochs": Int(5, 30, default=20),
        "lr": Float(1e-3, 1e-2, default=3e-3, log=True),
        "freeze": Int(0, 3, default=0),
    }

    # What a method needs to train one layer.
    descend = staticmethod(descend)
    rebuilding = staticmethod(rebuilding)
    keep_best = staticmethod(keep_best)
    held_out = staticmethod(held_out)
    minibatches = staticmethod(minibatches)
    sgd = staticmethod(SGD)
    # What a method needs that trains the model whole.
    adamw = staticmethod(AdamW)
    quiet = staticmethod(quiet)
    batches = staticmethod(batches)

    def refusal(self, segment: Segment) -> str | None:
        """Why this method cannot train a layer, in a few words, or None."""
        return None

    def learn(
        self, segment: Segment, inputs: Tensor, generator: torch.Generator, **params: Any
    ) -> Learnt | tuple[float, float]:
        """Train `segment.parameters` on `inputs` (rows, …), in place; return the loss before and
        after.
        """
        raise TypeError(f"pretraining {self.name!r} must define learn(segment, inputs, generator)")

    def unfit(self, run: Run) -> str | None:
        """A model none of whose hidden layers can be cut out cannot be pretrained."""
        usable, skipped = self.segments(run)
        if usable:
            return None
        kinds = " or ".join(dict.fromkeys(_KINDS[kind] for kind in self.kinds))
        if not skipped:
            return f"the model has no {kinds} hidden layer"
        reasons = listing((f"{name}: {reason}" for name, reason in skipped), NAMES)
        return f"no {kinds} hidden layer can be pretrained ({reasons})"

    def segments(self, run: Run) -> tuple[list[Segment], list[tuple[str, str]]]:
        """What this method can pretrain, in order of execution, and why each other layer is left
        out.
        """
        candidates, skipped = segments(run, self.kinds)
        usable, refused = [], []
        for segment in candidates:
            why = self.refusal(segment)
            if why is None:
                usable.append(segment)
            else:
                refused.append((segment.layer.name, why))
        return usable, refused + skipped

    def pass_seconds(self, run: Run, **params: Any) -> float:
        """One pass over the inputs of every layer, forward and backward: a layer, and what reads it
        or rebuilds its input.
        """
        seconds = 0.0
        for segment in self.segments(run)[0]:
            rows = min(segment.rows, math.ceil(rows_of(run) * segment.yields))
            # The layer, and its mirror beside it, which has as many parameters.
            products = 2 * [(segment.layer.kind, float(segment.multiplications))]
            parameters = 2.0 * sum(each.numel() for each in segment.parameters)
            seconds += self.counted(rows, products, STEP_CALLS, parameters, segment.numbers)
        return seconds

    def counted(
        self,
        rows: int,
        products: Iterable[tuple[str, float]],
        calls: int,
        parameters: float = 0,
        numbers: float = 0,
    ) -> float:
        """Seconds of one pass over rows, forward and backward, in batches of `minibatches`.

        Arguments:
            rows: that are read.
            products: kinds of layers, and how many multiplications each takes for a row.
            calls: of layers in a step.
            parameters: numbers that a step moves.
            numbers: that a convolution reads and gives for a row.
        """
        products = list(products)
        steps = math.ceil(rows / rows_in_batch(rows))
        convolutions = sum(kind in CONVOLUTIONS for kind, _ in products)
        seconds = seconds_of_steps(steps, calls, convolutions, parameters)
        for kind, each in products:
            seconds += seconds_of_operations(6 * rows * each, kind, rows * numbers)
        return self.effort * seconds

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Layers that cannot be pretrained, and why."""
        _, skipped = self.segments(run)
        return skipped

    def apply(self, run: Run, *, freeze: int = 0, **params: Any) -> str:
        """Pretrain every segment in order, and keep the first `freeze` of those that learnt as they
        are then.
        """
        usable, skipped = self.segments(run)
        # Trials that start from the same weights share what was learnt.
        key = [
            self.slot,
            self.name,
            sorted(params.items()),
            run.seed,
            *self.depends(run, rows_of(run)),
        ]
        kept = run.remember(key, lambda: self._pretrain(run, usable, params))

        # The layers may have been pretrained in another trial: all weights come from what is kept.
        with torch.no_grad():
            for i, segment in enumerate(usable):
                for j, parameter in enumerate(segment.parameters):
                    parameter.copy_(kept[f"{i}.{j}"])

        # Each layer's result is kept beside the weights, and says why a layer has its start.
        reasons = dict(_REASONS)
        if self.labelled:
            reasons[LayerResult.EMPTY] = _EMPTY_OR_MIXED
        learnt = []
        for segment, code in zip(usable, kept["codes"].tolist(), strict=True):
            result = LayerResult(code)
            if result is LayerResult.LEARNT:
                learnt.append(segment)
            else:
                skipped.append((segment.layer.name, reasons[result]))

        # The first layers that learnt stay as they are, where that is asked for.
        actions = [f"pretrained {count(len(learnt))}"]
        frozen_layers = learnt[:freeze]
        if frozen_layers:
            for segment in frozen_layers:
                for parameter in segment.parameters:
                    parameter.requires_grad_(False)
            names = [segment.layer.name for segment in frozen_layers]
            actions.append(f"kept {listing(names, NAMES)} frozen")
        for name, numbers in kept.items():
            if name.startswith(_WATCHED):
                shown = ", ".join(f"{number:.2g}" for number in numbers.tolist()[:NAMES])
                actions.append(f"{name.removeprefix(_WATCHED)} {shown}")
        if skipped:
            actions.append(f"left out {grouped(skipped)}")
        return "; ".join(actions)

    def _pretrain(
        self, run: Run, usable: list[Segment], params: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Train segments in order; the weights, what was watched, and each segment's result."""
        results = []
        watched: dict[str, list[float]] = {}
        # Convolutions are trained as fast as in the training that follows.
        with as_in_training(run):
            for segment in usable:
                result, learnt = self._learn(run, segment, params)
                results.append(result)
                if result is LayerResult.LEARNT:
                    for name, number in learnt.watched.items():
                        watched.setdefault(name, []).append(number)

        kept = {"codes": torch.tensor(results, dtype=torch.long)}
        for i, segment in enumerate(usable):
            for j, parameter in enumerate(segment.parameters):
                kept[f"{i}.{j}"] = parameter.detach()
        for name, numbers in watched.items():
            kept[_WATCHED + name] = torch.tensor(numbers)
        return kept

    def _learn(
        self, run: Run, segment: Segment, params: Mapping[str, Any]
    ) -> tuple[LayerResult, Learnt]:
        """Train one segment; put its start back where that was no gain."""
        targets: dict[str, Tensor] = {}
        if self.labelled:
            labelled = capture_labelled(run, segment)
            inputs = None if labelled is None else labelled[0]
            targets = {} if labelled is None else {"targets": labelled[1]}
        else:
            inputs = capture(run, segment)
        if inputs is None:
            return LayerResult.EMPTY, Learnt(0.0, 0.0)

        start = [parameter.detach().clone() for parameter in segment.parameters]
        # Torch draws the start of a decoder or a head from its global random state.
        with isolated(mix(run.seed, self.name, segment.layer.name)):
            learnt = Learnt(*self.learn(segment, inputs, run.generator, **targets, **params))
        # A loss may have reached other layers; training begins without gradients.
        for parameter in nn.Module.parameters(run.model):
            parameter.grad = None

        # A layer that gained nothing goes back to its start.
        finite = math.isfinite(learnt.after)
        for parameter in segment.parameters:
            finite = finite and bool(parameter.isfinite().all())
        if finite and learnt.after < learnt.before:
            return LayerResult.LEARNT, learnt
        with torch.no_grad():
            for parameter, value in zip(segment.parameters, start, strict=True):
                parameter.copy_(value)
        return LayerResult.WORSE if finite else LayerResult.BROKEN, learnt

    def depends(self, run: Run, rows: int) -> Iterator[object]:
        """All that the result depends on besides parameters and seed: weights, activations, the
        inputs of so many rows and, where used, targets.
        """
        for path in paths(run.model).values():
            own = (*path.module._parameters.values(), *path.module._buffers.values())
            yield from (tensor for tensor in own if tensor is not None)
        for site in run.anatomy.sites:
            yield from (site.id, site.kind, values_of(site))
        for inputs in batches(run, rows, BATCH):
            yield from tensors(inputs)
        if self.labelled:
            yield run.data.train.target


def values_of(site: Site) -> object:
    """An activation by its values, so that two of one kind with other numbers differ; its kind
    where it takes no plain row.
    """
    if site.function is None:
        return None
    try:
        with torch.no_grad():
            return site.function(torch.linspace(-4, 4, 33))
    except Exception:  # anybody's function, which may want another shape or device
        return site.kind
