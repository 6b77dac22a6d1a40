"""Initializers that scale residual branches, which the trace shows: layers whose result is added to
what went past them.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from advisor import Fans, Float, Layer, Run

from .fills import normal
from .variance import He, XavierUniform

Ends = list[tuple[Layer, str | None]]
"""Layers that close a residual branch, each with why it may not be scaled, or None."""
_OF_ONE_MATRIX = ("linear", "conv", "conv_transpose")
"""Kinds of layers whose output is a multiple of one weight."""


class ResidualScaling(He):
    """He's start, and residual branches small enough that their sum does not grow with depth.

    std = gain / √fan_in, and the last layer of each of N residual branches (or the normalization
    that ends it) times 1 / √(2N). Helps deep residual nets without normalization.

    Reference: Zhang et al. 2019, "Fixup initialization"; Shao et al. 2020, "Is normalization
    indispensable for training deep neural networks?".
    """

    name = "residual"
    cite = "Zhang et al. 2019; Shao et al. 2020"
    space = {}

    def unfit(self, run: Run) -> str | None:
        """A model without a residual branch that may be scaled has nothing to gain."""
        return super().unfit(run) or _no_branch(self.ends(run))

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, then scale what ends the branches."""
        # The ends are judged first: a weight that this rule sets to zero is not the author's zero.
        ends = self.ends(run)
        filled = super().apply(run, **params)
        factor = self.factor(branch_count(ends))
        return "; ".join([filled, *self.scale_branches(run, ends, factor)])

    def factor(self, branches: int) -> float:
        """What the end of each branch is multiplied by."""
        return 1 / math.sqrt(2 * branches)

    def scale_branches(self, run: Run, ends: Ends, factor: float) -> list[str]:
        """Scale the ends of branches; what was done, and what was left."""
        scaled, left = [], []
        for layer, why in ends:
            if why is None and factor == 0 and self.cannot_vanish(layer):
                why = "its weight is computed and cannot become zero"
            if why is None:
                self.scale(layer, factor)
                scaled.append((layer.name, f"× {factor:.2g}"))
            else:
                left.append((layer.name, why))
        actions = [f"ends of residual branches: {self.tell(scaled) or 'none'}"]
        if left:
            actions.append(f"branches not scaled: {self.tell(left)}")
        return actions

    def cannot_vanish(self, layer: Layer) -> bool:
        """Whether a layer's weight cannot become zero, because it is a direction times a length."""
        return layer.kind != "norm" and self.is_computed(layer)


class ZeroLast(ResidualScaling):
    """He's start, and residual branches that start as nothing: the net begins as its own shortcut.

    std = gain / √fan_in, and the last layer of each residual branch (or the weight of the
    normalization that ends it) is zero. Helps deep residual nets, with and without normalization;
    the rest of a branch learns from the second step on.

    Reference: Goyal et al. 2017, "Accurate, large minibatch SGD" (zero γ); De & Smith 2020, "Batch
    normalization biases residual blocks towards the identity function" (SkipInit).
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
    other m - 1 layers of a branch are He's times L^(-1 / (2m - 2)). The scalar biases and
    multipliers of the paper are not added: the model stays as it was built. Helps deep residual
    nets without normalization.

    Reference: Zhang et al. 2019, "Fixup initialization: residual learning without normalization".
    """

    name = "fixup"
    cite = "Zhang et al. 2019"

    def scale_branches(self, run: Run, ends: Ends, factor: float) -> list[str]:
        """Zero the ends and the output, and scale what lies inside the branches."""
        filled = [layer for layer in self.layers(run) if layer.kind in _OF_ONE_MATRIX]
        actions = super().scale_branches(run, ends, factor)
        sizes = Counter(layer.branch for layer in filled)
        inside, outputs = 0, []
        for layer in filled:
            size = sizes[layer.branch]
            if layer.branch is not None and not layer.closes_branch and size > 1:
                self.scale(layer, branch_count(ends) ** (-1 / (2 * size - 2)))
                inside += 1
            if layer.is_output and not self.cannot_vanish(layer):
                self.scale(layer, 0.0)
                outputs.append(layer.name)
        zero = ", ".join(outputs) or "none"
        return [*actions, f"{inside} layers inside branches scaled; zero output: {zero}"]


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
        actions = [super().apply(run, **params)]
        decoders = []
        for name, module in run.model.named_modules():
            if isinstance(module, nn.TransformerDecoderLayer):
                decoders.append(f"{name}.")
        in_encoders: list[Layer] = []
        in_decoders: list[Layer] = []
        for layer in self.layers(run):
            if layer.branch is not None:
                is_decoder = layer.name.startswith(tuple(decoders))
                (in_decoders if is_decoder else in_encoders).append(layer)

        # The factors are the paper's. Encoders may be the author's own classes, so that their
        # depth is the number of branches that attend.
        depth = len(decoders)
        if depth:
            action = self._scale_all(in_decoders, (9 * depth) ** -0.25)
            actions.append(action.format(f"{depth} decoder"))
        depth = len({layer.branch for layer in in_encoders if _attends(layer)})
        if depth:
            action = self._scale_all(in_encoders, 0.67 * depth**-0.25)
            actions.append(action.format(f"{depth} encoder"))
        return "; ".join(actions)

    def _scale_all(self, layers: list[Layer], factor: float) -> str:
        """Scale what the paper scales in these layers; what was done, with a place for where."""
        number = 0
        for layer in layers:
            # Queries and keys keep Xavier's size; where a model computes attention itself, all
            # layers whose results meet in a product are taken for such.
            if layer.kind in _OF_ONE_MATRIX and not layer.mixes:
                self.scale(layer, factor)
                number += 1
            elif layer.kind == "attention":
                values = _value_weight(layer.module)
                if values is not None:
                    values.mul_(factor)
                    number += 1
        return f"{number} layers in {{}} layers × {factor:.2g}"


def _value_weight(module: Any) -> Tensor | None:
    """The weights that project values, in `nn.MultiheadAttention`, if they are trained."""
    if module.in_proj_weight is None:
        weight: Tensor = module.v_proj_weight
        values = weight.detach()
    else:
        # Queries, keys and values are stacked.
        weight = module.in_proj_weight
        values = weight.detach().chunk(3)[2]
    return values if weight.requires_grad else None


def _attends(layer: Layer) -> bool:
    return layer.kind == "attention" or layer.mixes


def branch_count(ends: Ends) -> int:
    """How many residual branches one pass goes through; a layer that runs several times ends
    several.
    """
    return max(1, sum(layer.calls for layer, _ in ends))


def _no_branch(ends: Ends) -> str | None:
    """Why there is no branch to scale, or None."""
    if not ends:
        return (
            "the model has no residual branch: no layer's result is added to a value that went "
            "past it"
        )
    if any(why is None for _, why in ends):
        return None
    layer, why = ends[0]
    return f"no layer that ends a residual branch can be scaled ({layer.name}: {why})"


def _no_attention(run: Run) -> str | None:
    """Why a rule for transformers has nothing to do, or None."""
    if any(_attends(layer) for layer in run.anatomy.layers):
        return None
    return "no layer of the model computes attention, and this rule is for transformers"
