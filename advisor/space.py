"""What may vary: the three kinds of parameter that a technique can declare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Float:
    """A real number in `[low, high]`; `log=True` searches its logarithm. `default` is tried first."""

    low: float
    high: float
    default: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def first(self) -> float:
        """The value tried first when nothing else says so: `default`, else the middle."""
        if self.default is not None:
            return self.default
        return math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2

    def holds(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, (int, float)) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int:
    """A whole number in `[low, high]`; `log=True` searches its logarithm. `default` is tried first."""

    low: int
    high: int
    default: int | None = None
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def first(self) -> int:
        """The value tried first when nothing else says so: `default`, else the middle."""
        if self.default is not None:
            return self.default
        return round(math.sqrt(self.low * self.high)) if self.log else (self.low + self.high) // 2

    def holds(self, value: object) -> bool:
        """Whether `value` lies in the range."""
        return isinstance(value, int) and self.low <= value <= self.high


Option = Union[str, float, int, bool]


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few options (text, numbers or booleans): `Choice("a", "b")` or `Choice(["a", "b"])`.

    `default` is tried first, else the first option.
    """

    options: tuple[Option, ...]
    default: Option | None

    def __init__(self, *options: Option | Sequence[Option], default: Option | None = None) -> None:
        listed = (
            options[0] if len(options) == 1 and isinstance(options[0], (list, tuple)) else options
        )
        if not all(isinstance(option, (str, float, int, bool)) for option in listed):
            raise ValueError(f"Choice{options}: an option is text, a number or a boolean")
        if not listed or (default is not None and default not in listed):
            raise ValueError(
                f"Choice{options} needs options, and a default among them, got default={default!r}"
            )
        object.__setattr__(self, "options", tuple(listed))
        object.__setattr__(self, "default", default)

    @property
    def first(self) -> Option:
        """The option tried first when nothing else says so."""
        return self.options[0] if self.default is None else self.default

    def holds(self, value: object) -> bool:
        """Whether `value` is one of the options."""
        return value in self.options


Parameter = Union[Float, Int, Choice]
Space = Mapping[str, Parameter]


def _check_range(parameter: Float | Int) -> None:
    if not all(math.isfinite(end) for end in (parameter.low, parameter.high) if end == end):
        raise ValueError(f"{parameter} reaches to inf; a range has two ends")
    if isinstance(parameter, Int) and not all(
        isinstance(end, int) for end in (parameter.low, parameter.high)
    ):
        raise ValueError(f"{parameter} must have whole numbers as ends")
    if not parameter.low <= parameter.high:
        raise ValueError(f"{parameter} has low > high")
    if parameter.log and parameter.low <= 0:
        raise ValueError(f"{parameter} is searched by its logarithm, so low must be above 0")
    if parameter.default is not None and not parameter.low <= parameter.default <= parameter.high:
        raise ValueError(f"{parameter} has a default outside its range")
