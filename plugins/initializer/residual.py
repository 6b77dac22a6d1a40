"""Initializers that tame residual branches, found in the trace: layers whose result is added to
what went past them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Fans, Float, Layer, Run

from .fills import normal
from .variance import He, XavierUniform

_STATELESS = ("linear", "conv", "conv_transpose")


class ResidualScaling(He):
    """He's start, and residual branches small enough that their sum does not grow with depth.

    std = gain / √fan_in, and the last layer of each of N residual branches (or the normalization
    that ends it) times 1 / √(2N). Helps deep residual nets without normalization.

    Reference: Zhang et al. 2019, "Fixup initialization"; Shao et al. 2020, "Is normalization
        indispensable for training deep
    neural networks?".
    """

    name = "residual"
    cite = "Zhang et al. 2019; Shao et al. 2020"
    space = {}

    def unfit(self, run: Run) -> str | None:
        """A model without a residual branch that may be scaled has nothing to gain."""
        return super().unfit(run) or _no_branch(self.ends(run))

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, then scale what ends the branches."""
        ends = self.ends(run)  # asked first: what is filled with zeros is not zero on purpose
        return "; ".join(
            [super().apply(run, **params), *self.tame(run, ends, self.factor(count_of(ends)))]
        )

    def factor(self, branches: int) -> float:
        """What the end of each branch is multiplied by."""
        return 1 / math.sqrt(2 * branches)

    def tame(self, run: Run, ends: list[tuple[Layer, str | None]], factor: float) -> list[str]:
        """Scale the ends of branches; what was done, and what was left."""
        may = [
            layer
            for layer, why in ends
            if why is None and not (factor == 0 and self._cannot_vanish(layer))
        ]
        for layer in may:
            self.scale(layer, factor)
        left = [
            (layer.name, why or "its weight is computed and cannot become zero")
            for layer, why in ends
            if layer not in may
        ]
        names = self.tell((layer.name, f"× {factor:.2g}") for layer in may)
        return [f"ends of residual branches: {names or 'none'}"] + (
            [f"branches not scaled: {self.tell(left)}"] if left else []
        )

    def _cannot_vanish(self, layer: Layer) -> bool:
        return layer.kind != "norm" and self.is_computed(layer)


class ZeroLast(ResidualScaling):
    """He's start, and residual branches that start as nothing: the net begins as its own shortcut.

    std = gain / √fan_in, and the last layer of each residual branch (or the weight of the
    normalization that ends it) is zero. Helps deep residual nets, with and without normalization;
    the rest of a branch learns from the second step on.

    Reference: Goyal et al. 2017, "Accurate, large minibatch SGD" (zero γ); De & Smith 2020, "Batch
        normalization biases residual
    blocks towards the identity function" (SkipInit).
    """

    name = "zero_last"
    cite = "Goyal et al. 2017; De & Smith 2020"
    standard = False

    def factor(self, branches: int) -> float:
        """Nothing is left."""
        return 0.0


class Fixup(ZeroLast):
    """Residual nets without normalization: zero ends, and the inside of branches scaled to the
    number of branches.

    With L branches of m layers each: the last layer of a branch and the output layer are zero, the
        other m - 1 layers of a
    branch are He's times L^(-1 / (2m - 2)). The scalar biases and multipliers of the paper are not
    added: the model stays as it was built. Helps deep residual nets without normalization.

    Reference: Zhang et al. 2019, "Fixup initialization: residual learning without normalization".
    """

    name = "fixup"
    cite = "Zhang et al. 2019"

    def tame(self, run: Run, ends: list[tuple[Layer, str | None]], factor: float) -> list[str]:
        """Zero the ends and the output, and scale what lies inside the branches."""
        filled = [layer for layer in self.layers(run) if layer.kind in _STATELESS]
        said, inside = super().tame(run, ends, factor), 0
        for layer in filled:
            size = sum(other.branch == layer.branch for other in filled)
            if layer.branch is not None and not layer.closes_branch and size > 1:
                self.scale(layer, count_of(ends) ** (-1 / (2 * size - 2)))
                inside += 1
        outputs = [layer for layer in filled if layer.is_output and not self._cannot_vanish(layer)]
        for layer in outputs:
            self.scale(layer, 0.0)
        return [
            *said,
            f"{inside} layers inside branches scaled; zero output: {', '.join(o.name for o in outputs) or 'none'}",
        ]


class GPT2(ResidualScaling):
    """The start of GPT-2: small normal weights, and residual projections scaled to depth.

    W ~ N(0, std²); the last layer of each residual branch times 1 / √N, where N is the number of
    branches, two per transformer layer. Embeddings stay as they are. Helps transformers with
    normalization before each branch.

    Arguments:
        std: the deviation.

    Reference: Radford et al. 2019, "Language models are unsupervised multitask learners".
    """

    name = "gpt2"
    cite = "Radford et al. 2019"
    space = {"std": Float(0.005, 0.1, default=0.02, log=True)}
    standard = False

    def unfit(self, run: Run) -> str | None:
        """It is for transformers."""
        return super().unfit(run) or _no_attention(run)

    def fill(  # type: ignore[override]  # another parameter than He's
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        std: float = 0.02,
        **params: Any,
    ) -> None:
        """N(0, std²)."""
        normal(weight, std, generator)

    def factor(self, branches: int) -> float:
        """1 / √branches."""
        return 1 / math.sqrt(branches)


class TFixup(XavierUniform):
    """Transformers that need neither warm-up nor normalization.

    Xavier, then the layers of residual branches, of attention the projections of values and results
    only, times 0.67 N^(-1/4) in encoders and (9N)^(-1/4) in decoders (`nn.TransformerDecoderLayer`)
    of N layers. Embeddings stay as they are. In attention that a model computes itself, layers
    whose results meet in a product keep Xavier's size, values among them. Helps deep transformers
    whose training is unstable.

    Reference: Huang et al. 2020, "Improving transformer optimization through better
        initialization".
    """

    name = "t_fixup"
    cite = "Huang et al. 2020"

    def unfit(self, run: Run) -> str | None:
        """It is for transformers."""
        return super().unfit(run) or _no_attention(run) or _no_branch(self.ends(run))

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, then scale the branches of encoders and decoders."""
        told = [super().apply(run, **params)]
        decoders = [
            name
            for name, module in run.model.named_modules()
            if isinstance(module, nn.TransformerDecoderLayer)
        ]
        inside = [layer for layer in self.layers(run) if layer.branch is not None]
        parts = {
            True: [a for a in inside if _within(a, decoders)],
            False: [a for a in inside if not _within(a, decoders)],
        }
        for is_decoder, layers in parts.items():
            depth = (
                len(decoders)
                if is_decoder
                else len({layer.branch for layer in layers if _attends(layer)})
            )
            if depth:
                factor = (9 * depth) ** -0.25 if is_decoder else 0.67 * depth**-0.25
                scaled = [layer for layer in layers if self._scale(layer, factor)]
                told.append(
                    f"{len(scaled)} layers in {depth} {'decoder' if is_decoder else 'encoder'} layers × {factor:.2g}"
                )
        return "; ".join(told)

    def _scale(self, layer: Layer, factor: float) -> bool:
        if layer.kind in _STATELESS and not layer.mixes:
            self.scale(layer, factor)
            return True
        value = _value(layer.module) if layer.kind == "attention" else None
        if value is not None:
            value.mul_(factor)
        return value is not None


def _value(module: Any) -> Tensor | None:
    """The weights that project values, in `nn.MultiheadAttention`, if they are trained."""
    weight = module.in_proj_weight if module.in_proj_weight is not None else module.v_proj_weight
    if not weight.requires_grad:
        return None
    values: Tensor = (
        weight.detach().chunk(3)[2] if weight is module.in_proj_weight else weight.detach()
    )
    return values


def _attends(layer: Layer) -> bool:
    return layer.kind == "attention" or layer.mixes


def _within(layer: Layer, names: list[str]) -> bool:
    return any(layer.name.startswith(f"{name}.") for name in names)


def count_of(ends: list[tuple[Layer, str | None]]) -> int:
    """How many residual branches one pass goes through; a layer that runs several times ends
    several.
    """
    return max(1, sum(layer.calls for layer, _ in ends))


def _no_branch(ends: list[tuple[Layer, str | None]]) -> str | None:
    if not ends:
        return "the model has no residual branch: no layer's result is added to a value that went past it"
    if any(why is None for _, why in ends):
        return None
    return f"no layer that ends a residual branch can be scaled ({ends[0][0].name}: {ends[0][1]})"


def _no_attention(run: Run) -> str | None:
    if any(_attends(layer) for layer in run.anatomy.layers):
        return None
    return "no layer of the model computes attention, and this rule is for transformers"
