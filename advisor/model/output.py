"""What kind of numbers a model returns: decided by the operation that made them, checked against the numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from advisor.errors import InputError
from advisor.model.graph import Node
from advisor.model.record import named_tensors, tensors
from advisor.model.rule import is_shape, is_softmax

_TOLERANCE = 1e-3


def output_tensor(result: Any, inputs: tuple[Any, ...]) -> Tensor:
    """The first float tensor whose first dimension is the batch, else the first float tensor."""
    floats = [tensor for _, tensor in named_tensors(result, "output") if tensor.is_floating_point()]
    if not floats:
        what = type(result).__name__
        raise InputError(f"The model returned {what}, in which there is no tensor of floats; return its predictions.")
    rows = next((tensor.shape[0] for tensor in tensors(inputs) if tensor.dim()), None)
    return next((tensor for tensor in floats if tensor.dim() and tensor.shape[0] == rows), floats[0])


def kind_of_output(end: Node | None, values: Tensor) -> str:
    """`raw`, `log_probabilities`, `probabilities`, `probability` or `bounded`, by the operation at the end of the model."""
    if end is None:
        return "raw"
    made_by = _producer(end)
    if is_softmax(made_by) and made_by.name != "exp":
        return _softmax(made_by, values)
    if made_by.name == "log" and len(made_by.inputs) == 1 and is_softmax(_producer(made_by.inputs[0])):
        return "log_probabilities"
    return _activation(made_by)


def _producer(node: Node) -> Node:
    while is_shape(node):
        sources = {_producer(source) for source in node.inputs if source.data and source.floating}
        if not sources or len({source.name for source in sources}) > 1:
            break
        node = sources.pop()  # of a concatenation, any: they are the same operation
    return node


def _softmax(node: Node, values: Tensor) -> str:
    kind = "log_probabilities" if "log" in node.name else "probabilities"
    sums = (values.exp() if kind == "log_probabilities" else values).double()
    sums_to_one = any(bool(((sums.sum(axis) - 1).abs() < _TOLERANCE).all()) for axis in range(values.dim()))
    return kind if sums_to_one else "raw"


def _activation(node: Node) -> str:
    if node.call is None:
        return "raw"
    low, high = node.call.values
    if low >= 0 and high <= 1:
        return "probability"
    return "bounded" if low >= -1 and high <= 1 else "raw"
