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
    for name, shapes in _shapes_at(run, by_id.values()).items():
        layers = [layer for layer in run.anatomy.layers if layer.site == by_id[name]]
        channels[name] = _channels_after(layers, shapes)
    return channels


def _channels_after(layers: list[Layer], shapes: set[tuple[int, ...]]) -> Channels | str:
    """The channels of signals of these shapes that come from these layers."""
    layers = [layer for layer in layers if layer.kind in _CHANNELS_LAST]
    if not layers:
        return "it does not directly follow a layer"
    if len({_CHANNELS_LAST[layer.kind] for layer in layers}) > 1:
        return "layers of several kinds lead to it"
    last = _CHANNELS_LAST[layers[0].kind]
    axis = -1 if last else 1
    counts = {shape[axis] for shape in shapes if len(shape) > 1}

    # A layer that says how many channels it gives must agree with what reaches the site: its
    # output may be reshaped or transposed on the way.
    sizes = set()
    for layer in layers:
        for name in ("out_features", "out_channels"):
            size = getattr(layer.module, name, None)
            if isinstance(size, int):
                sizes.add(size)
    if len(counts) != 1 or len(counts | sizes) > 1:
        return f"it gets shapes {sorted(shapes)} after layers of {sorted(sizes) or '?'} channels"
    return Channels(counts.pop(), last)


def _shapes_at(run: Run, sites: Iterable[Site]) -> dict[str, set[tuple[int, ...]]]:
    """The shapes that reach each site; sites that cannot be reached are left out."""
    shapes: dict[str, set[tuple[int, ...]]] = {}

    def watched(site: Site) -> Callable[[Tensor], Tensor]:
        """An activation that notes the shape of its input; any elementwise one would do."""

        def watch(x: Tensor, *_: Any) -> Tensor:
            """Note a shape."""
            shapes.setdefault(site.id, set()).add(tuple(x.shape))
            return torch.tanh(x)

        return watch

    report = swap(run.model, run.anatomy, watched, sites)
    try:
        with quiet(run.model):
            forward(run, run.example())
    finally:
        report.undo()
    return shapes
