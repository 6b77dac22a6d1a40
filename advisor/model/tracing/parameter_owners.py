"""Whose parameter is this? One that is tied has several owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from advisor.model.references import Path, own_parameters

# Where torch.nn.utils.parametrize keeps the tensors that a weight is computed from.
_PARAMETRIZATIONS = ".parametrizations."


@dataclass(frozen=True)
class Owner:
    """A module and one of its parameters.

    Arguments:
        name: the module's path.
        module: the module.
        parameter: the full name of the parameter.
    """

    name: str
    module: nn.Module
    parameter: str


class Owners:
    """The owners of every parameter of a model."""

    def __init__(self, paths: Mapping[int, Path]) -> None:
        self._by_tensor: dict[int, list[Owner]] = {}
        self._tensors: dict[str, int] = {}
        modules = {path.name: path.module for path in paths.values()}
        for path in paths.values():
            for full_name, parameter in own_parameters(path):
                # A parametrized module owns what its parametrizations compute from.
                dotted, is_nested, _ = f".{path.name}".partition(_PARAMETRIZATIONS)
                name = dotted.lstrip(".")
                owner = Owner(name, modules[name] if is_nested else path.module, full_name)
                self._by_tensor.setdefault(id(parameter), []).append(owner)
                self._tensors[full_name] = id(parameter)

    def of(self, parameter: str) -> list[Owner]:
        """The owners of the tensor that has this name."""
        return self._by_tensor.get(self._tensors.get(parameter, 0), [])

    def tied(self, owner: Owner) -> list[str]:
        """Other modules' names of the same tensor."""
        names = []
        for other in self.of(owner.parameter):
            if other.module is not owner.module:
                names.append(other.parameter)
        return names

    def names(self) -> set[str]:
        """Paths of the modules that own parameters."""
        names: set[str] = set()
        for group in self._by_tensor.values():
            names.update(owner.name for owner in group)
        return names
