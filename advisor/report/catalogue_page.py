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
from advisor.space import Parameter
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
    # What keeps a slot is in every slot, and there is nothing to show of it.
    for slot in slots:
        techniques = host.techniques[slot].values()
        entries = [catalogue_entry(host, each) for each in techniques if each.name != KEEP]
        catalogue.append((host.slots[slot], entries))
    return render("catalogue.html", catalogue=catalogue, width=WIDTH, height=HEIGHT, reach=REACH)


def catalogue_entry(host: Host, technique: Technique) -> CatalogueEntry:
    """A technique with what the page shows of it."""
    plugin = host.owner[f"{technique.slot}.{technique.name}"]
    space = []
    for name, parameter in technique.space.items():
        space.append((name, type(parameter).__name__, range_in_words(parameter)))
    curve = draw_activation(technique) if isinstance(technique, Activation) else None
    return CatalogueEntry(technique, plugin, about(technique), space, curve)


def range_in_words(parameter: Parameter) -> str:
    """The range of a parameter: `low 1, high 4, log True`. What is not set is left out."""
    words = []
    for key, value in asdict(parameter).items():
        if value is not None and value is not False:
            words.append(f"{key} {value}")
    return ", ".join(words)


def about(technique: Technique) -> str:
    """A technique's docstring: its own, or that of the class which an activation's factory is."""
    # A technique made from a class of its author's goes by the docstring of that class.
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
            # A random activation is drawn as it is after training.
            if isinstance(function, nn.Module):
                function.eval()
            return draw_function(function)
    except Exception:  # whatever a stranger's factory raises: a page without this plot
        return None


def draw_function(function: Callable[[Tensor], Tensor]) -> ActivationCurve | None:
    """A function and its derivative; None where they cannot be drawn.

    That is where they are not finite, or where the function is none of a single number.
    """
    x = torch.linspace(-REACH, REACH, POINTS).requires_grad_()
    y = function(x * 1.0)  # not `x` itself: the function may work in place
    # The sum has each value's own derivative as its gradient.
    (slope,) = torch.autograd.grad(y.sum(), x)
    both = torch.stack([y.detach(), slope])
    if both.shape != (2, POINTS) or not bool(both.isfinite().all()):
        return None

    # The y axis shows at least from -1 to 1.
    low = min(-1.0, float(both.min()))
    high = max(1.0, float(both.max()))
    # Pixels count from the upper left corner.
    across = WIDTH * (x.detach() + REACH) / (2 * REACH)
    down = HEIGHT * (high - both) / (high - low)
    return ActivationCurve(
        value=svg_points(across, down[0]),
        slope=svg_points(across, down[1]),
        zero=HEIGHT * high / (high - low),
        low=low,
        high=high,
        gains=moments(function),
    )


def svg_points(across: Tensor, down: Tensor) -> str:
    """Points as SVG writes them."""
    pixels = zip(across.tolist(), down.tolist(), strict=True)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
