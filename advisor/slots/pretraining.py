"""The base of greedy layer-wise pretraining: one executed layer at a time, on the input that it really gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model import Layer
from advisor.slots.initializer import parametrized
from advisor.slots.weights import frozen
from advisor.technique import Technique
from advisor.training.objective import to_device
from advisor.training.run import Run

KINDS = ("linear", "conv")
ROWS = 4096
"""Most rows on which a layer is pretrained; more than that seldom changes a layer."""


@dataclass(frozen=True)
class Segment:
    """A layer with the activation that follows it (the identity where none does)."""

    layer: Layer
    activation: Callable[[Tensor], Tensor]


class Pretraining(Technique):
    """Greedy layer-wise pretraining of the user's own layers; write `learn`.

    The layers come in order of execution. Each is trained alone on the inputs that reach it through the layers before it,
    which are pretrained and frozen by then; training and unlabeled rows are used, targets are not. Afterwards everything is
    trained whole, as without it. No shape of model is required, because a segment is one layer with its captured input.
    """

    slot = "pretraining"

    def unfit(self, run: Run) -> str | None:
        """A model none of whose hidden layers can be cut out cannot be pretrained."""
        found, skipped = segments(run)
        if found:
            return None
        return "no hidden layer can be pretrained" + (
            f" ({skipped[0]})" if skipped else ": the model has no linear or convolutional hidden layer"
        )

    def learn(self, segment: Segment, inputs: Tensor, generator: torch.Generator, **params: Any) -> tuple[float, float]:
        """Train `segment.layer.module` on `inputs` (rows, …), in place; return its loss before and after."""
        raise TypeError(f"pretraining {self.name!r} must define learn(segment, inputs, generator)")

    def apply(self, run: Run, **params: Any) -> str:
        """Pretrain every segment in order."""
        found, skipped = segments(run)
        key = [self.slot, self.name, sorted(params.items()), run.seed, *run.model.state_dict().values(), *_all_inputs(run)]
        losses: list[tuple[float, float]] = []

        def pretrain() -> dict[str, Tensor]:
            for segment in found:
                losses.append(self._learn(run, segment, params))
            return {**run.model.state_dict(), "_losses": torch.tensor(losses)}

        state = run.remember(key, pretrain)
        losses = [(float(a), float(b)) for a, b in state.pop("_losses")]
        run.model.load_state_dict(state)
        better = sum(after < before for before, after in losses)
        skips = f"; skipped {', '.join(skipped)}" if skipped else ""
        return f"pretrained {len(losses)} layers, {better} with a lower loss than before{skips}"

    def _learn(self, run: Run, segment: Segment, params: dict[str, Any]) -> tuple[float, float]:
        inputs = capture(run, segment.layer)
        trained = {id(p) for p in segment.layer.module.parameters(recurse=False)}
        was = {p: p.requires_grad for p in nn.Module.parameters(run.model)}
        for parameter in was:
            parameter.requires_grad_(was[parameter] and id(parameter) in trained)
        try:
            return self.learn(segment, inputs, run.generator, **params)
        finally:
            for parameter, flag in was.items():
                parameter.requires_grad_(flag)
                parameter.grad = None


def segments(run: Run) -> tuple[list[Segment], list[str]]:
    """What can be pretrained, in order of execution, and a sentence for each layer that is left out."""
    found, skipped = [], []
    for layer in run.anatomy.layers:
        if layer.kind not in KINDS:
            continue
        why = _why_not(layer)
        if why:
            skipped.append(f"{layer.name} ({why})")
            continue
        function = layer.site.function if layer.site is not None else None
        found.append(Segment(layer, function or _identity))
    return found, skipped


def _why_not(layer: Layer) -> str | None:
    reasons = (
        (layer.is_output, "output layer"),
        (layer.site is not None and layer.site.label != "hidden", "feeds a gate or a probability"),
        (bool(layer.tied), "its weight is tied"),
        (frozen(layer), "frozen"),
        (parametrized(layer.module), "its weight is computed from others"),
        (not layer.callable, "never called as a layer"),
    )
    return next((why for fails, why in reasons if fails), None)


def _identity(signal: Tensor) -> Tensor:
    return signal


def capture(run: Run, layer: Layer, rows: int = ROWS) -> Tensor:
    """The inputs that reach `layer` (at most `rows`), in evaluation mode, from training and unlabeled rows."""
    caught: list[Tensor] = []
    handle = layer.module.register_forward_pre_hook(lambda module, args: caught.append(args[0].detach().clone()))
    modes = {module: module.training for module in run.model.modules()}
    run.model.eval()
    try:
        with torch.no_grad():
            for inputs in run.data.inputs():
                run.model(*(to_device(part, run.device) for part in inputs))
                if sum(len(part) for part in caught) >= rows:
                    break
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return torch.cat(caught)[:rows]


def _all_inputs(run: Run) -> Iterator[Tensor]:
    for inputs in run.data.inputs():
        yield from (part for part in inputs if isinstance(part, Tensor))
