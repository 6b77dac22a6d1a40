"""How many numbers the operations of a model make, by which it is decided what a stack is worth."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from torch import Tensor, fx, nn

from advisor.model.preserve import untouched
from advisor.nested import tensors_in
from advisor.training.run import Run


class OperationSizes(fx.Interpreter):
    """Runs the operations of a model one by one, and notes how many numbers each of them makes.

    Arguments:
        model: whose operations they are.
        graph: the operations.

    Attributes:
        numbers: of each operation that makes any; what only looks at others makes none.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph=graph)
        self.numbers: list[int] = []

    def run_node(self, n: fx.Node) -> Any:
        """The value of an operation."""
        given = set(map(place_of, tensors_in(self.fetch_args_kwargs_from_env(n))))
        found = super().run_node(n)
        made = [each.numel() for each in tensors_in(found) if place_of(each) not in given]
        if n.op.startswith("call") and made:
            self.numbers.append(sum(made))
        return found


def place_of(tensor: Tensor) -> int:
    """Where the numbers of a tensor lie, which views of it share."""
    return tensor.untyped_storage().data_ptr()


def numbers_an_operation(run: Run, batch: int, graph: fx.Graph) -> float:
    """How many numbers an operation makes of a mini-batch of so many rows, on average.

    The model and the random states are left as they are. Raises what a forward pass raises.
    """
    part, model = run.data.train, run.model
    inputs, _ = part.take(torch.arange(min(batch, len(part))))
    with untouched(model, list(model.modules())), torch.no_grad():
        model.eval()
        sizes = OperationSizes(model, graph)
        sizes.run(*inputs)
    return statistics.fmean(sizes.numbers or [0])
