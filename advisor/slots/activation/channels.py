"""How many channels pass a site, and in which dimension they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from advisor.model import Layer, Site, swap
from advisor.slots.forward import forward, quiet
from advisor.training.run import Run

_CHANNELS_LAST = {
    "linear": True,
    "rnn": True,
    "attention": True,
    "conv": False,
    "conv_transpose": False,
}
"""By kind of layer: whether its channels are the last dimension of its output, or the second."""


@dataclass(frozen=True)
class Channels:
    """Channels at a site: their number, and whether they are the last dimension (features) or the
    second (maps).
    """

    count: int
    last: bool


def channels_at(run: Run, sites: Iterable[Site]) -> dict[str, Channels | str]:
    """By the id of each site that ran: its channels, or why they are not known.

    The model runs once with the sites watched. The layer before a site says where its channels lie.
    """
    by_id = {site.id: site for site in sites}
    channels: dict[str, Channels | str] = {}
    for name, shapes in shapes_at(run, by_id.values()).items():
        layers = [layer for layer in run.anatomy.layers if layer.site == by_id[name]]
        channels[name] = channels_after(layers, shapes)
    return channels


def channels_after(layers: list[Layer], shapes: set[tuple[int, ...]]) -> Channels | str:
    """The channels of signals of these shapes that come from these layers."""
    layers = [layer for layer in layers if layer.kind in _CHANNELS_LAST]
    if not layers:
        return "it does not directly follow a layer"
    if len({_CHANNELS_LAST[layer.kind] for layer in layers}) > 1:
        return "layers of several kinds lead to it"
    last = _CHANNELS_LAST[layers[0].kind]
    axis = -1 if last else 1
    counts = {shape[axis] for shape in shapes if len(shape) > 1}

    # What reaches the site must agree with what the layers state: an output may be reshaped or
    # transposed on the way.
    sizes = set()
    for layer in layers:
        sizes |= stated_channels(layer)
    if len(counts) != 1 or len(counts | sizes) > 1:
        return f"it gets shapes {sorted(shapes)} after layers of {sorted(sizes) or '?'} channels"
    return Channels(counts.pop(), last)


def stated_channels(layer: Layer) -> set[int]:
    """The number of channels of a layer's output, where the layer states it."""
    sizes = [getattr(layer.module, name, None) for name in ("out_features", "out_channels")]
    return {size for size in sizes if isinstance(size, int)}


def shapes_at(run: Run, sites: Iterable[Site]) -> dict[str, set[tuple[int, ...]]]:
    """The shapes that reach each site; sites that cannot be reached are left out."""
    shapes: dict[str, set[tuple[int, ...]]] = {}

    def note(name: str, x: Tensor, *_: Any) -> Tensor:
        """Note the shape of a site's input, and give what any activation might."""
        shapes.setdefault(name, set()).add(tuple(x.shape))
        return torch.tanh(x)

    # Every site notes its shapes for one pass.
    report = swap(run.model, run.anatomy, lambda site: partial(note, site.id), sites)
    try:
        with quiet(run.model):
            forward(run, run.example())
    finally:
        report.undo()
    return shapes
