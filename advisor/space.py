"""What may vary: the three kinds of parameter that a technique can declare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, Union

Number = TypeVar("Number", int, float)  # of which a range is


class Range(Generic[Number]):
    """The numbers in `[low, high]`; what `Float` and `Int` have in common.

    Raises ValueError where the range holds nothing to search.
    """

    # The subclasses have these as fields, each with its own type.
    low: Number
    high: Number
    default: Number | None
    log: bool

    _whole: ClassVar[bool] = False  # whether the numbers are whole

    def __post_init__(self) -> None:
        if math.isinf(self.low) or math.isinf(self.high):
            raise ValueError(f"{self} reaches to inf; a range has two ends")
        ends_are_whole = isinstance(self.low, int) and isinstance(self.high, int)
        if self._whole and not ends_are_whole:
            raise ValueError(f"{self} must have whole numbers as ends")
        if not self.low <= self.high:
            raise ValueError(f"{self} has low > high")
        if self.log and self.low <= 0:
            raise ValueError(f"{self} is searched by its logarithm, so low must be above 0")
        if self.default is not None and not self.low <= self.default <= self.high:
            raise ValueError(f"{self} has a default outside its range")

    @property
    def first(self) -> Number:
        """The value tried first when nothing else says so: `default`, else the middle."""
        return self._middle() if self.default is None else self.default

    def _middle(self) -> Number:
        raise NotImplementedError


@dataclass(frozen=True)
class Float(Range[float]):
    """A real number in `[low, high]`, of which `default` is tried first.

    `log=True` searches its logarithm.

    Example:
        >>> import advisor
        >>> rate = advisor.Float(1e-4, 1e-2, log=True)
        >>> round(rate.first, 6)
        0.001
        >>> rate.holds(0.5)
        False
    """

    low: float
    high: float
    default: float | None = None
    log: bool = False

    def holds(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def _middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2


@dataclass(frozen=True)
class Int(Range[int]):
    """A whole number in `[low, high]`, of which `default` is tried first.

    `log=True` searches its logarithm.

    Example:
        >>> import advisor
        >>> epochs = advisor.Int(5, 30, default=20)
        >>> epochs.first, epochs.holds(31)
        (20, False)
    """

    low: int
    high: int
    default: int | None = None
    log: bool = False

    _whole: ClassVar[bool] = True

    def holds(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, int) and self.low <= value <= self.high

    def _middle(self) -> int:
        return round(math.sqrt(self.low * self.high)) if self.log else (self.low + self.high) // 2


Option = Union[str, float, int, bool]
"""One option of a choice."""


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few options (text, numbers or booleans): `Choice("a", "b")` or `Choice(["a", "b"])`.

    `default` is tried first, else the first option.

    Example:
        >>> import advisor
        >>> form = advisor.Choice("none", "tanh")
        >>> form.first, form.holds("sigmoid")
        ('none', False)
    """

    options: tuple[Option, ...]
    default: Option | None

    def __init__(self, *options: Option | Sequence[Option], default: Option | None = None) -> None:
        values: Sequence[object] = options
        if len(options) == 1 and isinstance(options[0], (list, tuple)):
            values = options[0]
        if not all(isinstance(value, (str, float, int, bool)) for value in values):
            raise ValueError(f"Choice{options}: an option is text, a number or a boolean")
        if not values or (default is not None and default not in values):
            raise ValueError(
                f"Choice{options} needs options, and a default among them, got default={default!r}"
            )
        # A frozen dataclass is set up in this way.
        object.__setattr__(self, "options", tuple(values))
        object.__setattr__(self, "default", default)

    @property
    def first(self) -> Option:
        """The option tried first when nothing else says so."""
        return self.options[0] if self.default is None else self.default

    def holds(self, value: object) -> bool:
        """Whether `value` is one of the options."""
        return value in self.options


Parameter = Union[Float, Int, Choice]
"""One parameter of a technique."""
Space = Mapping[str, Parameter]
"""Parameters by name."""
