"""What an activation of torch computes, as a value: equal where two are sure to give equal numbers,
so that what was found of one holds for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from advisor.model.pointwise import Pointwise
from advisor.model.tracing import torch_activations

# Values that print as what they are, and do not change.
_PLAIN = frozenset((bool, int, float, str, type(None)))
# What `nn.Module` itself keeps in an instance.
_OWN = frozenset(vars(nn.Module()))


@dataclass(frozen=True, eq=False)
class OutOfPlace:
    """A function on a copy of its argument, so that this stays as it is."""

    function: Callable[..., Tensor]
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, x: Tensor) -> Tensor:
        """The function of a copy of `x`."""
        return self.function(x.clone(), *self.arguments, **self.keywords)


@dataclass(frozen=True)
class Formula:
    """An activation class or function of torch with the values that it is given."""

    of: Any
    arguments: tuple[Any, ...]
    settings: tuple[tuple[str, Any], ...]

    def built(self) -> Callable[[Tensor], Tensor]:
        """A function, or a module of its own, that computes it."""
        if not isinstance(self.of, type):
            return OutOfPlace(self.of, self.arguments, dict(self.settings))
        module: nn.Module = object.__new__(self.of)
        nn.Module.__init__(module)
        vars(module).update(self.settings)
        return module


def formula_of(function: object) -> Formula | None:
    """What a function computes; None where that is not known for certain: it is not torch's, has
    tensors, or draws random numbers.
    """
    if not isinstance(function, OutOfPlace):
        return None
    module = getattr(function.function, "__self__", None)
    if isinstance(module, nn.Module):
        if getattr(function.function, "__func__", None) is not type(module).forward:
            return None
        return formula_of_module(module)
    return _known(function.function, function.arguments, function.keywords)


def formula_of_module(module: nn.Module) -> Formula | None:
    """What a module computes by its `forward`; None where that is not known for certain."""
    if module._parameters or module._buffers or module._modules:
        return None
    own = {name: value for name, value in vars(module).items() if name not in _OWN}
    if type(module) is not Pointwise:
        return _known(type(module), (), own)
    is_plain = set(own) == {"function", "name"}
    return _known(own["function"], (), {}) if is_plain else None


def _known(of: Any, arguments: tuple[Any, ...], settings: Mapping[str, Any]) -> Formula | None:
    values = (*arguments, *settings.values())
    if not torch_activations.is_fixed(of) or any(type(value) not in _PLAIN for value in values):
        return None
    return Formula(of, arguments, tuple(settings.items()))
