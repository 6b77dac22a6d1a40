"""The optimizer of a recipe: AdamW, or what the user gives, built at the rate of a trial.

own = read_optimizer("sgd:momentum=.9,lr=.1")     a text, a class, a `partial` or a function
optimizer = own(groups, lr=.03, weight_decay=0.)  all its rates in the proportion that it gave
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from advisor.errors import InputError, explain, listing, near
from advisor.training.eager import AdamW
from advisor.training.groups import ParameterGroups
from advisor.user_code import user_faults
from advisor.values import shown

Optimizer = torch.optim.Optimizer
FIRST_RATE = 1e-3
"""The learning rate that a recipe begins with which names none."""
FIRST_DECAY = 1e-4
"""The weight decay that a recipe begins with which names none."""
FUSED_DEVICES = ("cpu", "cuda")
"""Kinds of devices for which torch has AdamW as one fused operation."""
FORMS = (
    "give a class (torch.optim.SGD), a partial of one, or a function of `parameters`, of `model`, "
    "or of `groups, lr, weight_decay`, that returns a torch.optim.Optimizer"
)
"""What `Task(optimizer=…)` may be."""
ASKED = ("model", "groups", "parameters", "params", "lr", "weight_decay")
"""The names by which a function may ask for what it needs."""


def adamw(groups: Any, lr: float, weight_decay: float) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019), fused where torch can: every arm's, unless the user or a
    slot brings another one.
    """
    # Torch refuses it unless all parameters are real numbers on such a device.
    fused = True
    for group in groups:
        for parameter in group["params"]:
            on_fused_device = parameter.device.type in FUSED_DEVICES
            fused = fused and on_fused_device and parameter.is_floating_point()
    return AdamW(groups, lr=lr, weight_decay=weight_decay, fused=fused)


@dataclass(frozen=True)
class OwnOptimizer:
    """The user's optimizer.

    Attributes:
        make: their class, `partial` or function.
        positional, named: what it is called with, in the words of `ASKED`.
    """

    make: Callable[..., Any]
    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def as_given(self, groups: ParameterGroups) -> Optimizer:
        """The optimizer at the rates that the user gave.

        Raises `InputError` where there is none, or one that nothing can be trained with.
        """
        values = asked_values(groups)
        try:
            optimizer = self.make(
                *(values[name] for name in self.positional),
                **{name: values[name] for name in self.named},
            )
        except user_faults() as problem:  # whatever the user's function raises
            raise InputError(
                f"Task(optimizer=…): {name_of(self.make)} raised {explain(problem)}; {FORMS}."
            ) from problem
        return checked_optimizer(optimizer, self.make, groups.model)

    def __call__(self, groups: ParameterGroups, lr: float, weight_decay: float) -> Optimizer:
        """The optimizer at other rates: the largest of its groups is `lr`, the others keep their
        proportion to it; the weight decays likewise, and what has none gets none.
        """
        optimizer = self.as_given(groups)
        given = rates_of(optimizer)
        scale(optimizer, "lr", lr, given.lr)
        scale(optimizer, "weight_decay", weight_decay, given.weight_decay)
        return optimizer


def asked_values(groups: ParameterGroups) -> dict[str, Any]:
    """What a function may ask for, by the words of `ASKED`."""
    # A class gets what a script would give it; what a technique wants without decay stands apart.
    own: list[Any] = groups.parameters()
    apart = {id(each) for each in groups.undecayed}
    if apart:
        rest = [each for each in own if id(each) not in apart]
        own = [{"params": rest}, {"params": groups.undecayed, "weight_decay": 0.0}]
    return {
        "model": groups.model,
        "groups": list(groups),
        "parameters": own,
        "params": own,
        "lr": FIRST_RATE,
        "weight_decay": FIRST_DECAY,
    }


@dataclass(frozen=True)
class Rates:
    """The largest learning rate and weight decay of an optimizer's groups."""

    lr: float
    weight_decay: float


def rates_of(optimizer: Optimizer) -> Rates:
    """The largest learning rate and weight decay of an optimizer's groups."""
    groups = optimizer.param_groups
    decays = [float(group.get("weight_decay") or 0.0) for group in groups]
    return Rates(max(float(group["lr"]) for group in groups), max(decays))


def scale(optimizer: Optimizer, key: str, wanted: float, given: float) -> None:
    """Multiply one setting of all groups so that the largest is `wanted` where it was `given`."""
    if wanted == given or not given:
        return
    for group in optimizer.param_groups:
        if key in group:
            group[key] = group[key] * (wanted / given)


def checked_optimizer(optimizer: object, make: object, model: nn.Module) -> Optimizer:
    """What the user's function returns. Raises `InputError` where it cannot train the model."""
    who = f"Task(optimizer=…): {name_of(make)}"
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"{who} returned {shown(optimizer)}; {FORMS}.")
    own = {id(parameter) for parameter in nn.Module.parameters(model)}
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    if not own & trained:
        raise InputError(
            f"{who} trains no parameter of the model: it was built on others. Build it from the "
            "parameters that it is given."
        )
    if any("lr" not in group or not float(group["lr"]) >= 0 for group in optimizer.param_groups):
        raise InputError(f"{who} has a group without a learning rate `lr`, which a search varies.")
    if rates_of(optimizer).lr <= 0:
        raise InputError(f"{who} has the learning rate 0, which trains nothing: give it lr=….")
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise InputError(
            f"{who} needs a closure for each step, as {type(optimizer).__name__} does; bring your "
            "own training loop with Task(fit=…)."
        )
    return optimizer


def missing_parameters(optimizer: Optimizer, groups: ParameterGroups) -> list[str]:
    """Names of the parameters to train that an optimizer does not have."""
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    wanted = {id(each) for group in groups for each in group["params"]}
    names = []
    for name, parameter in nn.Module.named_parameters(groups.model):
        if id(parameter) in wanted and id(parameter) not in trained:
            names.append(name)
    return names


# --- what the user may give ---------------------------------------------------------------------


def read_optimizer(given: Any) -> OwnOptimizer:
    """The user's optimizer from a text, a class, a `partial` or a function.

    Raises `InputError` where it asks for what there is not.
    """
    if isinstance(given, str):
        return OwnOptimizer(optimizer_named(given), ("parameters",))
    inner, _ = unwrapped(given)
    if not isinstance(inner, type):
        return _of_function(given)
    if not issubclass(inner, Optimizer):
        raise InputError(f"Task(optimizer={shown(given)}) is no optimizer: {FORMS}.")
    return OwnOptimizer(given, ("parameters",))


def _of_function(given: Callable[..., Any]) -> OwnOptimizer:
    """A function, which says by the names of its arguments what it needs."""
    required = required_arguments(given)
    if required and set(required) <= set(ASKED):
        return OwnOptimizer(given, named=tuple(required))
    if len(required) == 1:
        return OwnOptimizer(given, ("parameters",))
    if len(required) == 3:
        return OwnOptimizer(given, ("groups", "lr", "weight_decay"))
    raise InputError(
        f"Task(optimizer=…): {name_of(given)} asks for {listing(required) or 'nothing'}: {FORMS}."
    )


def optimizer_named(text: str) -> Callable[..., Any]:
    """An optimizer of torch by a text such as `sgd:momentum=.9,lr=.1`.

    Raises `InputError` where torch has none of this name, or the settings cannot be read.
    """
    name, _, settings = text.partition(":")
    known = {
        key.lower(): kind
        for key, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }
    kind = known.get(name.strip().lower())
    if kind is None:
        raise InputError(
            f"There is no optimizer {name!r} in torch.{near(name.lower(), known)} "
            f"There are: {listing(sorted(known), 30)}."
        )
    keywords = read_settings(settings, f"the optimizer {text!r}")
    return partial(kind, **keywords)


def read_settings(text: str, who: str) -> Mapping[str, Any]:
    """Settings such as `momentum=.9,nesterov=True`. Raises `InputError` for another text."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError(text)
        return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError) as problem:
        raise InputError(
            f"{who}: {text!r} cannot be read; write settings as in sgd:momentum=.9,lr=.1."
        ) from problem


def unwrapped(given: Any) -> tuple[Any, dict[str, Any]]:
    """What a `partial` calls, also one of a `partial`, and the arguments that it has fixed."""
    fixed: dict[str, Any] = {}
    while isinstance(given, partial):
        given, fixed = given.func, {**given.keywords, **fixed}
    return given, fixed


def required_arguments(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a function must be given by their places."""
    names = []
    for each in inspect.signature(function).parameters.values():
        by_place = each.kind in (each.POSITIONAL_OR_KEYWORD, each.POSITIONAL_ONLY)
        if by_place and each.default is each.empty:
            names.append(each.name)
    return names


def name_of(given: Any) -> str:
    """What a person calls a function, a class or a `partial`."""
    inner = getattr(given, "func", given)
    return getattr(inner, "__name__", None) or shown(given)
