"""What a model's forward pass does, operation by operation, read without running it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from advisor.errors import explain
from advisor.randomness import preserved, random_states
from advisor.user_code import user_faults

PLAIN = (bool, int, float, str, tuple, type(None))
"""Attributes of a layer that say how it computes, such as a slope or a share."""


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
            graph = fx.Tracer().trace(copied)
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


def structure_of(model: nn.Module) -> list[Any]:
    """What two models must have in common to be computed together, to be compared."""
    parts: list[Any] = []
    for name, module in model.named_modules():
        parts += [name, type(module), settings_of(module)]
    for name, tensor in tensors_of(model):
        trained = isinstance(tensor, nn.Parameter) and tensor.requires_grad
        parts.append((name, tensor.shape, tensor.dtype, trained))
    return parts


def settings_of(layer: nn.Module) -> dict[str, Any]:
    """How a layer computes, beside its tensors."""
    own = vars(layer).items()
    return {key: value for key, value in own if key[0] != "_" and isinstance(value, PLAIN)}


def tensors_of(model: nn.Module) -> Sequence[tuple[str, Tensor]]:
    """The parameters and the buffers of a model, by name."""
    return [*nn.Module.named_parameters(model), *nn.Module.named_buffers(model)]


def layers_in(graph: fx.Graph, model: nn.Module) -> list[nn.Module]:
    """The modules that a forward pass calls whole."""
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    return [model.get_submodule(str(target)) for target in called]


def common_graph(models: Sequence[nn.Module]) -> fx.Graph:
    """The operations that several models have in common.

    Raises `NotStackable` where one of them does something else.
    """
    wanted = structure_of(models[0])
    if any(structure_of(model) != wanted for model in models[1:]):
        raise NotStackable("their models differ in structure")
    for model in models:
        refuse_hooked(model)
    if len({id(tensor) for model in models for _, tensor in tensors_of(model)}) != len(
        models
    ) * len(tensors_of(models[0])):
        raise NotStackable("their models share tensors")
    return graph_of(models[0])
