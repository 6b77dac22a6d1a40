"""A training loop of the user's own: what it asks for, and how it is called.

loop = read_loop(fit)                 by the names of its arguments
loop.call(training)                   the loop's own result, or its generator
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from advisor.errors import InputError, listing
from advisor.training.optimizers import name_of
from advisor.values import is_number, is_whole, shown

LR, WEIGHT_DECAY, EPOCHS = "lr", "weight_decay", "epochs"
"""Arguments whose defaults say how a loop trains."""
ASKED = (
    "model",
    "train",
    "valid",
    LR,
    WEIGHT_DECAY,
    EPOCHS,
    "batch",
    "loss",
    "device",
    "generator",
    "seed",
    "loader",
    "report",
    "save",
    "state",
    "epoch",
)
"""What a loop may ask for by name; each is an attribute of the run."""


@dataclass(frozen=True)
class OwnLoop:
    """A training loop of the user's own.

    Attributes:
        function: the loop.
        asked: what it is given by name.
        takes_run: whether its first argument is the run.
        given: the defaults of its arguments, as far as they say how it trains.
        who: what it is called in messages.
    """

    function: Callable[..., Any]
    asked: tuple[str, ...] = ()
    takes_run: bool = True
    given: Mapping[str, float] = field(default_factory=dict)
    who: str = "Task(fit=…)"

    def call(self, training: Any) -> Any:
        """What the loop returns: a generator, or its result."""
        named = {name: getattr(training, name) for name in self.asked}
        return self.function(training, **named) if self.takes_run else self.function(**named)

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.who.rpartition(": ")[2]

    @property
    def epochs(self) -> int | None:
        """Epochs of a training by its own default; None where it has none."""
        return int(self.given[EPOCHS]) if EPOCHS in self.given else None


def read_loop(fit: Callable[..., Any]) -> OwnLoop:
    """The loop that a function is, by the names of its arguments.

    Raises `InputError` where it asks for what there is not.
    """
    who = f"Task(fit=…): {name_of(fit)}"
    try:
        parameters = list(inspect.signature(fit).parameters.values())
    except (TypeError, ValueError):  # a function that Python cannot look into
        return OwnLoop(fit, who=who)

    # Whatever the one argument is called that no run has, it is the run itself.
    named = [
        each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    takes_run = bool(named) and named[0].name not in ASKED and named[0].default is named[0].empty
    rest = named[takes_run:]
    wrong = [each.name for each in rest if not can_be_given(each)]
    if wrong or not named:
        raise InputError(
            f"{who} asks for {listing(wrong) or 'nothing'}; a loop gets the run alone, fit(run), "
            f"or by name any of {listing(ASKED, len(ASKED))}."
        )
    asked = tuple(each.name for each in rest if each.name in ASKED)
    return OwnLoop(fit, asked, takes_run, checked_defaults(rest, who), who)


def can_be_given(parameter: inspect.Parameter) -> bool:
    """Whether a loop can be called without knowing more of this argument."""
    is_known = parameter.name in ASKED or parameter.default is not parameter.empty
    return is_known and parameter.kind is not parameter.POSITIONAL_ONLY


def checked_defaults(parameters: list[inspect.Parameter], who: str) -> dict[str, float]:
    """The defaults that say how a loop trains. Raises `InputError` where they cannot be trained
    with.
    """
    given: dict[str, float] = {}
    for each in parameters:
        value = each.default
        if each.name not in (LR, WEIGHT_DECAY, EPOCHS) or value is each.empty or value is None:
            continue
        if each.name == EPOCHS:
            is_right, wanted = is_whole(value, 1), "a whole number, at least 1"
        else:
            least_is_in = each.name == WEIGHT_DECAY
            is_right = is_number(value, 0) and (least_is_in or value != 0)
            wanted = "0 or more" if least_is_in else "a number above 0"
        if not is_right:
            raise InputError(f"{who} has {each.name}={shown(value)}; its default must be {wanted}.")
        given[each.name] = value
    return given
