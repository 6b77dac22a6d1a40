"""Which node of the graph each tensor of a forward pass comes from."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from advisor.model.nested_values import named_tensors
from advisor.model.references import Path, own_buffers, own_parameters
from advisor.model.tracing.graph import BUFFER, CONSTANT, INPUT, PARAMETER, Node


class Origins:
    """The node of every tensor: at first those of parameters, buffers and inputs."""

    def __init__(self, inputs: tuple[Any, ...], paths: dict[int, Path]) -> None:
        # By the tensor's id. Tensors are kept alive, so that no two have the same id.
        self._nodes: dict[int, Node] = {}
        self._alive: list[Tensor] = []
        # Tensors that share memory, by its address.
        self._aliases: dict[int, list[Tensor]] = {}
        for path in paths.values():
            for name, parameter in own_parameters(path):
                self.leaf(parameter, PARAMETER, name)
            for name, buffer in own_buffers(path):
                self.leaf(buffer, BUFFER, name)
        for name, tensor in named_tensors(inputs, "args"):
            self.leaf(tensor, INPUT, name)

    def of(self, tensor: Tensor) -> Node | None:
        """The node that a tensor comes from, or None."""
        return self._nodes.get(id(tensor))

    def leaf(self, tensor: Tensor, leaf: str = CONSTANT, label: str = "") -> Node:
        """The node of a tensor, which becomes a leaf of this kind where it has none yet."""
        node = self.of(tensor)
        if node is not None:
            return node
        if leaf == CONSTANT and isinstance(tensor, nn.Parameter):
            leaf = PARAMETER  # of a module in a plain list
        node = Node(leaf, -1, leaf=leaf, label=label, floating=tensor.is_floating_point())
        node.data, node.learned = leaf == INPUT, leaf == PARAMETER
        node.trained, node.shape = node.learned and tensor.requires_grad, tuple(tensor.shape)
        self.bind(tensor, node)
        return node

    def bind(self, tensor: Tensor, node: Node) -> None:
        """Say that a tensor comes from a node."""
        self._nodes[id(tensor)] = node
        self._alive.append(tensor)
        address = _address(tensor)
        if address is not None:
            self._aliases.setdefault(address, []).append(tensor)

    def rebind_aliases(self, tensor: Tensor) -> None:
        """Say that all tensors that share memory with this one, which was changed in place, come
        from its node.
        """
        for alias in self._aliases.get(_address(tensor) or 0, ()):
            self._nodes[id(alias)] = self._nodes[id(tensor)]


def _address(tensor: Tensor) -> int | None:
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError):  # sparse tensors and the like have none
        return None
