"""A start for attention that looks like attention which was trained."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from advisor import Fans, Float, Initializer, Layer, Run

from .attention_parts import AttentionParts, attention_parts
from .fills import normal


class Mimetic(Initializer):
    """Attention that starts with the structure that trained attention has.

    W_Qᵀ W_K = qk (Z + I) in each head and W_out W_V = v (Z - I), as near as their ranks allow, by
    singular values of these products; Z ~ N(0, 1 / width). Other layers stay as they are. Helps
    transformers on few data, most of all those for images, whose tokens then look at themselves
    and their like from the start; with fixed sinusoids as positions it helps more.

    Arguments:
        qk: size of the products of queries and keys.
        v: size of the products of values and results.

    Reference: Trockman & Kolter 2023, "Mimetic initialization of self-attention layers".
    """

    name = "mimetic"
    cite = "Trockman & Kolter 2023"
    cost = "a singular value decomposition for each head, before training"
    # The paper's values for vision transformers.
    space = {
        "qk": Float(0.1, 1.5, default=0.7, log=True),
        "v": Float(0.05, 1.0, default=0.4, log=True),
    }
    standard = False

    def unfit(self, run: Run) -> str | None:
        """It is for self-attention whose parts are found."""
        why = super().unfit(run)
        if why is not None:
            return why
        found = list(attention_parts(self, run))
        if any(isinstance(each, AttentionParts) for each in found):
            return None
        if not found:
            return "no layer of the model computes attention, and this rule is for transformers"
        refused = [each for each in found if isinstance(each, tuple)]
        return f"no self-attention of the model is understood: {self.tell(refused)}"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The variance of LeCun, where a part of an attention is not square."""
        normal(weight, 1 / math.sqrt(fans.fan_in), generator)

    def apply(self, run: Run, qk: float = 0.7, v: float = 0.4, **params: Any) -> str:
        """Fill the parts of each self-attention, in order of execution."""
        done, left = [], []
        for found in list(attention_parts(self, run)):
            if isinstance(found, tuple):
                left.append(found)
                continue
            why = self.why_not(found)
            if why is None:
                with torch.no_grad():
                    self.fill_parts(found, qk, v, run.generator)
                heads = len(found.queries)
                done.append((found.name, f"{heads} head" if heads == 1 else f"{heads} heads"))
            else:
                left.append((found.name, why))
        actions = [f"attention by its products: {self.tell(done) or 'none'}"]
        if left:
            actions.append(f"left as it is: {self.tell(left)}")
        return "; ".join(actions)

    def why_not(self, parts: AttentionParts) -> str | None:
        """Why an attention cannot be filled, or None."""
        layers = [each.layer for each in (*parts.queries, *parts.keys, parts.values)]
        for layer in (*layers, parts.result):
            if layer.kind != "attention" and self.is_computed(layer):
                return f"the weight of {layer.name} is computed"
        return None

    def fill_parts(
        self, parts: AttentionParts, qk: float, v: float, generator: torch.Generator
    ) -> None:
        """Fill queries and keys head by head, then values and result together."""
        for query, key in zip(parts.queries, parts.keys, strict=True):
            into_queries, into_keys = weight_of(query.layer), weight_of(key.layer)
            width = into_queries.shape[1]
            left, right = factors(width, len(query.rows), qk, 1.0, generator)
            into_queries[list(query.rows)] = left.T.to(into_queries)
            into_keys[list(key.rows)] = right.T.to(into_keys)
        into_values, result = weight_of(parts.values.layer), result_of(parts.result)
        left, right = factors(len(result), len(parts.values.rows), v, -1.0, generator)
        # Where the values see another width than the result has, the products are no square.
        if into_values.shape[1] == len(result):
            result.copy_(left.to(result))
            into_values[list(parts.values.rows)] = right.T.to(into_values)


def factors(
    width: int, rank: int, size: float, sign: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two matrices (width, rank) whose product with the other transposed is as near to
    size · (Z + sign · I) as its rank allows.
    """
    noise = torch.randn(width, width, generator=generator) / math.sqrt(width)
    wanted = size * (noise + sign * torch.eye(width))
    u, singular, v = torch.linalg.svd(wanted)
    root = singular[:rank].sqrt()
    return u[:, :rank] * root, v[:rank].T * root


def weight_of(layer: Layer) -> Tensor:
    """The weight whose rows are the units of a layer, a view into its parameter."""
    module: Any = layer.module
    weight: Tensor = module.in_proj_weight if layer.kind == "attention" else module.weight
    return weight.detach()


def result_of(layer: Layer) -> Tensor:
    """The weight that projects what the heads of an attention gather."""
    module: Any = layer.module
    weight: Tensor = module.out_proj.weight if layer.kind == "attention" else module.weight
    return weight.detach()
