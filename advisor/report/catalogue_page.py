"""What can be tried, as one self-contained HTML page: each technique's docstring, what may vary
and, for activations, the curve.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from advisor.host.host import Host
from advisor.randomness import isolated
from advisor.report.html import render, write_html
from advisor.slots.activation.base import Activation
from advisor.slots.gain import Moments, moments
from advisor.technique import KEEP, Slot, Technique

WIDTH, HEIGHT = 320, 180
"""Pixels of a curve's plot."""
REACH = 4.0
"""How far its x axis reaches to both sides of 0."""
POINTS = 161
"""Points of a curve."""


@dataclass(frozen=True)
class ActivationCurve:
    """An activation and its derivative, drawn.

    Attributes:
        value, slope: of the function and its derivative, as SVG points.
        zero: the pixel of the x axis.
        low, high: the ends of the y axis.
        gains: the gain and the moments that it comes from; None where there are none.
    """

    value: str
    slope: str
    zero: float
    low: float
    high: float
    gains: Moments | None


@dataclass(frozen=True)
class CatalogueEntry:
    """A technique as the page shows it.

    Attributes:
        plugin: the plugin that brings it.
        about: its docstring.
        space: name, kind and range of what may vary.
        curve: of an activation that can be drawn.
    """

    technique: Technique
    plugin: str
    about: str
    space: list[tuple[str, str, str]]
    curve: ActivationCurve | None


def write_catalogue(host: Host, slots: Sequence[str], path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(catalogue_page(host, slots), path)


def catalogue_page(host: Host, slots: Sequence[str]) -> str:
    """The page as text; what comes from plugins is escaped."""
    catalogue: list[tuple[Slot, list[CatalogueEntry]]] = []
    for slot in slots:
        techniques = host.techniques[slot].values()
        entries = [_entry(host, each) for each in techniques if each.name != KEEP]
        catalogue.append((host.slots[slot], entries))
    return render("catalogue.html", catalogue=catalogue, width=WIDTH, height=HEIGHT, reach=REACH)


def _entry(host: Host, technique: Technique) -> CatalogueEntry:
    plugin = host.owner[f"{technique.slot}.{technique.name}"]
    space = []
    for name, parameter in technique.space.items():
        # What is not set is left out: no default, no logarithm.
        attributes = asdict(parameter).items()
        parts = [f"{key} {value}" for key, value in attributes if value is not None]
        parts = [part for part in parts if part != "log False"]
        space.append((name, type(parameter).__name__, ", ".join(parts)))
    curve = draw_activation(technique) if isinstance(technique, Activation) else None
    return CatalogueEntry(technique, plugin, about(technique), space, curve)


def about(technique: Technique) -> str:
    """A technique's docstring: its own, or that of the class which an activation's factory is."""
    docstring = technique.__doc__
    if docstring == Activation.__doc__:
        factory = getattr(technique, "factory", None)
        is_torch = str(getattr(factory, "__module__", "")).startswith("torch.")
        if inspect.isclass(factory) and not is_torch:
            docstring = factory.__doc__
    return inspect.cleandoc(docstring or "")


def draw_activation(technique: Activation) -> ActivationCurve | None:
    """The function and its derivative at the defaults; None where they cannot be drawn."""
    try:
        with isolated(0):
            function = technique.factory(**technique.defaults())
            if isinstance(function, nn.Module):
                function.eval()
            return _draw(function)
    except Exception:  # whatever a stranger's factory raises: a page without this plot
        return None


def _draw(function: Callable[[Tensor], Tensor]) -> ActivationCurve | None:
    x = torch.linspace(-REACH, REACH, POINTS).requires_grad_()
    y = function(x * 1.0)  # not `x` itself: the function may work in place
    (slope,) = torch.autograd.grad(y.sum(), x)
    both = torch.stack([y.detach(), slope])
    if both.shape != (2, POINTS) or not bool(both.isfinite().all()):
        return None

    low, high = min(-1.0, float(both.min())), max(1.0, float(both.max()))
    across = WIDTH * (x.detach() + REACH) / (2 * REACH)
    down = HEIGHT * (high - both) / (high - low)
    return ActivationCurve(
        value=_points(across, down[0]),
        slope=_points(across, down[1]),
        zero=HEIGHT * high / (high - low),
        low=low,
        high=high,
        gains=moments(function),
    )


def _points(across: Tensor, down: Tensor) -> str:
    pixels = zip(across.tolist(), down.tolist(), strict=True)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
