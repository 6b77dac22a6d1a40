"""A diagnosis as one self-contained HTML page, with the signal as a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.api.diagnose import Report
from advisor.diagnosis.finding import BOUNDS
from advisor.report.html import render, write

WIDTH, HEIGHT, LEFT, TOP = 860, 260, 64, 14
"""Pixels of the plot's area, and where it begins."""


@dataclass(frozen=True)
class Line:
    """One quantity over the layers: points in pixels with what a mouse over them shows."""

    name: str
    points: list[tuple[float, float, str]]

    @property
    def path(self) -> str:
        """The points as SVG wants them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.points)


@dataclass(frozen=True)
class Plot:
    """Lines on a logarithmic scale, with the powers of ten at its side and a bound across."""

    lines: list[Line]
    ticks: list[tuple[float, str]]
    bound: float | None
    names: list[tuple[float, str]]


def write_page(found: Report, path: str) -> Path:
    """Write the page; returns where. Raises `InputError` when it cannot be written."""
    return write(page(found), path)


def page(found: Report) -> str:
    """The page as text; everything that comes from the user's model and data is escaped."""
    measures = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "top": TOP}
    return render(
        "diagnosis.html", found=found, seen=found.diagnosis.measured, plot=plot(found), **measures
    )


def plot(found: Report) -> Plot | None:
    """Signal and gradient of every layer; None where fewer than two layers have a signal."""
    signals = found.diagnosis.measured.signals
    series = {
        "signal": [(i, s.std, s.layer.name) for i, s in enumerate(signals)],
        "gradient": [(i, s.gradient, s.layer.name) for i, s in enumerate(signals)],
    }
    known = {
        name: [(i, math.log10(v), layer) for i, v, layer in values if v and math.isfinite(v)]
        for name, values in series.items()
    }
    if len(known["signal"]) < 2:
        return None
    powers = [power for values in known.values() for _, power, _ in values]
    low, high = math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1)
    across = WIDTH / max(1, len(signals) - 1)

    def y(power: float) -> float:
        return TOP + HEIGHT * (high - power) / (high - low)

    bound = math.log10(BOUNDS["collapsed"].value)
    step = max(1, round((high - low) / 8))
    return Plot(
        lines=[
            Line(
                name,
                [(LEFT + i * across, y(p), f"{layer}: {10**p:.2g}") for i, p, layer in known[name]],
            )
            for name in known
        ],
        ticks=[(y(power), f"1e{power}") for power in range(low, high + 1, step)],
        bound=y(bound) if low < bound < high else None,
        names=_names([s.layer.name for s in signals], across),
    )


def _names(names: Sequence[str], across: float, apart: float = 70) -> list[tuple[float, str]]:
    """As many layers' names under the axis as there is room for."""
    every = max(1, math.ceil(apart / across))
    return [
        (LEFT + i * across, name or "(model)") for i, name in enumerate(names) if i % every == 0
    ]
