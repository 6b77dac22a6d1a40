"""The forward pass of several models as one computation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from advisor.training.quick_layers import quick_copy
from advisor.training.stacks.bank import Bank
from advisor.training.stacks.elementwise import ELEMENTWISE, METHODS, Elementwise
from advisor.training.stacks.layers import (
    dropout,
    elementwise,
    linear,
    linear_layers,
    one_by_one,
    slopes,
)
from advisor.training.stacks.losses_of_copies import LossOfCopies
from advisor.training.stacks.traced import NotStackable, Reading

ONE_BY_ONE_LAYERS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm),
    *(nn.Embedding, nn.EmbeddingBag, nn.Softmax, nn.LogSoftmax, nn.Flatten, nn.Unflatten),
)
"""Layers that are computed one copy after the other, each with its own parameters and statistics.
"""
Computed = dict[fx.Node, Any]


class Program:
    """Computes the outputs of several models `(copies, rows, …)`.

    Arguments:
        readings: the forward pass of each, which differ in what is done to single numbers at most.
        models: one of each copy; those that do the same stand side by side.
        bank: stacks their parameters.

    Attributes:
        streams: of what each copy draws.
        is_scoring: whether the models are in evaluation mode, in which nothing is dropped.

    Raises `NotStackable` where there is an operation that is not known here.
    """

    def __init__(
        self, readings: Sequence[Reading], models: Sequence[nn.Module], bank: Bank
    ) -> None:
        self.models, self._bank = models, bank
        self.streams: Sequence[torch.Generator] = []
        self.is_scoring = False
        changes = zip(*(each.changes for each in readings), strict=True)
        nodes = zip(*(each.graph.nodes for each in readings), strict=True)
        self._steps = [
            (own[0], self._step(own[0]) if change[0] is None else self._changed(own, change))
            for own, change in zip(nodes, changes, strict=True)
        ]

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

    def step(
        self, inputs: Sequence[Any], target: Tensor, loss: LossOfCopies, parts: int = 1
    ) -> Tensor:
        """As `Computation.step`; gradients are added to what is there."""
        losses = loss(self(inputs), target)
        (losses if parts == 1 else losses / parts).sum().backward()
        return losses.detach()

    def begin(self, streams: Sequence[torch.Generator]) -> None:
        """As `Computation.begin`."""
        self.streams, self.is_scoring = streams, False
        for each in self.models:
            each.train()

    def begin_scoring(self) -> None:
        """As `Computation.begin_scoring`."""
        self.is_scoring = True
        for each in self.models:
            each.eval()

    def outputs(self, inputs: Sequence[Any]) -> Any:
        """What the models return in the mode that they are in."""
        return self(inputs)

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

    def _changed(
        self, nodes: Sequence[fx.Node], changes: Sequence[Elementwise]
    ) -> Callable[..., Any]:
        """What changes single numbers: each way once, for the copies that have it."""
        parts = []
        numbers = range(self.size)
        for _, group in groupby(numbers, key=lambda i: index_of(changes, changes[i])):
            own = list(group)
            parts.append((len(own), self._change(own, nodes, changes[own[0]])))
        if len(parts) == 1:
            return by_first(parts[0][1])
        sizes = [size for size, _ in parts]

        def of_parts(inputs: Tensor, *_: Any, **__: Any) -> Tensor:
            """Each way, of its copies."""
            if not isinstance(inputs, Tensor):
                raise NotStackable("their models do other things with what is no tensor")
            shares = inputs.split(sizes)
            found = [of(share) for (_, of), share in zip(parts, shares, strict=True)]
            return torch.cat(found)

        return of_parts

    def _change(
        self, own: Sequence[int], nodes: Sequence[fx.Node], change: Elementwise
    ) -> Callable[[Any], Any]:
        """One way to change single numbers, for some of the copies."""
        node, is_part = nodes[own[0]], len(own) < self.size
        if node.op == "call_function":
            options = {**node.kwargs, "inplace": False} if "inplace" in node.kwargs else node.kwargs
            return lambda each: node.target(each, *node.args[1:], **options)  # type: ignore[operator]
        if node.op == "call_method":
            name = str(node.target)
            return lambda each: getattr(each, name)(*node.args[1:], **node.kwargs)
        layers = [self.models[i].get_submodule(str(nodes[i].target)) for i in own]
        if not change.has_tensors:
            return quick_copy(in_a_new_tensor(layers[0]) if is_part else layers[0])
        if type(layers[0]) is nn.PReLU:
            return slopes(layers)
        if is_part or change.graph is None:
            return one_by_one(layers)
        reading = Reading(change.graph, [], [None] * len(change.graph.nodes))
        inner = Program([reading] * len(own), layers, self._bank)
        return lambda each: inner((each,))

    def _layer(self, target: str) -> Callable[..., Any]:
        layers = [model.get_submodule(target) for model in self.models]
        kind = type(layers[0])
        if kind is nn.Linear:
            return linear_layers(layers, self._bank)
        if kind is nn.Dropout:
            return partial(self._dropped, share=float(layers[0].p))  # type: ignore[arg-type]
        if kind not in ONE_BY_ONE_LAYERS:
            raise NotStackable(f"no batched computation of {kind.__name__} pays")
        return one_by_one(layers)

    def _dropped(self, inputs: Tensor, share: float) -> Tensor:
        return inputs if self.is_scoring else dropout(self.streams, inputs, share)

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


def by_first(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of the first argument alone."""
    return lambda first, *_, **__: function(first)


def index_of(changes: Sequence[Elementwise], wanted: Elementwise) -> int:
    """Where the first change of single numbers stands that is the same."""
    return next(i for i, each in enumerate(changes) if each.form == wanted.form)


def in_a_new_tensor(layer: nn.Module) -> nn.Module:
    """A layer that leaves what it reads as it is."""
    if not getattr(layer, "inplace", False):
        return layer
    other = copy.copy(layer)
    other.inplace = False  # type: ignore[assignment]  # nn.Module types all attributes as modules
    return other


def side_by_side(readings: Sequence[Reading]) -> list[int]:
    """An order of models in which those that do the same to single numbers stand side by side."""
    forms = [each.forms for each in readings]
    columns = [
        [next(i for i, other in enumerate(column) if other == each) for each in column]
        for column in zip(*forms, strict=True)
    ]
    return sorted(range(len(readings)), key=lambda i: [column[i] for column in columns])
