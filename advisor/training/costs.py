"""What is entered among the costs of a run: seconds by part, as the database can keep them."""

from __future__ import annotations

import math
import numbers

from advisor.errors import one_line
from advisor.training.ended import Ended, StoppedEarly

LONGEST_PART = 128
"""Letters in the name of a part of the costs, as many as the database keeps."""


def check_costs(who: str, costs: object) -> None:
    """Raise `StoppedEarly` where what someone has entered among the costs cannot be written."""
    if not isinstance(costs, dict):
        given = f"run.costs is {described(costs)}"
        raise StoppedEarly(Ended.FAILED, f"{who}: {given}; enter seconds by part: run.costs[part]")
    for part, seconds in costs.items():
        if not is_part(part):
            given = f"run.costs has the part {one_line(repr(part))[:LONGEST_PART]}"
            wanted = f"a part is a word of at most {LONGEST_PART} letters"
            raise StoppedEarly(Ended.FAILED, f"{who}: {given}; {wanted}")
        if not is_seconds(seconds):
            given = f"run.costs[{part!r}] is {described(seconds)}"
            raise StoppedEarly(Ended.FAILED, f"{who}: {given}; enter finite seconds, not below 0")


def writable_costs(costs: object) -> dict[str, float]:
    """The costs as plain numbers, without those that cannot be written."""
    entered = costs.items() if isinstance(costs, dict) else ()
    return {str(part): float(each) for part, each in entered if is_part(part) and is_seconds(each)}


def is_part(part: object) -> bool:
    """Whether something can be the name of a part of the costs."""
    return isinstance(part, str) and 0 < len(part) <= LONGEST_PART and one_line(part) == part


def is_seconds(value: object) -> bool:
    """Whether something is a finite number of seconds."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return 0 <= float(value) < math.inf
    except OverflowError:  # a whole number that is too large for a float
        return False


def described(value: object) -> str:
    """A number or text as Python writes it, and anything else by its class."""
    if value is None or isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return one_line(repr(value[:LONGEST_PART]))
    return f"an object of the class {type(value).__name__}"
