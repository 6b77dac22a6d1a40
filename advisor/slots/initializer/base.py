"""The base of initializer techniques: every layer that runs, block by block, with the gain of what
follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.model import Layer, called
from advisor.slots.forward import affordable_rows, forward, quiet
from advisor.slots.gain import LINEAR, Moments, moments_at
from advisor.slots.initializer.blocks import Fans, blocks, reset_biases
from advisor.slots.initializer.initial_weights import is_zero, own_start
from advisor.slots.initializer.visiting import Visit, visiting_hook
from advisor.slots.layer_weight import editing, frozen, refusal, sources, weight_of
from advisor.slots.sentences import LOADED, NAMES, count, grouped
from advisor.technique import Technique
from advisor.training.run import Run

KINDS = ("linear", "conv", "conv_transpose", "rnn", "attention")
"""The kinds of layers whose weights a rule can fill."""
_SCALED_BY_OWN_RULES = ("norm", "rnn")
"""Kinds of layers that have rules of their own where they close a residual branch."""

__all__ = ["Fans", "Initializer"]


class Initializer(Technique):
    """A rule for the weights of every layer; write `fill`.

    The layers come in order of execution, with the gain of the activation that follows *this* layer
    and gain 1 before the output. LSTM and GRU gates, attention projections and groups are filled
    one block at a time. Biases become zero (one forget gate 1), unless the author set one on
    purpose and a signal gets past it. Left as they are: embeddings and what is tied to them, norm
    layers, frozen layers, layers that the author set to zero, and raw parameters; `skips` lists
    them.

    Example:
        >>> import advisor, torch
        >>> class Scaled(advisor.Initializer):
        ...     name, cite = "scaled", "LeCun et al. 1998"
        ...     def fill(self, weight, fans, generator, **params):
        ...         weight.normal_(0, fans.gain / fans.fan_in**0.5, generator=generator)
        >>> weight = torch.empty(8, 4)
        >>> Scaled().fill(weight, advisor.Fans(fan_in=4, fan_out=8, gain=2**0.5), torch.Generator())
        >>> bool(weight.std() > 0)
        True
    """

    slot = "initializer"
    cost = "moments, before training"
    fights = {"normalization": "right after a layer it undoes the size of the layer's weights"}

    def unfit(self, run: Run) -> str | None:
        """A model none of whose layers has weights that a rule knows cannot be initialized."""
        if next(self.layers(run), None) is not None:
            return None
        why = "no layer of the model has weights that this rule knows"
        skips = self.skips(run)
        return f"{why}: {grouped(skips)}" if skips else why

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Fill `weight`, of the shape `(out, in, *kernel)`, in place."""
        raise TypeError(f"initializer {self.name!r} must define fill(weight, fans, generator)")

    def plain(self, fans: Fans, **params: Any) -> str | None:
        """The call of `torch.nn.init` that fills a weight by the same law, `normal_({weight},
        std=0.1)`; None where there is none. `show --diff` writes it into the model.
        """
        return None

    def apply(self, run: Run, **params: Any) -> str:
        """Fill every block of every layer."""
        layers = list(self.layers(run))
        skips = self.skips(run)
        # What the author chose is read before it is filled.
        own_starts = []
        for layer in layers:
            own = own_start(layer)
            if own:
                own_starts.append(f"{layer.name} ({own})")

        kept_biases = []
        for layer in layers:
            bias = self.start(layer, run.generator, **params)
            if bias:
                kept_biases.append(layer.parameter(bias))

        # What a person must know of: what was overruled, and what was not touched.
        actions = [f"initialized {count(len(layers))}"]
        if own_starts:
            replaced = f"{count(len(own_starts))}: {listing(own_starts, NAMES)}"
            actions.append(f"replaced the model's own start in {replaced}")
        if kept_biases:
            actions.append(f"kept biases that the model sets: {listing(kept_biases, NAMES)}")
        if skips:
            actions.append(f"left as they are: {grouped(skips)}")
        return "; ".join(actions)

    def start(self, layer: Layer, generator: torch.Generator, **params: Any) -> str | None:
        """Fill one layer; return the name of a bias that was kept because the author set it on
        purpose.
        """
        gain = self.gain(layer)
        # Biases come first: whether the author chose one is judged by the weight as it is.
        kept = reset_biases(layer)
        one_matrix = layer.kind not in ("rnn", "attention")
        with torch.no_grad(), editing(layer) if one_matrix else nullcontext() as weight:
            for block in blocks(layer, gain, weight):
                self.fill(block.weight, block.fans, generator, **params)
        return kept

    def layers(self, run: Run) -> Iterator[Layer]:
        """The layers that an initializer may change, each weight once, in order of execution."""
        return (layer for layer, why in self._judged(run) if why is None)

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """What is left as it is, and why: layers, raw parameters, and modules that never run."""
        skips = [(layer.name, why) for layer, why in self._judged(run) if why is not None]
        skips += [(name, "a parameter of no layer") for name in run.anatomy.raw]
        skips += [(name, "it never runs") for name in run.anatomy.unused]
        return skips

    def refuses(self, layer: Layer) -> str | None:
        """Why this rule does not fill a layer that another would fill (`not a convolution`), or
        None.
        """
        return None

    def ends(self, run: Run) -> list[tuple[Layer, str | None]]:
        """The layers that close a residual branch, each with why its weight may not be scaled; None
        where it may.

        A normalization at the end of a branch is among them: its weight is what scales the branch.
        """
        # Scaling a normalization scales its branch, although no rule fills it.
        ends = []
        for layer, why in self._judged(run):
            if layer.closes_branch:
                by_own_rules = layer.kind in _SCALED_BY_OWN_RULES
                loaded = LOADED if run.is_loaded(layer.module) else None
                ends.append((layer, loaded or _why_end_not_scaled(layer) if by_own_rules else why))
        return ends

    def gain(self, layer: Layer) -> float:
        """The gain of the activation that follows a layer; 1 before the output or before something
        unknown.
        """
        return self.moments(layer).gain

    def moments(self, layer: Layer) -> Moments:
        """Moments of the activation that follows a layer; of the identity where none follows."""
        if layer.site is None or layer.is_output:
            return LINEAR
        return moments_at(layer.site) or LINEAR

    def is_bounded(self, layer: Layer) -> bool:
        """Whether the activation that follows a layer saturates on both sides."""
        if layer.site is None or layer.site.function is None or layer.is_output:
            return False
        far_out = torch.tensor([-1e3, -1e2, 1e2, 1e3])
        try:
            with torch.no_grad():
                lowest, low, high, highest = map(float, layer.site.function(far_out))
        except Exception:  # whatever an unknown function raises on a plain vector: it is unknown
            return False
        return abs(lowest - low) < 0.1 and abs(highest - high) < 0.1

    def scale(self, layer: Layer, factor: float) -> None:
        """Multiply the weight of a layer by a factor, whatever it is computed from."""
        with torch.no_grad(), editing(layer) as weight:
            weight.mul_(factor)

    def scale_units(self, layer: Layer, factors: Tensor) -> None:
        """Multiply the weights of each unit of a layer by a factor of its own; `factors` is
        (units,).
        """
        with torch.no_grad(), editing(layer) as weight:
            parts = [block.weight for block in blocks(layer, 1.0, weight)]
            factors_by_part = factors.to(weight).split([len(part) for part in parts])
            for part, part_factors in zip(parts, factors_by_part, strict=True):
                # One factor for each unit, the same for all its inputs and kernel positions.
                part.mul_(part_factors.reshape(-1, *[1] * (part.ndim - 1)))

    def units(self, layer: Layer) -> int:
        """How many units a layer has: rows of its weight, over all groups."""
        return sum(len(block.weight) for block in blocks(layer, 1.0, weight_of(layer)))

    def free_bias(self, layer: Layer) -> Tensor | None:
        """The bias of a filled layer, where it may be set: it is trained, and the author did not
        choose another than zero.
        """
        bias = layer.module._parameters.get("bias")
        if bias is None or not bias.requires_grad or bool(bias.any()):
            return None
        return bias

    def is_computed(self, layer: Layer) -> bool:
        """Whether a layer's weight is computed from other parameters, as under weight
        normalization.
        """
        return not isinstance(layer.module._parameters.get("weight"), nn.Parameter)

    def tell(self, skips: Iterable[tuple[str, str]]) -> str:
        """Names by reason, for a sentence: `bn1, bn2 (a normalization), embed (an embedding)`."""
        return grouped(skips)

    def sample(
        self, run: Run, most: int = 256, least: int = 16, elements: int = 400_000
    ) -> tuple[Any, ...]:
        """Inputs of at most `most` training rows, of fewer where rows are large: about `elements`
        numbers in all.
        """
        return run.sample(affordable_rows(run, most, least, elements))

    @contextmanager
    def visiting(self, run: Run, visit: Visit) -> Iterator[Callable[[tuple[Any, ...]], Any]]:
        """Inside, a function that runs the model on a batch and hands each layer's output to
        `visit`, in order.

        A layer that runs several times is handed over until `visit` changes its output. What
        `visit` returns takes the output's place for the layers after it, so that one pass is enough
        for a rule that is measured on data. Dropout is off, batch normalizations use the batch, and
        buffers are restored.
        """
        layers = [layer for layer in self.layers(run) if layer.callable]
        handles = []
        for layer in layers:
            hook = visiting_hook(layer, visit)
            handles.append(layer.module.register_forward_hook(hook, with_kwargs=True))
        try:
            with quiet(run.model), called(layer.module for layer in layers):
                yield lambda inputs: forward(run, inputs)
        finally:
            for handle in handles:
                handle.remove()

    def _judged(self, run: Run) -> Iterator[tuple[Layer, str | None]]:
        """Every layer, with why this rule leaves it as it is; None where it does not."""
        # Each weight is filled once, by the first layer that has it; tables come before all layers.
        owners = {id(table.module.weight): f"tied to {table.name}" for table in run.anatomy.tables}
        for layer in run.anatomy.layers:
            weights = [id(parameter) for parameter in sources(layer).values()]
            why = _why_not(layer) or (LOADED if run.is_loaded(layer.module) else None)
            for weight in weights:
                why = why or owners.get(weight)
            why = why or self.refuses(layer)
            if why is None:
                for weight in weights:
                    owners.setdefault(weight, f"its weight is that of {layer.name}")
                why = refusal(layer)
            if why is None and is_zero(layer):
                why = "set to zero by the model"
            yield layer, why


def _why_not(layer: Layer) -> str | None:
    """Why no rule can fill a layer, whatever its weights are, or None."""
    if layer.kind == "embedding":
        return "an embedding"
    if layer.kind == "norm":
        return "a normalization"
    if layer.kind not in KINDS:
        return "no rule for its kind"
    return "frozen" if frozen(layer) else None


def _why_end_not_scaled(layer: Layer) -> str | None:
    """Why the weight of a normalization or recurrent layer that closes a branch may not be scaled,
    or None.
    """
    if layer.kind == "rnn":
        return "recurrent: its result is no multiple of its weights"
    weight = layer.module._parameters.get("weight")
    if weight is None:
        return "a normalization without weights"
    if not weight.requires_grad:
        return "frozen"
    return None if bool(weight.any()) else "set to zero by the model"
