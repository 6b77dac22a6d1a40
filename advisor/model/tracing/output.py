"""Which tensor of what a model returns is its prediction, and what kind of numbers it holds."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from advisor.errors import InputError, near
from advisor.model.nested_values import named_tensors
from advisor.model.tracing.graph import Node
from advisor.model.tracing.operations import is_shape, is_softmax

# Probabilities sum to one up to this.
_TOLERANCE = 1e-3

# What `--output` says: a number, a name, or nothing.
Output = int | str | None


def pick(result: Any, rows: int | None, output: Output = None) -> Tensor:
    """The prediction in what a model returned.

    Arguments:
        result: what the model returned; a single tensor is the prediction.
        rows: the number of rows of the batch.
        output: the name or number of the prediction. Without it, the prediction is the first tensor
            of floats whose first dimension is `rows`, or the first of all.

    Raises:
        InputError: if there is no such output (the message lists those that there are), or no
            tensor of floats at all.
    """
    if isinstance(result, Tensor):
        return result
    outputs = predictions(result)
    if not outputs:
        raise InputError(
            f"The model returned {type(result).__name__}, in which there is no tensor of floats; "
            "return its predictions."
        )
    if output is None:
        for tensor in outputs.values():
            if tensor.dim() and len(tensor) == rows:
                return tensor
        return next(iter(outputs.values()))
    name = _name(result, outputs, output)
    if name not in outputs:
        raise InputError(
            f"The model returns no output {output!r} of floats.{near(str(output), outputs)} It "
            f"returns {described(outputs)}; give one of these names with --output NAME or "
            "Task(output=…)."
        )
    return outputs[name]


def predictions(result: Any) -> dict[str, Tensor]:
    """The tensors of floats in what a model returned, by the name that `--output` takes: `0`,
    `logits`, `hidden.1`.
    """
    outputs = {}
    for name, tensor in named_tensors(result, ""):
        if tensor.is_floating_point():
            # `['hidden'][1].x` is `hidden.1.x` on the command line.
            outputs[".".join(re.findall(r"[^\[\].']+", name))] = tensor
    return outputs


def described(outputs: dict[str, Tensor]) -> str:
    """`0 (32, 16), 1 (32, 3)` for a message."""
    shapes = [f"{name or 'one tensor'} {tuple(tensor.shape)}" for name, tensor in outputs.items()]
    return ", ".join(shapes)


def kind_of_output(end: Node | None, values: Tensor) -> str:
    """`raw`, `log_probabilities`, `probabilities`, `probability` or `bounded`, by the operation at
    the end of the model.
    """
    if end is None:
        return "raw"
    producer = _producer(end)
    if is_softmax(producer) and producer.name != "exp":
        return _softmax_kind(producer, values)
    is_log = producer.name == "log" and len(producer.inputs) == 1
    if is_log and is_softmax(_producer(producer.inputs[0])):
        return "log_probabilities"

    # The range of an activation at the end is that of the output.
    if producer.call is None:
        return "raw"
    low, high = producer.call.values
    if low >= 0 and high <= 1:
        return "probability"
    return "bounded" if low >= -1 and high <= 1 else "raw"


def _name(result: Any, outputs: dict[str, Tensor], output: int | str) -> str:
    """The name that is meant; a number counts a tuple's elements, or the tensors of anything that
    has names.
    """
    name = str(output)
    if name in outputs or not re.fullmatch(r"-?\d+", name):
        return name
    number = int(name)
    if isinstance(result, (tuple, list)) and not hasattr(result, "_fields"):
        return str(number + len(result)) if number < 0 else name
    names = list(outputs)
    return names[number] if -len(names) <= number < len(names) else name


def _producer(node: Node) -> Node:
    """The operation that computed the numbers of a result, before they were rearranged."""
    while is_shape(node):
        sources = {_producer(source) for source in node.inputs if source.data and source.floating}
        if not sources or len({source.name for source in sources}) > 1:
            break
        node = sources.pop()  # of a concatenation, any: they are the same operation
    return node


def _softmax_kind(node: Node, values: Tensor) -> str:
    kind = "log_probabilities" if "log" in node.name else "probabilities"
    sums = (values.exp() if kind == "log_probabilities" else values).double()
    # Rearranged, they may no longer sum to one along any axis.
    for axis in range(values.dim()):
        if bool(((sums.sum(axis) - 1).abs() < _TOLERANCE).all()):
            return kind
    return "raw"
