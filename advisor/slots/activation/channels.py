"""How many channels pass a site, and in which dimension they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from advisor.model import Layer, Site, swap
from advisor.slots.forward import forward, quiet
from advisor.training.run import Run


@dataclass(frozen=True)
class Channels:
    """Channels at a site: their number, and whether they are the last dimension (features) or the
    second (maps).
    """

    count: int
    last: bool


def channels(run: Run, sites: Iterable[Site]) -> dict[str, Channels | str]:
    """By the id of each site that ran: its channels, or why they are not known.

    The model runs once with the sites watched. The layer before a site says where its channels lie.
    """
    sites = tuple(sites)
    before = {
        site.id: [
            layer for layer in run.anatomy.layers if layer.site == site and layer.kind in _LAST
        ]
        for site in sites
    }
    return {name: _of(before[name], shapes) for name, shapes in _shapes(run, sites).items()}


_LAST = {"linear": True, "rnn": True, "attention": True, "conv": False, "conv_transpose": False}
_SIZES = ("out_features", "out_channels")


def _of(layers: list[Layer], shapes: set[tuple[int, ...]]) -> Channels | str:
    if len({_LAST[layer.kind] for layer in layers}) != 1:
        return (
            "layers of several kinds lead to it"
            if layers
            else "it does not directly follow a layer"
        )
    axis = -1 if _LAST[layers[0].kind] else 1
    counts = {shape[axis] for shape in shapes if len(shape) > 1}
    sizes = {
        int(size)
        for layer in layers
        for name in _SIZES
        if isinstance(size := getattr(layer.module, name, None), int)
    }
    if len(counts) != 1 or len(counts | sizes) > 1:
        return f"it gets shapes {sorted(shapes)} after layers of {sorted(sizes) or '?'} channels"
    return Channels(counts.pop(), axis == -1)


def _shapes(run: Run, sites: Iterable[Site]) -> dict[str, set[tuple[int, ...]]]:
    """The shapes that reach each site; sites that cannot be reached are left out."""
    seen: dict[str, set[tuple[int, ...]]] = {}

    def watched(site: Site) -> Callable[[Tensor], Tensor]:
        def watch(x: Tensor, *_: Any) -> Tensor:
            seen.setdefault(site.id, set()).add(tuple(x.shape))
            return torch.tanh(x)

        return watch

    report = swap(run.model, run.anatomy, watched, sites)
    try:
        with quiet(run.model):
            forward(run, run.example())
    finally:
        report.undo()
    return seen
