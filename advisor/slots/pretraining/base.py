"""The base of greedy layer-wise pretraining: one executed layer at a time, on the input that it
really gets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.model import Site
from advisor.model.nested_values import tensors
from advisor.model.references import paths
from advisor.randomness import isolated, mix
from advisor.slots.forward import batches
from advisor.slots.pretraining.descend import descend, held_out, keep_best, minibatches
from advisor.slots.pretraining.segments import (
    BATCH,
    KINDS,
    Segment,
    capture,
    capture_labelled,
    rows_of,
    segments,
)
from advisor.slots.sentences import NAMES, count, grouped
from advisor.space import Float, Int, Space
from advisor.technique import Technique
from advisor.training.run import Run

LEARNT, WORSE, BROKEN, EMPTY = range(4)
_REASONS = {
    WORSE: "its loss did not fall",
    BROKEN: "its loss is not finite",
    EMPTY: "its input does not vary",
}
_UNTOLD = "its input does not vary, or its rows are not the data's"


class Learnt(NamedTuple):
    """What a layer's training came to: the loss before and after, and numbers that were watched, by
    name.
    """

    before: float
    after: float
    watched: Mapping[str, float] = {}


class Pretraining(Technique):
    """Greedy layer-wise pretraining of the user's own layers; write `learn`.

    The layers come in order of execution. Each is trained alone on the inputs that reach it through
    the layers before it, which are pretrained by then; training and unlabeled rows are used,
    targets only where `labelled` is true. Afterwards everything is trained whole, or all but the
    first `freeze` layers. No shape of model is required, because a segment is one layer with its
    captured input. A layer whose loss does not fall keeps its start.

    Attributes:
        kinds: kinds of layer that the method can train: `linear`, `conv`, `conv_transpose`, `rnn`.
        labelled: whether `learn` gets `targets`; its inputs are then training rows alone, whole.
        space: passes over a layer's inputs at most, learning rate, and how many layers stay as
            pretraining left them.
    """

    slot = "pretraining"
    mends = ("collapsed", "vanishing", "exploding", "dead_units", "saturated_units")
    kinds: tuple[str, ...] = KINDS
    labelled: bool = False
    space: Space = {
        "epochs": Int(5, 30, default=20),
        "lr": Float(1e-3, 1e-2, default=3e-3, log=True),
        "freeze": Int(0, 3, default=0),
    }

    # What a method needs to train one layer.
    descend = staticmethod(descend)
    keep_best = staticmethod(keep_best)
    held_out = staticmethod(held_out)
    minibatches = staticmethod(minibatches)

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
        found, skipped = self.segments(run)
        if found:
            return None
        why = listing((f"{name}: {reason}" for name, reason in skipped), NAMES)
        kinds = " or ".join(dict.fromkeys(_KINDS[kind] for kind in self.kinds))
        return (
            f"no {kinds} hidden layer can be pretrained ({why})"
            if skipped
            else f"the model has no {kinds} hidden layer"
        )

    def segments(self, run: Run) -> tuple[list[Segment], list[tuple[str, str]]]:
        """What this method can pretrain, in order of execution, and why each other layer is left
        out.
        """
        found, skipped = segments(run, self.kinds)
        why = {segment.layer.name: self.refusal(segment) for segment in found}
        refused = [(name, reason) for name, reason in why.items() if reason is not None]
        return [segment for segment in found if why[segment.layer.name] is None], refused + skipped

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Layers that cannot be pretrained, and why."""
        return self.segments(run)[1]

    def apply(self, run: Run, *, freeze: int = 0, **params: Any) -> str:
        """Pretrain every segment in order, and keep the first `freeze` of those that learnt as they
        are then.
        """
        found, skipped = self.segments(run)

        def pretrain() -> dict[str, Tensor]:
            learnt = [self._learn(run, segment, params) for segment in found]
            weights = {
                f"{i}.{j}": p.detach()
                for i, s in enumerate(found)
                for j, p in enumerate(s.parameters)
            }
            return {
                **weights,
                **_noted(learnt),
                "codes": torch.tensor([code for code, _ in learnt], dtype=torch.long),
            }

        kept = run.remember(
            [self.slot, self.name, sorted(params.items()), run.seed, *self._material(run)], pretrain
        )
        with torch.no_grad():
            for i, segment in enumerate(found):
                for j, parameter in enumerate(segment.parameters):
                    parameter.copy_(kept[f"{i}.{j}"])
        codes = kept["codes"].tolist()
        reasons = _REASONS | ({EMPTY: _UNTOLD} if self.labelled else {})
        skipped += [
            (s.layer.name, reasons[code])
            for s, code in zip(found, codes, strict=True)
            if code != LEARNT
        ]
        frozen = _freeze(
            [s for s, code in zip(found, codes, strict=True) if code == LEARNT][:freeze]
        )
        parts = (f"pretrained {count(codes.count(LEARNT))}", frozen, *_watched(kept))
        return "; ".join(filter(None, parts)) + (
            f"; left out {grouped(skipped)}" if skipped else ""
        )

    def _learn(self, run: Run, segment: Segment, params: Mapping[str, Any]) -> tuple[int, Learnt]:
        """Train one segment; put its start back where that was no gain."""
        given = capture_labelled(run, segment) if self.labelled else capture(run, segment)
        if given is None:
            return EMPTY, Learnt(0.0, 0.0)
        inputs, more = (
            (given[0], {"targets": given[1]}) if isinstance(given, tuple) else (given, {})
        )
        start = [parameter.detach().clone() for parameter in segment.parameters]
        with isolated(
            mix(run.seed, self.name, segment.layer.name)
        ):  # torch draws a decoder's start from its global state
            learnt = Learnt(*self.learn(segment, inputs, run.generator, **more, **params))
        for parameter in nn.Module.parameters(run.model):
            parameter.grad = None
        finite = math.isfinite(learnt.after) and all(
            bool(parameter.isfinite().all()) for parameter in segment.parameters
        )
        if finite and learnt.after < learnt.before:
            return LEARNT, learnt
        with torch.no_grad():
            for parameter, value in zip(segment.parameters, start, strict=True):
                parameter.copy_(value)
        return WORSE if finite else BROKEN, learnt

    def _material(self, run: Run) -> Iterator[object]:
        """All that the result depends on besides parameters and seed: weights, activations, inputs
        and, where used, targets.
        """
        for path in paths(run.model).values():
            held = (*path.module._parameters.values(), *path.module._buffers.values())
            yield from (tensor for tensor in held if tensor is not None)
        for site in run.anatomy.sites:
            yield from (site.id, site.kind, _drawn(site))
        for inputs in batches(run, rows_of(run), BATCH):
            yield from tensors(inputs)
        if self.labelled:
            yield run.data.train.target


_KINDS = {
    "linear": "linear",
    "conv": "convolutional",
    "conv_transpose": "convolutional",
    "rnn": "recurrent",
}
_WATCHED = "watched "


def _drawn(site: Site) -> object:
    """An activation by its values, so that two of one kind with other numbers differ; its kind
    where it takes no plain row.
    """
    try:
        with torch.no_grad():
            return site.function(torch.linspace(-4, 4, 33)) if site.function is not None else None
    except Exception:  # anybody's function, which may want another shape or device
        return site.kind


def _noted(learnt: Iterable[tuple[int, Learnt]]) -> dict[str, Tensor]:
    """What was watched in the layers that learnt, by name, one number a layer."""
    found: dict[str, list[float]] = {}
    for name, value in (
        item for code, one in learnt if code == LEARNT for item in one.watched.items()
    ):
        found.setdefault(_WATCHED + name, []).append(value)
    return {name: torch.tensor(values) for name, values in found.items()}


def _watched(kept: Mapping[str, Tensor]) -> list[str]:
    noted = {
        name.removeprefix(_WATCHED): values.tolist()
        for name, values in kept.items()
        if name.startswith(_WATCHED)
    }
    return [
        f"{name} {', '.join(f'{value:.2g}' for value in values[:NAMES])}"
        for name, values in noted.items()
    ]


def _freeze(found: list[Segment]) -> str:
    for segment in found:
        for parameter in segment.parameters:
            parameter.requires_grad_(False)
    return (
        f"kept {listing((segment.layer.name for segment in found), NAMES)} frozen" if found else ""
    )
