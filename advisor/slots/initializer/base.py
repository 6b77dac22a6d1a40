"""The base of initializer techniques: every layer that runs, block by block, with the gain of what
follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.model import Layer
from advisor.slots.forward import affordable_rows, forward, quiet
from advisor.slots.gain import LINEAR, Moments, moments_at
from advisor.slots.initializer.blocks import Fans, blocks, frozen, reset_biases
from advisor.slots.initializer.initial_weights import is_zero, own_start
from advisor.slots.layer_weight import editing, refusal, sources, weight_of
from advisor.slots.sentences import NAMES, count, grouped
from advisor.technique import Technique
from advisor.training.run import Run

KINDS = ("linear", "conv", "conv_transpose", "rnn", "attention")
Again = Callable[[float | None], Tensor]
Visit = Callable[[Layer, Tensor, Again], Tensor | None]
"""Gets a layer, its output, and a function that gives the output once the weight has been
multiplied by a factor (or, given None, changed in another way). What it returns takes the output's
place.
"""

__all__ = ["Fans", "Initializer"]


class Initializer(Technique):
    """A rule for the weights of every layer; write `fill`.

    The layers come in order of execution, with the gain of the activation that follows *this* layer
    and gain 1 before the output. LSTM and GRU gates, attention projections and groups are filled
    one block at a time. Biases become zero (one forget gate 1), unless the author set one on
    purpose. Left as they are: embeddings and what is tied to them, norm layers, frozen layers,
        layers that the author set to zero, and raw parameters; `skips` lists them.
    """

    slot = "initializer"

    def unfit(self, run: Run) -> str | None:
        """A model none of whose layers has weights that a rule knows cannot be initialized."""
        if any(True for _ in self.layers(run)):
            return None
        skips = self.skips(run)
        return "no layer of the model has weights that this rule knows" + (
            f": {grouped(skips)}" if skips else ""
        )

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Fill `weight` (out, in, *kernel) in place."""
        raise TypeError(f"initializer {self.name!r} must define fill(weight, fans, generator)")

    def apply(self, run: Run, **params: Any) -> str:
        """Fill every block of every layer."""
        layers, skips = list(self.layers(run)), self.skips(run)
        own = [f"{layer.name} ({start})" for layer in layers if (start := own_start(layer))]
        kept = [
            f"{layer.name}.{name}"
            for layer in layers
            if (name := self.start(layer, run.generator, **params))
        ]
        return "; ".join(
            (
                f"initialized {count(len(layers))}",
                *(
                    [f"replaced the model's own start in {count(len(own))}: {listing(own, NAMES)}"]
                    if own
                    else []
                ),
                *([f"kept biases that the model sets: {listing(kept, NAMES)}"] if kept else []),
                *([f"left as they are: {grouped(skips)}"] if skips else []),
            )
        )

    def start(self, layer: Layer, generator: torch.Generator, **params: Any) -> str | None:
        """Fill one layer; return the name of a bias that was kept because the author set it on
        purpose.
        """
        gain = self.gain(layer)
        kept = reset_biases(layer)  # asked first: what a bias can be follows from the weight
        with torch.no_grad(), ExitStack() as stack:
            weight = (
                stack.enter_context(editing(layer))
                if layer.kind not in ("rnn", "attention")
                else None
            )
            for block in blocks(layer, gain, weight):
                self.fill(block.weight, block.fans, generator, **params)
        return kept

    def layers(self, run: Run) -> Iterator[Layer]:
        """The layers that an initializer may change, each weight once, in order of execution."""
        return (layer for layer, why in self._judged(run) if why is None)

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """What is left as it is, and why: layers, raw parameters, and modules that never run."""
        return [
            *((layer.name, why) for layer, why in self._judged(run) if why is not None),
            *((name, "a parameter of no layer") for name in run.anatomy.raw),
            *((name, "it never runs") for name in run.anatomy.unused),
        ]

    def refuses(self, layer: Layer) -> str | None:
        """Why this rule leaves alone a layer that another would fill (`not a convolution`), or
        None.
        """
        return None

    def ends(self, run: Run) -> list[tuple[Layer, str | None]]:
        """The layers that close a residual branch, each with why its weight may not be scaled; None
        where it may.

        A normalization at the end of a branch is among them: its weight is what scales the branch.
        """
        judged = {layer.name: why for layer, why in self._judged(run)}
        closing = (layer for layer in run.anatomy.layers if layer.closes_branch)
        return [
            (layer, _unscaled_end(layer) if layer.kind in _BOUND else judged[layer.name])
            for layer in closing
        ]

    def gain(self, layer: Layer) -> float:
        """The gain of the activation that follows a layer; 1 before the output or before something
        unknown.
        """
        return self.moments(layer).gain

    def moments(self, layer: Layer) -> Moments:
        """Moments of the activation that follows a layer; those of the identity where none follows."""
        return (
            moments_at(layer.site) if layer.site is not None and not layer.is_output else None
        ) or LINEAR

    def is_bounded(self, layer: Layer) -> bool:
        """Whether the activation that follows a layer saturates on both sides."""
        function = layer.site.function if layer.site is not None and not layer.is_output else None
        return function is not None and _is_bounded(function)

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
            for part, some in zip(
                parts, factors.to(weight).split([len(part) for part in parts]), strict=True
            ):
                part.mul_(some.reshape(-1, *[1] * (part.ndim - 1)))

    def units(self, layer: Layer) -> int:
        """How many units a layer has: rows of its weight, over all groups."""
        return sum(len(block.weight) for block in blocks(layer, 1.0, weight_of(layer)))

    def free_bias(self, layer: Layer) -> Tensor | None:
        """The bias of a filled layer, where it may be set: it is trained, and the author did not
        choose another than zero.
        """
        bias = layer.module._parameters.get("bias")
        return bias if bias is not None and bias.requires_grad and not bool(bias.any()) else None

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
        for a rule that looks at data. Dropout is off, batch normalizations use the batch, and
        buffers are restored.
        """
        found = [layer for layer in self.layers(run) if layer.callable]
        handles = [
            layer.module.register_forward_hook(_once(layer, visit), with_kwargs=True)
            for layer in found
        ]
        try:
            with quiet(run.model):
                yield lambda inputs: forward(run, inputs)
        finally:
            for handle in handles:
                handle.remove()

    def _judged(self, run: Run) -> Iterator[tuple[Layer, str | None]]:
        """Every layer, with why this rule leaves it alone; None where it does not."""
        tables = {id(table.module.weight): f"tied to {table.name}" for table in run.anatomy.tables}
        filled: dict[int, str] = {}
        for layer in run.anatomy.layers:
            weights = [id(parameter) for parameter in sources(layer).values()]
            known = tables | filled
            why = (
                _why_not(layer)
                or next((known[weight] for weight in weights if weight in known), None)
                or self.refuses(layer)
            )
            if why is None:
                filled |= dict.fromkeys(weights, f"its weight is that of {layer.name}")
            yield layer, why or _computed_or_zero(layer)


def _once(layer: Layer, visit: Visit) -> Callable[..., Tensor | None]:
    seen: list[bool] = []

    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Tensor | None:
        if seen or not isinstance(output, Tensor):
            return None

        def again(factor: float | None) -> Tensor:
            if factor is not None and _is_homogeneous(module):
                return output * factor
            for before in (
                module._forward_pre_hooks.values()
            ):  # old-style weight_norm computes the weight there
                before(module, args)
            found: Tensor = module.forward(*args, **kwargs)
            return found

        changed = visit(layer, output, again)
        seen.extend([True] * (changed is not None))
        return changed

    return hook


_PLAIN = {kind.forward for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)}


def _is_homogeneous(module: nn.Module) -> bool:
    """Whether a layer's output surely is a multiple of its weight, so that it need not be computed
    again.
    """
    bias = module._parameters.get("bias")
    return (
        type(module).forward in _PLAIN
        and not module._forward_pre_hooks
        and (bias is None or not bool(bias.any()))
    )


def _is_bounded(function: Callable[[Tensor], Tensor]) -> bool:
    """Whether a function of one tensor stays where it is, far from zero on both sides."""
    far = torch.tensor([-1e3, -1e2, 1e2, 1e3])
    try:
        with torch.no_grad():
            lower, low, high, higher = map(float, function(far))
    except (
        Exception
    ):  # whatever an unknown function raises on a plain vector: nothing is known about it
        return False
    return abs(lower - low) < 0.1 and abs(higher - high) < 0.1


# ---------------------------------------------------------------- what is left alone


def _why_not(layer: Layer) -> str | None:
    reasons = {"embedding": "an embedding", "norm": "a normalization"}
    if layer.kind not in KINDS:
        return reasons.get(layer.kind, "no rule for its kind")
    return "frozen" if frozen(layer) else None


def _computed_or_zero(layer: Layer) -> str | None:
    return refusal(layer) or ("set to zero by the model" if is_zero(layer) else None)


_BOUND = {"norm", "rnn"}  # closing a branch, these have rules of their own


def _unscaled_end(layer: Layer) -> str | None:
    if layer.kind == "rnn":
        return "recurrent: its result is no multiple of its weights"
    weight = layer.module._parameters.get("weight")
    if weight is None:
        return "a normalization without weights"
    return (
        "frozen"
        if not weight.requires_grad
        else None
        if bool(weight.any())
        else "set to zero by the model"
    )
