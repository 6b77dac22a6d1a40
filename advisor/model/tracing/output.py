"""Which tensor of what a model returns is its prediction, and what kind of numbers it holds."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from advisor.errors import InputError, near
from advisor.model.tracing.graph import Node
from advisor.model.tracing.recorder import named_tensors
from advisor.model.tracing.site_labels import is_shape, is_softmax

_TOLERANCE = 1e-3

Output = int | str | None


def pick(result: Any, rows: int | None, output: Output = None) -> Tensor:
    """The prediction in what a model returned: the tensor that `output` names or counts, where it
    is given.

    Else the first tensor of floats whose first dimension is `rows`, or the first of all. A tensor
    alone is the prediction.

    Raises InputError, listing what there is, if there is no such output or no tensor of floats at
    all.
    """
    if isinstance(result, Tensor):
        return result
    found = predictions(result)
    if not found:
        raise InputError(
            f"The model returned {type(result).__name__}, in which there is no tensor of floats; return its predictions."
        )
    if output is None:
        return next(
            (tensor for tensor in found.values() if tensor.dim() and len(tensor) == rows),
            next(iter(found.values())),
        )
    name = _name(result, found, output)
    if name not in found:
        raise InputError(
            f"The model returns no output {output!r} of floats.{near(str(output), found)} It returns {described(found)}; give "
            "one of these names with --output NAME or Task(output=…)."
        )
    return found[name]


def predictions(result: Any) -> dict[str, Tensor]:
    """The tensors of floats in what a model returned, by the name that `--output` takes: `0`,
    `logits`, `hidden.1`.
    """
    named = ((_dotted(name), tensor) for name, tensor in named_tensors(result, ""))
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}


def described(found: dict[str, Tensor]) -> str:
    """`0 (32, 16), 1 (32, 3)` for a message."""
    return ", ".join(
        f"{name or 'one tensor'} {tuple(tensor.shape)}" for name, tensor in found.items()
    )


def _dotted(name: str) -> str:
    return ".".join(re.findall(r"[^\[\].']+", name))


def _name(result: Any, found: dict[str, Tensor], output: int | str) -> str:
    """The name that is meant; a number counts a tuple's elements, or the tensors of anything that
    has names.
    """
    name = str(output)
    if name in found or not re.fullmatch(r"-?\d+", name):
        return name
    if isinstance(result, (tuple, list)) and not hasattr(result, "_fields"):
        return str(int(name) + len(result)) if int(name) < 0 else name
    names = list(found)
    return names[int(name)] if -len(names) <= int(name) < len(names) else name


def kind_of_output(end: Node | None, values: Tensor) -> str:
    """`raw`, `log_probabilities`, `probabilities`, `probability` or `bounded`, by the operation at
    the end of the model.
    """
    if end is None:
        return "raw"
    made_by = _producer(end)
    if is_softmax(made_by) and made_by.name != "exp":
        return _softmax(made_by, values)
    if (
        made_by.name == "log"
        and len(made_by.inputs) == 1
        and is_softmax(_producer(made_by.inputs[0]))
    ):
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
    sums_to_one = any(
        bool(((sums.sum(axis) - 1).abs() < _TOLERANCE).all()) for axis in range(values.dim())
    )
    return kind if sums_to_one else "raw"


def _activation(node: Node) -> str:
    if node.call is None:
        return "raw"
    low, high = node.call.values
    if low >= 0 and high <= 1:
        return "probability"
    return "bounded" if low >= -1 and high <= 1 else "raw"
