"""What can be tried, as one self-contained HTML page: each technique's docstring, space and, for
activations, its curve.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.host.host import Host
from advisor.randomness import isolated
from advisor.report.html import render, write
from advisor.slots.activation.base import Activation
from advisor.slots.gain import Moments, moments
from advisor.technique import KEEP, Technique

WIDTH, HEIGHT, REACH = 320, 180, 4.0
"""Pixels of a plot, and how far its x axis reaches to both sides of 0."""


@dataclass(frozen=True)
class Curve:
    """An activation and its derivative as SVG points, the axes' places, the ends of the y axis, and
    the gain row.
    """

    value: str
    slope: str
    zero: float
    low: float
    high: float
    gains: Moments | None


def write_catalogue(host: Host, slots: list[str], path: str) -> Path:
    """Write the page; returns where. Raises `InputError` when it cannot be written."""
    return write(catalogue(host, slots), path)


def catalogue(host: Host, slots: list[str]) -> str:
    """The page as text; what comes from plugins is escaped."""
    found = {
        host.slots[name]: [
            _shown(host, t) for t in host.techniques[name].values() if t.name != KEEP
        ]
        for name in slots
    }
    measures = {"width": WIDTH, "height": HEIGHT, "reach": REACH}
    return render("catalogue.html", found=found, **measures)


def _shown(host: Host, technique: Technique) -> dict[str, Any]:
    return {
        "technique": technique,
        "plugin": host.owner[f"{technique.slot}.{technique.name}"],
        "about": about(technique),
        "space": [
            (
                name,
                type(p).__name__,
                ", ".join(f"{k} {v}" for k, v in asdict(p).items() if v not in (None, False)),
            )
            for name, p in technique.space.items()
        ],
        "curve": curve(technique) if isinstance(technique, Activation) else None,
    }


def about(technique: Technique) -> str:
    """A technique's docstring: its own, or that of the class which an activation's factory is."""
    own, factory = technique.__doc__, getattr(technique, "factory", None)
    theirs = inspect.isclass(factory) and not str(factory.__module__).startswith("torch.")
    return inspect.cleandoc(
        (factory.__doc__ if theirs and own == Activation.__doc__ else own) or ""
    )


def curve(technique: Activation) -> Curve | None:
    """The function and its derivative at the defaults; None where they cannot be drawn."""
    try:
        with isolated(0):
            made = technique.factory(**technique.defaults())
            return _drawn(made.eval() if isinstance(made, nn.Module) else made)
    except Exception:  # whatever a stranger's factory raises: a page without this plot
        return None


def _drawn(function: Callable[[Tensor], Tensor]) -> Curve | None:
    x = torch.linspace(-REACH, REACH, 161).requires_grad_()
    y = function(x * 1.0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    both = torch.stack([y.detach(), slope])
    if both.shape != (2, len(x)) or not bool(both.isfinite().all()):
        return None
    low, high = min(-1.0, float(both.min())), max(1.0, float(both.max()))
    down = HEIGHT * (high - both) / (high - low)
    across = WIDTH * (x.detach() + REACH) / (2 * REACH)
    points = [
        " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across.tolist(), line.tolist(), strict=True))
        for line in down
    ]
    return Curve(points[0], points[1], HEIGHT * high / (high - low), low, high, moments(function))
