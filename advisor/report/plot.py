"""Plots as SVG without a library: scales, and marks in pixels that the template `plot.html` draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from advisor.report.text import cell


@dataclass(frozen=True)
class Scale:
    """Values from one end of an axis to the other, linear or logarithmic; what lies outside is
    drawn at its end.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def share(self, value: float) -> float:
        """How far `value` is from `low` to `high`, in 0 … 1."""
        low, high, place = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return min(1.0, max(0.0, (place - low) / (high - low)))

    def ticks(self, most: int) -> list[float]:
        """Round values inside, about `most`; whole numbers where the axis counts."""
        return (
            _powers(self.low, self.high)
            if self.log
            else _steps(self.low, self.high, most, 1.0 if self.whole else 0.0)
        )


def _powers(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**e for e in exponents if low * 0.999 <= 10.0**e <= high * 1.001]


def _steps(low: float, high: float, most: int, least: float) -> list[float]:
    rough = max((high - low) / most, least)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough)
    return [
        i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def around(values: Iterable[float], pad: float = 0.06) -> Scale:
    """A linear scale that holds the values with a little room."""
    known = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = min(known), max(known)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return Scale(low - room, high + room)


def telling(values: Iterable[float], sign: float, reach: float) -> Scale:
    """A scale in which the good ones can be told apart: the worst are beyond it where they are very
    far.

    It reaches from the best `reach` times as far as to the median.
    """
    good = sorted(sign * v for v in values if math.isfinite(v)) or [0.0]
    spread = good[-1] - median(good)
    floor = max(good[0], good[-1] - reach * spread) if spread > 0 else good[0]
    return around(sign * v for v in (floor, good[-1]))


@dataclass(frozen=True)
class Mark:
    """A dot, or words; `kind` is a class of the style, `title` what a mouse over it shows."""

    x: float
    y: float
    kind: str
    text: str = ""
    title: str = ""
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """A line through points in pixels."""

    points: list[tuple[float, float]]
    kind: str
    title: str = ""

    @property
    def path(self) -> str:
        """The points as SVG wants them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass
class Plot:
    """An area with two axes, and what is drawn in it. An axis without a name has no ticks."""

    about: str
    x: Scale
    y: Scale
    x_name: str = ""
    y_name: str = ""
    width: float = 840
    height: float = 230
    left: float = 64
    right: float = 16
    top: float = 24
    bottom: float = 40
    lines: list[Line] = field(default_factory=list)
    dots: list[Mark] = field(default_factory=list)
    words: list[Mark] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        return self.left + self.width * self.x.share(x), self.top + self.height * (
            1 - self.y.share(y)
        )

    def dot(self, x: float, y: float, kind: str, title: str = "") -> None:
        """A point."""
        self.dots.append(Mark(*self.at(x, y), kind, title=title))

    def line(self, points: Sequence[tuple[float, float]], kind: str, title: str = "") -> None:
        """A line through points."""
        self.lines.append(Line([self.at(x, y) for x, y in points], kind, title))

    def word(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "middle",
        by: tuple[float, float] = (0, 0),
        kind: str = "",
    ) -> None:
        """Words at a point, moved by so many pixels."""
        across, down = self.at(x, y)
        self.words.append(Mark(across + by[0], down + by[1], kind, text, anchor=anchor))

    def across(self, y: float, kind: str) -> None:
        """A line over the whole width."""
        self.line([(self.x.low, y), (self.x.high, y)], kind)

    def down(self, x: float, kind: str) -> None:
        """A line over the whole height."""
        self.line([(x, self.y.low), (x, self.y.high)], kind)

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels under the plot."""
        return (
            [(self.at(v, self.y.low)[0], cell(v)) for v in self.x.ticks(8)] if self.x_name else []
        )

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels at its side."""
        return (
            [(self.at(self.x.low, v)[1], cell(v)) for v in self.y.ticks(5)] if self.y_name else []
        )
