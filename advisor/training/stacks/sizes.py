"""How much the operations of a model do, by which it is decided what a stack is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from advisor.model.preserve import untouched
from advisor.nested import tensors_in
from advisor.training.run import Run
from advisor.training.stacks.program import default_of


@dataclass
class OperationSizes:
    """How much the operations of a model do.

    Attributes:
        numbers: that each operation makes; what only looks at others makes none.
        products: that each linear layer adds up.
    """

    numbers: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)

    @property
    def usual(self) -> float:
        """The mean size of operations, in which each counts by the numbers that it makes."""
        return sum(each**2 for each in self.numbers) / max(1, sum(self.numbers))


def storage_of(tensor: Tensor) -> int:
    """Where the numbers of a tensor lie, which views of it share."""
    return tensor.untyped_storage().data_ptr()


def sizes_of(run: Run, batch: int, graph: fx.Graph) -> OperationSizes:
    """How much the operations of a run's model do with a mini-batch of so many rows.

    The model and the random states are left as they are. Raises what a forward pass raises.
    """
    part, model = run.data.train, run.model
    inputs, _ = part.take(torch.arange(min(batch, len(part))))
    with untouched(model, list(model.modules())), torch.no_grad():
        model.eval()
        return measured(model, graph, inputs)


def measured(model: nn.Module, graph: fx.Graph, inputs: Sequence[Any]) -> OperationSizes:
    """The sizes of a model's operations on these inputs.

    They are called here one by one: `fx.Interpreter` makes a progress bar with each run, and that a
    lock for processes.
    """
    sizes, left = OperationSizes(), list(inputs)
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        given = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        values[node] = found = value_of(model, node, given, left)
        if not node.op.startswith("call"):
            continue
        known = set(map(storage_of, tensors_in(given)))
        made = sum(each.numel() for each in tensors_in(found) if storage_of(each) not in known)
        if made:
            sizes.numbers.append(made)
        layer = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, nn.Linear):
            sizes.products.append(made * layer.in_features)
    return sizes


def value_of(model: nn.Module, node: fx.Node, given: Any, inputs: list[Any]) -> Any:
    """What an operation gives for its arguments; a placeholder takes the next of `inputs`."""
    arguments, named = given
    if node.op == "placeholder":
        return inputs.pop(0) if inputs else default_of(node)
    if node.op == "output":
        return arguments
    if node.op == "call_function":
        return node.target(*arguments, **named)  # type: ignore[operator]
    if node.op == "call_method":
        return getattr(arguments[0], str(node.target))(*arguments[1:], **named)
    owner, _, name = str(node.target).rpartition(".")
    part = getattr(model.get_submodule(owner), name)
    return part(*arguments, **named) if node.op == "call_module" else part
