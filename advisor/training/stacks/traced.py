"""What a model's forward pass does, operation by operation, read without running it."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torch import Tensor, fx, nn

from advisor.errors import explain
from advisor.randomness import preserved, random_states
from advisor.training.stacks.elementwise import (
    Elementwise,
    by_numbers,
    layer_by_numbers,
    own_tensors,
    settings_of,
)
from advisor.user_code import user_faults

FUNCTIONS = (FunctionType, BuiltinFunctionType)
"""Attributes of a layer that it may call."""


VALUE = "what is computed at"
"""Stands before the number of an operation where its value is an argument of another."""


class NotStackable(Exception):  # noqa: N818  # not an error: a training that goes by itself
    """Some runs cannot be trained as one computation; the text says why."""


def graph_of(model: nn.Module) -> fx.Graph:
    """The operations of a model's forward pass in training mode.

    Raises `NotStackable` where they cannot be read, or where a pass does more than it returns.
    """
    refuse_hooked(model)
    with preserved():
        # A forward pass may keep something in its model, which must not be ours.
        copied = copy.deepcopy(model).train()
        before, states = values_in(copied), random_states()
        try:
            graph = LayerTracer().trace(copied)
        except user_faults() as problem:  # of code that needs numbers, whatever it raises
            raise NotStackable(f"its forward pass cannot be read: {explain(problem)}") from problem
        if random_states() != states:
            raise NotStackable("its forward pass draws at random")
    if values_in(copied) != before:
        raise NotStackable("its forward pass changes the model")
    refuse_constants(graph)
    return graph


def refuse_hooked(model: nn.Module) -> None:
    """Raise `NotStackable` where more is called than a module's own forward pass."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    for name, module in model.named_modules():
        if any(getattr(module, each, None) for each in hooks) or hasattr(
            module, "parametrizations"
        ):
            raise NotStackable(f"its module {name or type(module).__name__} has hooks")


def refuse_constants(graph: fx.Graph) -> None:
    """Raise `NotStackable` where a tensor is made in the forward pass: it may be another one in the
    next pass.
    """
    for node in graph.nodes:
        if node.op == "get_attr" and str(node.target).startswith("_tensor_constant"):
            raise NotStackable("its forward pass makes a tensor of its own")
        if node.op == "placeholder" and str(node.target).startswith("*"):
            raise NotStackable("its forward pass takes any number of arguments")


def values_in(model: nn.Module) -> dict[str, int]:
    """What the attributes of a model's modules are, by name."""
    values = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            values[f"{name}.{key}"] = id(value)
    return values


class LayerTracer(fx.Tracer):
    """Leaves whole what changes single numbers, whoever wrote it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one operation."""
        is_of_torch = super().is_leaf_module(m, module_qualified_name)
        return is_of_torch or layer_by_numbers(m) is not None


def structure_of(model: nn.Module) -> list[Any]:
    """What two models have in common whose forward passes are the same, to be compared."""
    parts: list[Any] = []
    for name, module in model.named_modules():
        own = vars(module).items()
        functions = [(key, value) for key, value in own if isinstance(value, FUNCTIONS)]
        parts += [name, type(module), settings_of(module), functions]
    parts += [(name, *form_of(tensor)) for name, tensor in own_tensors(model)]
    return parts


def form_of(tensor: Tensor) -> tuple[Any, ...]:
    """What tensors have in common that are stacked."""
    trained = isinstance(tensor, nn.Parameter) and tensor.requires_grad
    return tensor.shape, tensor.dtype, trained


def layers_in(graph: fx.Graph, model: nn.Module) -> list[nn.Module]:
    """The modules that a forward pass calls whole."""
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    return [model.get_submodule(str(target)) for target in called]


@dataclass(frozen=True)
class Reading:
    """The forward pass of a model, as it is compared with others.

    Attributes:
        graph: its operations.
        skeleton: what models have in common that may be computed together; what changes single
            numbers may differ.
        changes: what each operation does to single numbers; None for what does something else.
    """

    graph: fx.Graph
    skeleton: list[Any]
    changes: list[Elementwise | None]

    @property
    def forms(self) -> list[Any]:
        """What is done to single numbers, to be compared."""
        return [each.form for each in self.changes if each is not None]


def read(model: nn.Module) -> Reading:
    """The forward pass of a model. Raises `NotStackable` as `graph_of` does."""
    graph = graph_of(model)
    places = {node: number for number, node in enumerate(graph.nodes)}
    changes = [by_numbers(node, model) for node in graph.nodes]
    skeleton: list[Any] = []
    for node, change in zip(graph.nodes, changes, strict=True):
        if change is not None:
            skeleton.append(places[node.all_input_nodes[0]])
        else:
            inputs = fx.node.map_arg((node.args, node.kwargs), lambda each: (VALUE, places[each]))
            skeleton.append((node.op, called_by(node, model), inputs))
    return Reading(graph, skeleton, changes)


def called_by(node: fx.Node, model: nn.Module) -> Any:
    """What an operation calls or reads, to be compared."""
    if node.op == "call_module":
        layer = model.get_submodule(str(node.target))
        forms = [(name, *form_of(tensor)) for name, tensor in own_tensors(layer)]
        return type(layer), settings_of(layer), forms
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        return form_of(getattr(model.get_submodule(owner), name))
    return None if node.op in ("placeholder", "output") else node.target


_known: deque[tuple[list[Any], Reading | NotStackable]] = deque(maxlen=16)
"""The last forward passes that this process has read, by the structure of their models. That a
model does what its structure says is proven for each training (`proof.py`).
"""


def read_all(models: Sequence[nn.Module]) -> list[Reading | NotStackable]:
    """The forward passes of models; why it cannot be read in the place of one that cannot."""
    return [read_or_known(each) for each in models]


def read_or_known(model: nn.Module) -> Reading | NotStackable:
    """The forward pass of a model, or why it cannot be read."""
    try:
        refuse_hooked(model)
    except NotStackable as problem:
        return problem
    structure = structure_of(model)
    for other, known in _known:
        if other == structure:
            return known
    found: Reading | NotStackable
    try:
        found = read(model)
    except NotStackable as problem:
        # The exception itself would keep the model alive.
        found = NotStackable(str(problem))
    _known.append((structure, found))
    return found
