"""What runs at a site, as plain data and back: an importable name with its arguments, never code
and never an import.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import get_testing_overrides

from advisor.errors import InputError

Value = dict[
    str, Any
]  # {"class" or "function": dotted name, "arguments": {…}, "state": {name: nested lists}}

_HOMES = (
    "torch",
    "torch.nn",
    "torch.nn.functional",
    "torch.special",
)  # where people look for what torch offers
_PLAIN = (bool, int, float, str, type(None))
_FUNCTIONS = (FunctionType, BuiltinFunctionType)
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_CLOSED = (sys.stdlib_module_names | {"torch"}) - {"__main__"}
_GRID = torch.linspace(-5.0, 5.0, 24).reshape(4, 1, 6)
_MISSING = object()


def dotted(thing: Any) -> str | None:
    """The name under which a function or class can be found among the imported modules, or None."""
    name = getattr(thing, "__name__", None)
    own = f"{getattr(thing, '__module__', None)}.{getattr(thing, '__qualname__', None)}"
    candidates = [*(f"{home}.{name}" for home in _HOMES), own]
    return next((candidate for candidate in candidates if _lookup(candidate) is thing), None)


def _lookup(name: str) -> Any:
    """What a dotted name means in modules that are imported; `_MISSING` where that is nothing."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        thing: Any = sys.modules.get(".".join(parts[:cut]))
        if thing is None:
            continue
        for part in parts[cut:]:  # without getattr, which may import
            thing = getattr(thing, "__dict__", {}).get(part, _MISSING)
        return thing
    return _MISSING


def starting_state(activation: Any) -> dict[str, Tensor]:
    """The parameters and buffers that an activation begins with."""
    if not isinstance(activation, nn.Module):
        return {}
    return {name: tensor.detach().clone() for name, tensor in activation.state_dict().items()}


def described(activation: Any, state: Mapping[str, Tensor]) -> Value | None:
    """An activation as plain data, or None where it has no importable name or its arguments cannot
    be read off it.
    """
    value = _described(activation, state)
    return value if value is not None and _is_faithful(value, activation) else None


def _described(activation: Any, state: Mapping[str, Tensor]) -> Value | None:
    if isinstance(activation, nn.Module):
        name, arguments = dotted(type(activation)), _arguments(activation)
        if name is None or arguments is None:
            return None
        return {
            "class": name,
            "arguments": arguments,
            "state": {key: value.tolist() for key, value in state.items()},
        }
    function, arguments = activation, {}
    if isinstance(activation, partial) and not activation.args:
        function, arguments = activation.func, dict(activation.keywords)
    name = dotted(function) if isinstance(function, _FUNCTIONS) else None
    if name is None or not all(_is_plain(argument) for argument in arguments.values()):
        return None
    return {"function": name, "arguments": arguments}


def _arguments(module: nn.Module) -> dict[str, Any] | None:
    """Its constructor's arguments, as far as they are attributes of the same name; None where a
    required one is not.
    """
    arguments = {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        value = getattr(module, name, _MISSING) if parameter.kind not in _ANY else _MISSING
        value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
        if _is_plain(value):
            arguments[name] = list(value) if isinstance(value, tuple) else value
        elif parameter.default is parameter.empty and parameter.kind not in _ANY:
            return None
    return arguments


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


def _is_faithful(value: Value, activation: Any) -> bool:
    """Whether what is built from a value does the same as the activation it describes."""
    try:
        twin = made(value)
    except InputError:
        return False
    if not isinstance(activation, nn.Module):
        return True
    if twin.state_dict().keys() != activation.state_dict().keys():
        return False
    for tensor in activation.state_dict().values():
        twin.to(tensor.device, tensor.dtype if tensor.is_floating_point() else None)
    twin.load_state_dict(activation.state_dict())
    return all(
        _agree(copy.deepcopy(activation).train(mode), twin.train(mode)) for mode in (True, False)
    )


def _agree(one: nn.Module, two: nn.Module) -> bool:
    try:
        return torch.equal(_output(one), _output(two))
    except Exception:  # wants another shape than the grid has
        return repr(one) == repr(two)


def _output(module: nn.Module) -> Tensor:
    reference = next(iter(module.state_dict().values()), _GRID)
    grid = _GRID.to(reference) if reference.is_floating_point() else _GRID.to(reference.device)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        result: Tensor = module.forward(grid)  # without the hooks it took over
    return result


def made(value: Value) -> Any:
    """The activation that a value describes. Raises InputError where its name is not that of an
    activation or not imported.
    """
    if "class" in value:
        return _module(value)
    function = _allowed(value["function"], _is_function)
    return partial(function, **value["arguments"]) if value["arguments"] else function


def _module(value: Value) -> nn.Module:
    cls = _allowed(
        value["class"], lambda thing: isinstance(thing, type) and issubclass(thing, nn.Module)
    )
    try:
        with torch.random.fork_rng(devices=[]):
            module: nn.Module = cls(**value["arguments"])
        module.load_state_dict(
            {name: _like(module, name, items) for name, items in value.get("state", {}).items()}
        )
    except Exception as error:
        raise InputError(
            f"{value['class']} cannot be made from the arguments {value['arguments']} and the values of the recipe "
            f"({error}); use the version of it that the recipe was made with, or pass a factory."
        ) from error
    return module


def _like(module: nn.Module, name: str, items: Any) -> Tensor:
    old = module.state_dict().get(name)
    return torch.tensor(items, dtype=None if old is None else old.dtype)


def _allowed(name: str, fits: Callable[[Any], bool]) -> Any:
    """A recipe may come from anywhere, so it names activations only, in torch or in what this
    program has imported.
    """
    thing = _lookup(name)
    if thing is _MISSING:
        raise InputError(
            f"the recipe's activation {name} is not imported here; import its module first, or pass a factory."
        )
    if not fits(thing):
        raise InputError(
            f"the recipe's {name} is not an activation: a function of a tensor or an nn.Module class."
        )
    return thing


def _is_function(thing: Any) -> bool:
    """A function of torch that takes tensors, or one that a module outside torch and the standard
    library defines.
    """
    if thing in _torch_functions():
        return True
    home = getattr(thing, "__module__", "").partition(".")[0]
    return isinstance(thing, FunctionType) and home not in _CLOSED


@cache
def _torch_functions() -> frozenset[Any]:
    return frozenset(get_testing_overrides())
