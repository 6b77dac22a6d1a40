"""Plots as SVG without a library: scales, and marks in pixels that `plot.html` draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from advisor.report.text import cell

MOST_X = 8
MOST_Y = 5
"""How many ticks the axes have, about."""
ROUND = (1, 2, 5, 10)
"""What a power of ten is multiplied with for a round distance between ticks."""
ROUNDING = 1e-9
"""The share of a step by which rounding may move a tick that is itself an end of the axis."""
ROUNDING_OF_POWERS = 0.001
"""The share of the end of the axis by which rounding may move a power of ten that is that end."""
SMALL = 520
"""Pixels of a plot, with its labels, that is hardly shrunk on a narrow screen."""
NAME_BELOW = 18
"""Pixels from the lower end of a plot down to the names under it."""


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
        low, high = self.low, self.high
        if self.log:
            low = math.log10(low)
            high = math.log10(high)
            value = math.log10(value)
        share = (value - low) / (high - low)
        return min(1.0, max(0.0, share))

    def ticks(self, most: int) -> list[float]:
        """Round values inside, about `most`; whole numbers where the axis counts."""
        if self.log:
            return powers_of_ten(self.low, self.high, most)
        least = 1.0 if self.whole else 0.0
        return round_steps(self.low, self.high, most, least)


def powers_of_ten(low: float, high: float, most: int) -> list[float]:
    """Powers of ten as ticks; every second or third one where there are many.

    Arguments:
        low: the lower end of the axis, above 0.
        high: its upper end.
        most: about how many ticks there may be.
    """
    # Rounding must not lose a power of ten that is itself an end.
    first = math.ceil(math.log10(low * (1 - ROUNDING_OF_POWERS)))
    last = math.floor(math.log10(high * (1 + ROUNDING_OF_POWERS)))
    step = max(1, round((last - first) / most))
    exponents = range(first, last + 1, step)
    return [10.0**exponent for exponent in exponents]


def round_steps(low: float, high: float, most: int, least: float) -> list[float]:
    """Multiples of a round step as ticks.

    Arguments:
        low: the lower end of the axis.
        high: its upper end.
        most: about how many ticks there may be.
        least: the smallest step; 0 where any will do.
    """
    # The step is the smallest round one that gives no more ticks than asked for.
    rough = max((high - low) / most, least)
    exponent = math.floor(math.log10(rough))
    power = 10.0**exponent
    steps = [power * factor for factor in ROUND]
    step = min(each for each in steps if each >= rough)

    # Rounding must not lose a multiple that is itself an end.
    first = math.ceil(low / step - ROUNDING)
    last = math.floor(high / step + ROUNDING)
    return [i * step for i in range(first, last + 1)]


def around(values: Iterable[float], pad: float = 0.06) -> Scale:
    """A linear scale that holds all finite values.

    Arguments:
        values: what will be drawn; without a finite one the scale is around 0.
        pad: the room at both ends, as a share of the distance between them.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low = min(finite)
    high = max(finite)
    # An axis needs an extent, also around a single value, and around 0.
    room = (high - low) * pad
    if not room:
        room = abs(high) * pad or 1.0
    return Scale(low - room, high + room)


def around_good(scores: Iterable[float], sign: float, reach: float) -> Scale:
    """A scale on which good scores can be distinguished, while very bad ones lie beyond it.

    Arguments:
        scores: what will be drawn, in units of the metric.
        sign: 1 where higher is better, -1 where lower is.
        reach: how many times as far from the best score the scale goes as the median is from it.
    """
    # Inside, higher is better for every metric.
    finite = [sign * score for score in scores if math.isfinite(score)] or [0.0]
    best = max(finite)
    floor = min(finite)
    # Without a spread all scores are shown: nothing says what is far.
    spread = best - median(finite)
    if spread > 0:
        floor = max(floor, best - reach * spread)
    return around([sign * floor, sign * best])


@dataclass(frozen=True)
class Mark:
    """A dot or a text.

    Attributes:
        x, y: pixels from the upper left corner to the right and down.
        kind: classes of the style sheet.
        text: what is written; empty for a dot.
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
    """A line through points.

    Attributes:
        points: pixels from the upper left corner to the right and down.
        kind, title: as of a `Mark`.
    """

    points: list[tuple[float, float]]
    kind: str
    title: str = ""

    @property
    def path(self) -> str:
        """The points as SVG writes them."""
        pixels = [f"{x:.1f},{y:.1f}" for x, y in self.points]
        return " ".join(pixels)


@dataclass
class Plot:
    """An area with two axes, and what is drawn in it. An axis without a name has no ticks.

    Attributes:
        about: what it shows, for those who cannot see it.
        x, y: the axes.
        x_name, y_name: what is written at the axes.
        width, height: pixels of the area.
        left, right, top, bottom: pixels around it, for labels.
        lines, dots, words: what was drawn, in the order in which it was drawn.
        key: kinds of marks and what they mean, above the plot.
    """

    about: str
    x: Scale
    y: Scale
    x_name: str = ""
    y_name: str = ""
    width: float = 560
    height: float = 230
    left: float = 64
    right: float = 16
    top: float = 24
    bottom: float = 40
    lines: list[Line] = field(default_factory=list)
    dots: list[Mark] = field(default_factory=list)
    words: list[Mark] = field(default_factory=list)
    key: Sequence[tuple[str, str]] = ()

    @property
    def is_small(self) -> bool:
        """Whether it fits on the screen of a phone nearly as it is."""
        return self.left + self.width + self.right < SMALL

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        # Pixels count from the upper left corner, so the y axis is turned over.
        x_share = self.x.share(x)
        y_share = 1 - self.y.share(y)
        across = self.left + self.width * x_share
        down = self.top + self.height * y_share
        return across, down

    def dot(self, x: float, y: float, kind: str, title: str = "") -> None:
        """Draw a point.

        Arguments:
            x: how far along the x axis, in its unit.
            y: how far along the y axis, in its unit.
            kind: classes of the style sheet.
            title: what a mouse over it shows.
        """
        across, down = self.at(x, y)
        mark = Mark(across, down, kind, title=title)
        self.dots.append(mark)

    def line(self, points: Sequence[tuple[float, float]], kind: str, title: str = "") -> None:
        """Draw a line.

        Arguments:
            points: where it goes through, in units of the axes.
            kind: classes of the style sheet.
            title: what a mouse over it shows.
        """
        pixels = [self.at(x, y) for x, y in points]
        line = Line(pixels, kind, title)
        self.lines.append(line)

    def word(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "middle",
        by: tuple[float, float] = (0, 0),
        kind: str = "",
    ) -> None:
        """Write a text.

        Arguments:
            x: how far along the x axis, in its unit.
            y: how far along the y axis, in its unit.
            text: what is written.
            anchor: which part of the text is there: `start`, `middle` or `end`.
            by: pixels by which it is moved to the right and down.
            kind: classes of the style sheet.
        """
        across, down = self.at(x, y)
        right, below = by
        mark = Mark(across + right, down + below, kind, text, anchor=anchor)
        self.words.append(mark)

    def name_below(self, x: float, text: str) -> None:
        """Write a name under the plot."""
        self.word(x, self.y.low, text, by=(0, NAME_BELOW))

    def across(self, y: float, kind: str) -> None:
        """Draw a line over the whole width."""
        start = (self.x.low, y)
        end = (self.x.high, y)
        self.line([start, end], kind)

    def down(self, x: float, kind: str) -> None:
        """Draw a line over the whole height."""
        start = (x, self.y.low)
        end = (x, self.y.high)
        self.line([start, end], kind)

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels under the plot."""
        if not self.x_name:
            return []
        ticks = []
        for value in self.x.ticks(MOST_X):
            across, _ = self.at(value, self.y.low)
            label = cell(value)
            ticks.append((across, label))
        return ticks

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Pixels and labels at its side."""
        if not self.y_name:
            return []
        ticks = []
        for value in self.y.ticks(MOST_Y):
            _, down = self.at(self.x.low, value)
            label = cell(value)
            ticks.append((down, label))
        return ticks
