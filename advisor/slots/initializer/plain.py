"""What an initializer does to the layers of a run, as far as functions of torch do the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from advisor.model import Layer
from advisor.model.writing.plain_start import PlainStart
from advisor.slots.initializer.base import Initializer
from advisor.slots.initializer.blocks import blocks
from advisor.slots.initializer.initial_weights import is_chosen
from advisor.training.run import Run


def plain_start(run: Run, technique: Initializer, params: Mapping[str, Any]) -> PlainStart:
    """The fills of an initializer on a run whose activations are in place. Nothing is changed."""
    who = f"initializer {technique.name}"
    fills: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    if not is_formula(technique):
        return PlainStart(who, run.model, (), [(who, "no line of plain PyTorch does the same")])
    for layer in technique.layers(run):
        call = None if why_not(layer, technique) else call_of(layer, technique, params)
        if call is None:
            why = why_not(layer, technique) or "no function of torch.nn.init does the same"
            left.append((f"{who}: {layer.name}", why))
        else:
            fills.append((layer.parameter("weight"), call))
        fills += [] if call is None else zeroed_bias(layer)
    return PlainStart(who, run.model, fills, left)


def is_formula(technique: Initializer) -> bool:
    """Whether a rule is nothing but its fill, of which it says how torch does it."""
    kinds = list(type(technique).__mro__)
    own = {
        name: next(at for at, kind in enumerate(kinds) if name in vars(kind))
        for name in ("apply", "start", "fill", "plain")
    }
    base = kinds.index(Initializer)
    # A rule that is derived from another one, and fills otherwise, has to say so itself.
    return own["apply"] == own["start"] == base and own["plain"] <= own["fill"]


def why_not(layer: Layer, technique: Initializer) -> str:
    """Why no one line fills a layer; empty where one may."""
    if layer.kind not in ("linear", "conv") or layer.matrices or layer.transposed:
        return "it is filled block by block"
    if getattr(layer.module, "groups", 1) != 1:
        return "it has groups"
    return "its weight is computed" if technique.is_computed(layer) else ""


def call_of(layer: Layer, technique: Initializer, params: Mapping[str, Any]) -> str | None:
    """The call that fills the weight of a layer; None where there is none."""
    (block,) = blocks(layer, technique.gain(layer))
    return technique.plain(block.fans, **params)


def zeroed_bias(layer: Layer) -> Iterator[tuple[str, str]]:
    """The bias that every rule sets to zero, unless it is so or the author has chosen it."""
    bias = layer.module._parameters.get("bias")
    if bias is None or not bias.requires_grad or not bool(bias.any()):
        return
    if not is_chosen(layer, bias.detach()):
        yield layer.parameter("bias"), "zeros_({weight})"
