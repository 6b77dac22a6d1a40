"""How much the operations of a model do, by which it is decided what a stack is worth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from advisor.model.preserve import untouched
from advisor.nested import tensors_in
from advisor.training.run import Run


class OperationSizes(fx.Interpreter):
    """Runs the operations of a model one by one, and notes how much each of them does.

    Arguments:
        model: whose operations they are.
        graph: the operations.

    Attributes:
        numbers: that each operation makes; what only looks at others makes none.
        products: that each linear layer adds up.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph=graph)
        self.numbers: list[int] = []
        self.products: list[int] = []
        self._model = model

    def run_node(self, n: fx.Node) -> Any:
        """The value of an operation."""
        given = set(map(place_of, tensors_in(self.fetch_args_kwargs_from_env(n))))
        found = super().run_node(n)
        made = [each.numel() for each in tensors_in(found) if place_of(each) not in given]
        if n.op.startswith("call") and made:
            self.numbers.append(sum(made))
        if n.op == "call_module":
            layer = self._model.get_submodule(str(n.target))
            if isinstance(layer, nn.Linear):
                self.products.append(sum(made) * layer.in_features)
        return found

    @property
    def usual(self) -> float:
        """How many numbers the operation makes that makes a usual one of all these numbers."""
        return sum(each**2 for each in self.numbers) / max(1, sum(self.numbers))


def place_of(tensor: Tensor) -> int:
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
        sizes = OperationSizes(model, graph)
        sizes.run(*inputs)
    return sizes
