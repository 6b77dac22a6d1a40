"""Operations that change each number by itself, in which the models of a stack may differ."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

PLAIN = (bool, int, float, str, tuple, type(None))
"""Attributes of a layer that say how it computes, such as a slope or a share."""
ELEMENTWISE_LAYERS = (
    nn.ReLU,
    nn.ReLU6,
    nn.Tanh,
    nn.Sigmoid,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.LeakyReLU,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.LogSigmoid,
    nn.Tanhshrink,
    nn.Identity,
)
"""Layers that change each number by itself."""
ELEMENTWISE = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.pow),
    *(operator.ge, operator.gt, operator.le, operator.lt),
    *(torch.add, torch.sub, torch.mul, torch.div, torch.relu, torch.tanh, torch.sigmoid),
    *(torch.sin, torch.cos, torch.exp, torch.log, torch.abs, torch.sqrt, torch.square),
    *(torch.where, torch.maximum, torch.minimum, torch.clamp, torch.erf, torch.log1p),
    *(F.relu, F.relu6, F.tanh, F.sigmoid, F.gelu, F.silu, F.mish, F.elu, F.selu, F.celu),
    *(F.leaky_relu, F.softplus, F.softsign, F.hardtanh, F.hardswish, F.hardsigmoid),
}
"""Functions that do so; several tensors are broadcast."""
METHODS = {
    *(each.__name__ for each in (torch.add, torch.sub, torch.mul, torch.div, torch.neg, torch.pow)),
    *(each.__name__ for each in (torch.relu, torch.tanh, torch.sigmoid, torch.sin, torch.cos)),
    *(each.__name__ for each in (torch.exp, torch.log, torch.abs, torch.sqrt, torch.square)),
    *("clamp", "float", "contiguous"),
}
"""Methods of a tensor that do so."""


class Elementwise(NamedTuple):
    """What a model does to each number of one tensor.

    Attributes:
        form: equal where two models do the same, but for tensors of their own.
        has_tensors: whether it reads tensors of the model.
        graph: the operations of a layer of somebody's own; None of others.
    """

    form: Any
    has_tensors: bool = False
    graph: fx.Graph | None = None


def settings_of(layer: nn.Module) -> dict[str, Any]:
    """How a layer computes, beside its tensors and its mode."""
    own = vars(layer).items()
    return {
        key: value
        for key, value in own
        if key[0] != "_" and key != "training" and isinstance(value, PLAIN)
    }


def own_tensors(layer: nn.Module) -> Sequence[tuple[str, Tensor]]:
    """The parameters and the buffers of a layer, by name."""
    return [*nn.Module.named_parameters(layer), *nn.Module.named_buffers(layer)]


def layer_by_numbers(layer: nn.Module) -> Elementwise | None:
    """What a layer does to each number; None where it is another kind of layer, or where that
    cannot be read.
    """
    if type(layer) in ELEMENTWISE_LAYERS:
        return Elementwise((type(layer), settings_of(layer)))
    if type(layer) is nn.PReLU:
        return Elementwise((nn.PReLU, layer.weight.shape, layer.weight.requires_grad), True)
    if type(layer).__module__.startswith("torch.nn.") or any(True for _ in layer.children()):
        return None
    return own_layer_by_numbers(layer)


def own_layer_by_numbers(layer: nn.Module) -> Elementwise | None:
    """What a layer of somebody's own does to each number, by what it calls; or None."""
    try:
        graph = fx.Tracer().trace(layer)
    except Exception:  # code that needs numbers raises anything
        return None
    places = {node: number for number, node in enumerate(graph.nodes)}
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        return None
    if not all(is_elementwise(node) for node in graph.nodes):
        return None
    form = [
        (node.op, node.target, fx.node.map_arg((node.args, node.kwargs), places.__getitem__))
        for node in graph.nodes
    ]
    tensors = own_tensors(layer)
    shapes = [(name, each.shape, each.requires_grad) for name, each in tensors]
    return Elementwise((form, shapes), bool(tensors), graph)


def is_elementwise(node: fx.Node) -> bool:
    """Whether an operation of a layer of somebody's own changes each number by itself."""
    if node.op == "call_function":
        return node.target in ELEMENTWISE
    if node.op == "call_method":
        return node.target in METHODS
    return node.op in ("placeholder", "get_attr", "output")


def by_numbers(node: fx.Node, model: nn.Module) -> Elementwise | None:
    """What a node of a model's forward pass does to each number of one tensor, or None."""
    inputs: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), inputs.append)
    if len(inputs) != 1 or not node.args or node.args[0] is not inputs[0]:
        return None
    if node.op == "call_module":
        return layer_by_numbers(model.get_submodule(str(node.target)))
    is_known = node.op in ("call_function", "call_method") and is_elementwise(node)
    return Elementwise((node.target, node.args[1:], dict(node.kwargs))) if is_known else None
