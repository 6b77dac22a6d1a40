"""Plots as SVG without a library: scales, and marks in pixels that `plot.html` draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from advisor.report.text import cell

MOST_X, MOST_Y = 8, 5
"""Ticks of an axis, about."""
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
        # On a logarithmic axis distances are those of the powers.
        low, high, place = self.low, self.high, value
        if self.log:
            low, high, place = map(math.log10, (low, high, place))
        share = (place - low) / (high - low)
        return min(1.0, max(0.0, share))

    def ticks(self, most: int) -> list[float]:
        """Round values inside, about `most`; whole numbers where the axis counts."""
        if self.log:
            return powers_of_ten(self.low, self.high, most)
        least = 1.0 if self.whole else 0.0
        return round_steps(self.low, self.high, most, least)


def powers_of_ten(low: float, high: float, most: int) -> list[float]:
    """Powers of ten from `low` to `high`; every second or third one where there are many."""
    # Rounding must not lose a power of ten that is itself an end.
    first = math.ceil(math.log10(low * 0.999))
    last = math.floor(math.log10(high * 1.001))
    step = max(1, round((last - first) / most))
    return [10.0**exponent for exponent in range(first, last + 1, step)]


def round_steps(low: float, high: float, most: int, least: float) -> list[float]:
    """Multiples of a round step from `low` to `high`; the step is at least `least`."""
    # The step is the smallest round one that gives no more ticks than asked for.
    rough = max((high - low) / most, least)
    power = math.floor(math.log10(rough))
    steps = [10.0**power * factor for factor in ROUND]
    step = min(each for each in steps if each >= rough)
    # Rounding must not lose a multiple that is itself an end.
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def around(values: Iterable[float], pad: float = 0.06) -> Scale:
    """A linear scale that holds the finite values, with room for the share `pad` at both ends."""
    # An axis needs an extent, also around a single value, and around 0.
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return Scale(low - room, high + room)


def around_good(scores: Iterable[float], sign: float, reach: float) -> Scale:
    """A scale on which good scores can be told apart, while very bad ones lie beyond it.

    It reaches from the best score `reach` times as far as to the median; `sign` is that of the
    metric.
    """
    # Inside, higher is better for every metric.
    finite = sorted(sign * score for score in scores if math.isfinite(score)) or [0.0]
    worst, best = finite[0], finite[-1]
    # Without a spread all scores are shown: nothing says what is far.
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
        # Pixels count from the upper left corner, so the y axis is turned over.
        across = self.left + self.width * self.x.share(x)
        down = self.top + self.height * (1 - self.y.share(y))
        return across, down

    def dot(self, x: float, y: float, kind: str, title: str = "") -> None:
        """Draw a point."""
        across, down = self.at(x, y)
        self.dots.append(Mark(across, down, kind, title=title))

    def line(self, points: Sequence[tuple[float, float]], kind: str, title: str = "") -> None:
        """Draw a line through points."""
        pixels = [self.at(x, y) for x, y in points]
        self.lines.append(Line(pixels, kind, title))

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
        right, below = by
        mark = Mark(across + right, down + below, kind, text, anchor=anchor)
        self.words.append(mark)

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
        ticks = []
        for value in self.x.ticks(MOST_X):
            across, _ = self.at(value, self.y.low)
            ticks.append((across, cell(value)))
        return ticks

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels at its side."""
        if not self.y_name:
            return []
        ticks = []
        for value in self.y.ticks(MOST_Y):
            _, down = self.at(self.x.low, value)
            ticks.append((down, cell(value)))
        return ticks
