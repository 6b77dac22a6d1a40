"""What runs at a site, as plain data and back: an importable name with its arguments, never code
and never an import.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import get_testing_overrides

from advisor.errors import InputError
from advisor.model.pointwise import Activation

# Modules under which people look for what torch offers, the shortest name first.
_TORCH_MODULES = ("torch", "torch.nn", "torch.nn.functional", "torch.special")

# Types of arguments that JSON holds as they are.
_PLAIN = (bool, int, float, str, type(None))

# Types of functions that have an importable name.
_FUNCTIONS = (FunctionType, BuiltinFunctionType)

# Parameters that take any number of arguments.
_STAR = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

# Top-level modules whose functions a recipe may not name, but for torch's functions of tensors.
_CLOSED = (sys.stdlib_module_names | {"torch"}) - {"__main__"}

# The numbers on which two modules are compared.
_GRID = torch.linspace(-5.0, 5.0, 24).reshape(4, 1, 6)

# Stands for an attribute that is not there; None may be a value.
_MISSING = object()


@dataclass(frozen=True)
class Description:
    """An activation as plain data.

    Arguments:
        name: the importable name of a function, or of a class that is an `nn.Module`.
        is_class: which of the two.
        arguments: the keyword arguments of the constructor, or those that the function is called
            with besides the tensor.
        state: the parameters and buffers that a module begins with, as nested lists.
        dtype: the type of its numbers where that is not torch's default, else empty. A recipe does
            not keep it, because a swap gives an activation the type of the numbers around it.
    """

    name: str
    is_class: bool
    arguments: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    dtype: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a recipe keeps it."""
        if not self.is_class:
            return {"function": self.name, "arguments": self.arguments}
        return {"class": self.name, "arguments": self.arguments, "state": self.state}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Description:
        """What `to_json` wrote."""
        if "class" in data:
            return cls(data["class"], True, data["arguments"], data.get("state", {}))
        return cls(data["function"], False, data["arguments"])

    def build(self) -> Any:
        """The activation. Raises InputError where its name is not that of an activation or not
        imported.
        """
        if self.is_class:
            return self._build_module()
        function = self._named()
        return partial(function, **self.arguments) if self.arguments else function

    def _build_module(self) -> nn.Module:
        cls = self._named()
        try:
            with torch.random.fork_rng(devices=[]):
                module: nn.Module = cls(**self.arguments)
            types = {name: tensor.dtype for name, tensor in module.state_dict().items()}
            state = {}
            for name, values in self.state.items():
                state[name] = torch.tensor(values, dtype=types.get(name))
            module.load_state_dict(state)
        except Exception as error:  # whatever a constructor raises
            failed = f"{self.name} cannot be made from the arguments {self.arguments}"
            advice = "use the version of it that the recipe was made with, or pass a factory."
            raise InputError(
                f"{failed} and the values of the recipe ({error}); {advice}"
            ) from error
        return module

    def _named(self) -> Any:
        """What the name means. A recipe may come from anywhere, so it names activations only, in
        torch or in what this program has imported.
        """
        thing = _look_up(self.name)
        if thing is _MISSING:
            raise InputError(
                f"the recipe's activation {self.name} is not imported here; import its module "
                "first, or pass a factory."
            )
        if self.is_class:
            is_activation = isinstance(thing, type) and issubclass(thing, nn.Module)
        else:
            # A function of torch that takes tensors, or one of another library's or the user's.
            module = getattr(thing, "__module__", "").partition(".")[0]
            is_open = isinstance(thing, FunctionType) and module not in _CLOSED
            is_activation = is_open or thing in get_testing_overrides()
        if not is_activation:
            raise InputError(
                f"the recipe's {self.name} is not an activation: a function of a tensor or an "
                "nn.Module class."
            )
        return thing


# ---------------------------------------------------------------- writing


def describe(activation: Activation, state: Mapping[str, Tensor]) -> Description | None:
    """An activation as plain data, or None where it has no importable name or its arguments cannot
    be read from it.
    """
    if isinstance(activation, nn.Module):
        description = _describe_module(activation, state)
    else:
        description = _describe_function(activation)
    if description is None or not _is_faithful(description, activation, state):
        return None
    return description


def _describe_module(module: nn.Module, state: Mapping[str, Tensor]) -> Description | None:
    name = dotted_name(type(module))
    arguments = _constructor_arguments(module)
    if name is None or arguments is None:
        return None
    lists = {key: tensor.tolist() for key, tensor in state.items()}
    dtype = ""
    for tensor in state.values():
        if tensor.is_floating_point() and tensor.dtype != torch.get_default_dtype():
            dtype = str(tensor.dtype)
    return Description(name, True, arguments, lists, dtype)


def _describe_function(function: Any) -> Description | None:
    arguments: dict[str, Any] = {}
    if isinstance(function, partial) and not function.args:
        arguments = dict(function.keywords)
        function = function.func
    name = dotted_name(function) if isinstance(function, _FUNCTIONS) else None
    if name is None or not all(map(_is_plain, arguments.values())):
        return None
    return Description(name, False, arguments)


def dotted_name(thing: Any) -> str | None:
    """The name under which a function or class is in the imported modules, or None."""
    name = getattr(thing, "__name__", None)
    own = f"{getattr(thing, '__module__', None)}.{getattr(thing, '__qualname__', None)}"
    for candidate in (*(f"{module}.{name}" for module in _TORCH_MODULES), own):
        if _look_up(candidate) is thing:
            return candidate
    return None


def _look_up(name: str) -> Any:
    """What a dotted name means in modules that are imported; `_MISSING` where that is nothing."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        thing: Any = sys.modules.get(".".join(parts[:count]))
        if thing is None:
            continue
        for part in parts[count:]:  # without getattr, which may import
            thing = getattr(thing, "__dict__", {}).get(part, _MISSING)
        return thing
    return _MISSING


def _constructor_arguments(module: nn.Module) -> dict[str, Any] | None:
    """The constructor's arguments, as far as they are attributes of the same name; None where a
    required one is not.
    """
    arguments = {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if parameter.kind in _STAR:
            continue
        value = getattr(module, name, _MISSING)
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if _is_plain(value):
            arguments[name] = list(value) if isinstance(value, tuple) else value
        elif parameter.default is parameter.empty:
            return None
    return arguments


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a value."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


# ---------------------------------------------------------------- checking


def _is_faithful(description: Description, activation: Any, own: Collection[str]) -> bool:
    """Whether what is built from a description does the same as the activation itself, whose `own`
    state leaves out what it keeps of the one before.
    """
    try:
        rebuilt = description.build()
    except InputError:
        return False
    if not isinstance(activation, nn.Module):
        return True
    present = copy.deepcopy(activation)
    for name in set(present._buffers) - set(own):
        del present._buffers[name]
    state = present.state_dict()
    if rebuilt.state_dict().keys() != state.keys():
        return False
    for tensor in state.values():
        rebuilt.to(tensor.device, tensor.dtype if tensor.is_floating_point() else None)
    rebuilt.load_state_dict(state)

    # Dropout and the like do something else in training.
    return all(_agree(present.train(mode), rebuilt.train(mode)) for mode in (True, False))


def _agree(one: nn.Module, two: nn.Module) -> bool:
    """Whether two modules compute the same, to the bit."""
    try:
        return torch.equal(_output(one), _output(two))
    except Exception:  # it takes another shape than the grid has
        return repr(one) == repr(two)


def _output(module: nn.Module) -> Tensor:
    """What a module makes of the grid, with the same random numbers each time."""
    reference = next(iter(module.state_dict().values()), _GRID)
    grid = _GRID.to(reference) if reference.is_floating_point() else _GRID.to(reference.device)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        result: Tensor = module.forward(grid)  # without the hooks that it took over
    return result
