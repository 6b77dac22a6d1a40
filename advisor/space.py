"""What may vary: the three kinds of parameter that a technique can declare."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few named options (text, numbers or booleans). `default` is tried first, else the first option."""

    options: tuple[str | float | int | bool, ...]
    default: str | float | int | bool | None = None

    def __init__(self, *options: str | float | int | bool, default: str | float | int | bool | None = None) -> None:
        if not options or (default is not None and default not in options):
            raise ValueError(f"Choice{options} needs options, and a default among them, got default={default!r}")
        object.__setattr__(self, "options", tuple(options))
        object.__setattr__(self, "default", default)

    @property
    def first(self) -> str | float | int | bool:
        """The option tried first when nothing else says so."""
        return self.options[0] if self.default is None else self.default


Parameter = Union[Float, Int, Choice]
Space = Mapping[str, Parameter]


def _check_range(parameter: Float | Int) -> None:
    if not parameter.low <= parameter.high:
        raise ValueError(f"{parameter} has low > high")
    if parameter.log and parameter.low <= 0:
        raise ValueError(f"{parameter} is searched by its logarithm, so low must be above 0")
    if parameter.default is not None and not parameter.low <= parameter.default <= parameter.high:
        raise ValueError(f"{parameter} has a default outside its range")
