"""The forward pass of several models as one computation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from advisor.nested import gathered, tensors_in
from advisor.training.stacks.bank import Bank
from advisor.training.stacks.layers import (
    ELEMENTWISE,
    ELEMENTWISE_LAYERS,
    METHODS,
    dropout,
    elementwise,
    linear,
    linear_layers,
    one_by_one,
    shares_of,
    together,
)
from advisor.training.stacks.traced import NotStackable

ONE_BY_ONE_LAYERS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.PReLU),
    *(nn.Embedding, nn.EmbeddingBag, nn.Softmax, nn.LogSoftmax, nn.Flatten, nn.Unflatten),
)
"""Layers that are computed one copy after the other, each with its own parameters and statistics.
"""
Computed = dict[fx.Node, Any]


class Program:
    """Computes the outputs of several models `(copies, rows, …)`.

    Arguments:
        graph: the operations that they have in common.
        models: one of each copy.
        bank: stacks their parameters.

    Attributes:
        streams: of what each copy draws; set before each epoch.

    Raises `NotStackable` where there is an operation that is not known here.
    """

    def __init__(self, graph: fx.Graph, models: Sequence[nn.Module], bank: Bank) -> None:
        self.models, self._bank = models, bank
        self.streams: list[torch.Generator] = []
        self._steps = [(node, self._step(node)) for node in graph.nodes]

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """What the models return for inputs that have the copies in front."""
        computed: Computed = {}
        left = list(inputs)
        for node, step in self._steps:
            if node.op == "placeholder":
                computed[node] = left.pop(0) if left else default_of(node)
            else:
                values = fx.node.map_arg((node.args, node.kwargs), computed.__getitem__)
                if node.op == "output":
                    return values[0][0]
                computed[node] = step(*values[0], **values[1])
        raise NotStackable("its forward pass returns nothing")

    def _step(self, node: fx.Node) -> Callable[..., Any]:
        """What computes the value of a node from its arguments."""
        if node.op == "call_module":
            return self._layer(str(node.target))
        if node.op == "call_function":
            return self._function(node.target)
        if node.op == "call_method":
            return self._method(str(node.target))
        if node.op == "get_attr":
            return self._attribute(str(node.target))
        return lambda *values: values

    def _layer(self, target: str) -> Callable[..., Any]:
        layers = [model.get_submodule(target) for model in self.models]
        kind = type(layers[0])
        if kind is nn.Linear:
            return linear_layers(layers, self._bank)
        if kind is nn.Dropout:
            return partial(self._dropped, share=float(layers[0].p))  # type: ignore[arg-type]
        if kind in ELEMENTWISE_LAYERS:
            return layers[0]
        if kind not in ONE_BY_ONE_LAYERS:
            raise NotStackable(f"no batched computation of {kind.__name__} pays")
        return one_by_one(layers)

    def _dropped(self, inputs: Tensor, share: float) -> Tensor:
        return dropout(self.streams, inputs, share)

    def _function(self, target: Any) -> Callable[..., Any]:
        if target is F.linear:
            return lambda inputs, weight, bias=None: linear(inputs, weight, bias)
        if target is F.dropout:
            return lambda inputs, p=0.5, training=True, inplace=False: (
                self._dropped(inputs, p) if training else inputs
            )
        if target is torch.flatten:
            return self._method("flatten")
        if target in ELEMENTWISE:
            return elementwise(target)
        return one_by_one([target] * len(self.models))

    def _method(self, name: str) -> Callable[..., Any]:
        if name in METHODS:
            return elementwise(lambda each, *values, **named: getattr(each, name)(*values, **named))
        alone = one_by_one([lambda each, *v, **named: getattr(each, name)(*v, **named)] * self.size)
        if name != "flatten":
            return alone

        def flat(each: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
            """All dimensions from one on in one."""
            if start_dim < 1:
                return alone(each, start_dim, end_dim)
            return each.flatten(start_dim + 1, end_dim + (end_dim >= 0))

        return flat

    def _attribute(self, target: str) -> Callable[..., Any]:
        owner, _, name = target.rpartition(".")
        values = [getattr(model.get_submodule(owner), name) for model in self.models]
        if isinstance(values[0], nn.Parameter):
            whole = self._bank.of(values)
            return lambda: whole
        # A buffer changes in the course of a training.
        return lambda: torch.stack(
            [getattr(model.get_submodule(owner), name) for model in self.models]
        )

    @property
    def size(self) -> int:
        """How many copies there are."""
        return len(self.models)


def default_of(node: fx.Node) -> Any:
    """What an argument of a forward pass is that was not given."""
    if not node.args:
        raise NotStackable("its forward pass needs other arguments")
    return node.args[0]


# --- a proof ------------------------------------------------------------------------------------

NEAR = 1e-5
"""How far outputs and gradients may be from those of one model alone, as a share of the largest."""


def check_same(graph: fx.Graph, models: Sequence[nn.Module], inputs: Any, seeds: list[int]) -> None:
    """Raise `NotStackable` where models give other outputs or gradients together than alone.

    They are tried on copies, which leaves models and random states as they are.

    Arguments:
        graph: the operations that they have in common.
        models: that are to be trained together.
        inputs: a mini-batch of each, with the copies in front.
        seeds: of what each draws.
    """
    ours, alone = copies_of(models), copies_of(models)
    program = Program(graph, ours, bank := Bank())
    program.streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    given = program(inputs)
    wanted = []
    for model, own, seed in zip(alone, shares_of(tuple(inputs), len(models)), seeds, strict=True):
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            wanted.append(model(*own))
    expected = gathered(together, wanted)
    if not all_near([given], [expected]):
        raise NotStackable("the models give other outputs together")
    for each in (given, expected):
        torch.stack([part.square().sum() for part in tensors_in(each)]).sum().backward()
    bank.hand_out()
    gradients = [[each.grad for m in group for each in m.parameters()] for group in (ours, alone)]
    if not all_near(*gradients):
        raise NotStackable("the models have other gradients together")


def copies_of(models: Sequence[nn.Module]) -> list[nn.Module]:
    """Copies of models, in training mode."""
    return [copy.deepcopy(model).train() for model in models]


def all_near(given: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether structures of tensors have the same numbers, but for what rounding does."""
    found: list[bool] = []

    def compare(pair: list[Any]) -> None:
        """Note whether two values are the same."""
        one, other = pair
        if not isinstance(one, Tensor) or not isinstance(other, Tensor):
            found.append(one is None and other is None)
            return
        largest = float(other.detach().abs().max()) if other.numel() else 0.0
        is_like = one.shape == other.shape
        found.append(is_like and torch.allclose(one, other, NEAR, NEAR * largest, equal_nan=True))

    for one, other in zip(given, wanted, strict=True):
        gathered(compare, [one, other])
    return all(found)
