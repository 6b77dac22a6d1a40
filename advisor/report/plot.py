"""Plots as SVG without a library: scales, and marks in pixels that `plot.html` draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from advisor.report.text import cell

ROUND = (1, 2, 5, 10)
"""What a power of ten is multiplied with for a round distance between ticks."""


@dataclass(frozen=True)
class Scale:
    """Values from one end of an axis to the other, linear or logarithmic.

    Attributes:
        low, high: the values at its ends; `low` is above `high` on an axis that runs downwards.
        log: it is logarithmic.
        whole: it counts, so that its ticks are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def share(self, value: float) -> float:
        """How far `value` is from `low` to `high`, in 0 … 1; what lies outside is at the end."""
        low, high, place = self.low, self.high, value
        if self.log:
            low, high, place = math.log10(low), math.log10(high), math.log10(place)
        return min(1.0, max(0.0, (place - low) / (high - low)))

    def ticks(self, most: int) -> list[float]:
        """Round values inside, about `most`; whole numbers where the axis counts."""
        if self.log:
            return _powers(self.low, self.high, most)
        return _steps(self.low, self.high, most, 1.0 if self.whole else 0.0)


def _powers(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, every second or third where there are many."""
    # Rounding must not lose a power of ten that is itself an end.
    first = math.ceil(math.log10(low * 0.999))
    last = math.floor(math.log10(high * 1.001))
    step = max(1, round((last - first) / most))
    return [10.0**exponent for exponent in range(first, last + 1, step)]


def _steps(low: float, high: float, most: int, least: float) -> list[float]:
    """Multiples of a round step, which is at least `least`."""
    rough = max((high - low) / most, least)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = min(unit * factor for factor in ROUND if unit * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def around(values: Iterable[float], pad: float = 0.06) -> Scale:
    """A linear scale that holds the finite values, with room for the share `pad` at both ends."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return Scale(low - room, high + room)


def around_good(scores: Iterable[float], sign: float, reach: float) -> Scale:
    """A scale on which good scores can be told apart, while very bad ones lie beyond it.

    It reaches from the best score `reach` times as far as to the median; `sign` is that of the
    metric.
    """
    finite = sorted(sign * score for score in scores if math.isfinite(score)) or [0.0]
    worst, best = finite[0], finite[-1]
    spread = best - median(finite)
    floor = max(worst, best - reach * spread) if spread > 0 else worst
    return around([sign * floor, sign * best])


@dataclass(frozen=True)
class Mark:
    """A dot or a text, in pixels.

    Attributes:
        kind: classes of the style sheet.
        title: what a mouse over it shows.
        anchor: which part of the text is at `x`: `start`, `middle` or `end`.
    """

    x: float
    y: float
    kind: str
    text: str = ""
    title: str = ""
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """A line through points in pixels; `kind` and `title` as of a `Mark`."""

    points: list[tuple[float, float]]
    kind: str
    title: str = ""

    @property
    def path(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass
class Plot:
    """An area with two axes, and what is drawn in it. An axis without a name has no ticks.

    Attributes:
        about: what it shows, for those who cannot see it.
        x, y: the axes.
        width, height: pixels of the area.
        left, right, top, bottom: pixels around it, for labels.
        key: kinds of marks and what they mean, above the plot.
    """

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
    key: Sequence[tuple[str, str]] = ()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        across = self.left + self.width * self.x.share(x)
        down = self.top + self.height * (1 - self.y.share(y))
        return across, down

    def dot(self, x: float, y: float, kind: str, title: str = "") -> None:
        """Draw a point."""
        self.dots.append(Mark(*self.at(x, y), kind, title=title))

    def line(self, points: Sequence[tuple[float, float]], kind: str, title: str = "") -> None:
        """Draw a line through points."""
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
        """Write a text at a point, moved by so many pixels to the right and down."""
        across, down = self.at(x, y)
        self.words.append(Mark(across + by[0], down + by[1], kind, text, anchor=anchor))

    def name_below(self, x: float, text: str) -> None:
        """Write a name under the plot."""
        self.word(x, self.y.low, text, by=(0, 18))

    def across(self, y: float, kind: str) -> None:
        """Draw a line over the whole width."""
        self.line([(self.x.low, y), (self.x.high, y)], kind)

    def down(self, x: float, kind: str) -> None:
        """Draw a line over the whole height."""
        self.line([(x, self.y.low), (x, self.y.high)], kind)

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels under the plot."""
        if not self.x_name:
            return []
        return [(self.at(value, self.y.low)[0], cell(value)) for value in self.x.ticks(8)]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels at its side."""
        if not self.y_name:
            return []
        return [(self.at(self.x.low, value)[1], cell(value)) for value in self.y.ticks(5)]
