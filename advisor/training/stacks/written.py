"""A step of several models written out: their operations forwards, and backwards, one after the
other.

Autograd takes note of each operation, makes a tensor for each result, and follows its notes back.
Where all operations are known, so is the way back: torch's kernels are called in turn, on tensors
that are made once. A step of a small net takes half the time; its numbers are the same, but for
what rounding does.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, fx, nn

from advisor.training.stacks.bank import Bank
from advisor.training.stacks.curves import LAYERS, Curve, by_tape, curve_of
from advisor.training.stacks.elementwise import Elementwise
from advisor.training.stacks.losses_of_copies import LossOfCopies
from advisor.training.stacks.norms import BatchNorms, LayerNorms, has_usual_statistics, is_by_row
from advisor.training.stacks.operations import (
    Curves,
    Dropped,
    LinearLayers,
    Reshaped,
    StepOperation,
    Sum,
)
from advisor.training.stacks.plan import Space, StepPlan
from advisor.training.stacks.program import in_a_new_tensor, index_of
from advisor.training.stacks.traced import NotStackable, Reading

ADDED = "add"
"""What functions and the method are called that add two values."""
RESHAPING = ("view", "reshape")
"""Functions and methods that give the same numbers another shape."""
SHARES: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((nn.Softmax, "softmax"), torch.softmax),
    **dict.fromkeys((nn.LogSoftmax, "log_softmax"), torch.log_softmax),
}
"""Layers, functions and methods that make shares of a whole of what they read."""
LAST = (-1, 1)
"""How the dimension of the classes is called; that it is the last one is proven."""
ALL = 2**30
"""More copies than there are."""


class WrittenStep:
    """Computes the outputs and the gradients of several models `(copies, rows, …)`.

    Arguments:
        readings: the forward pass of each, which differ in what is done to single numbers at most.
        models: one of each copy; those that do the same stand side by side.
        bank: stacks their parameters, and gets the gradients.

    Raises `NotStackable` where an operation is not known here.
    """

    def __init__(
        self, readings: Sequence[Reading], models: Sequence[nn.Module], bank: Bank
    ) -> None:
        self.models, self._bank = models, bank
        self._space = Space()
        self._plans: dict[Any, Planned] = {}
        self._streams: Sequence[torch.Generator] = []
        self._inputs: list[fx.Node] = []
        self._operations: dict[fx.Node, StepOperation] = {}
        self._output: Any = None
        nodes = zip(*(each.graph.nodes for each in readings), strict=True)
        changes = zip(*(each.changes for each in readings), strict=True)
        for own, change in zip(nodes, changes, strict=True):
            self._read(own, change)
        if not isinstance(self._output, fx.Node):
            raise NotStackable("its models return more than one tensor")
        self._users: Counter[fx.Node] = Counter(
            each for one in self._operations.values() for each in one.inputs
        )
        self._users[self._output] += 1
        self._trained: set[fx.Node] = self._after_parameters()
        bank.hold_gradients()

    def begin(self, streams: Sequence[torch.Generator]) -> None:
        """As `Computation.begin`; the models themselves are not called."""
        self._streams = streams

    def begin_scoring(self) -> None:
        """As `Computation.begin_scoring`."""

    @torch.no_grad()
    def step(
        self, inputs: Sequence[Tensor], target: Tensor, loss: LossOfCopies, parts: int = 1
    ) -> Tensor:
        """As `Computation.step`; a step is one mini-batch here."""
        planned = self._planned(inputs, is_scoring=False)
        planned.compute(inputs)
        losses = loss.into(planned.output, target, planned.gradient)
        for call in planned.plan.backward:
            call()
        return losses

    @torch.no_grad()
    def outputs(self, inputs: Sequence[Tensor]) -> Tensor:
        """What the models return in evaluation mode; the next call writes over it."""
        planned = self._planned(inputs, is_scoring=True)
        planned.compute(inputs)
        return planned.output

    # --------------------------------------------------------------------------------------------

    def _read(self, nodes: Sequence[fx.Node], changes: Sequence[Elementwise | None]) -> None:
        """Note what one operation of the copies does."""
        node = nodes[0]
        if node.op == "placeholder":
            self._inputs.append(node)
        elif node.op == "output":
            self._output = node.args[0]
        elif all(each is not None for each in changes):
            self._operations[node] = self._curves(nodes, [each for each in changes if each])
        elif node.op == "call_module":
            self._operations[node] = self._layer(node)
        elif not is_size(node):
            self._operations[node] = joined(node)

    def _curves(self, nodes: Sequence[fx.Node], changes: Sequence[Elementwise]) -> StepOperation:
        """What is done to single numbers; one copy stands for those beside it that do the same."""
        inputs = tuple(nodes[0].all_input_nodes)
        before = self._operations.get(inputs[0])
        may_overwrite = isinstance(before, (LinearLayers, Sum))
        if any(each.has_tensors for each in changes):
            return Curves(inputs, self._own_curves(nodes), may_overwrite, trains=True)
        found = []
        for _, group in groupby(range(len(nodes)), key=lambda i: index_of(changes, changes[i])):
            own = list(group)
            found.append((len(own), self._curve(nodes[own[0]], self.models[own[0]])))
        return Curves(inputs, found, may_overwrite)

    def _own_curves(self, nodes: Sequence[fx.Node]) -> list[tuple[int, Curve]]:
        """What copies do with parameters of their own."""
        layers = [
            model.get_submodule(str(node.target))
            for node, model in zip(nodes, self.models, strict=True)
        ]
        own = [[*nn.Module.parameters(each)] for each in layers]
        if len({type(each) for each in layers}) > 1 or len({*map(len, own)}) > 1:
            raise NotStackable("activations have other parameters")
        for each in zip(*own, strict=True):
            self._stacked_one(each)
        return [
            (1, by_tape(of_one(each), tensors)) for each, tensors in zip(layers, own, strict=True)
        ]

    def _curve(self, node: fx.Node, model: nn.Module) -> Curve:
        if node.op == "call_module":
            return curve_of(in_a_new_tensor(model.get_submodule(str(node.target))))
        if len(node.args) == 1 and not node.kwargs.keys() - {"inplace"} and node.target in LAYERS:
            return curve_of(LAYERS[node.target])
        return by_tape(change_of(node))

    def _layer(self, node: fx.Node) -> StepOperation:
        inputs = tuple(node.all_input_nodes)
        layers: list[Any] = [model.get_submodule(str(node.target)) for model in self.models]
        first = layers[0]
        if len(inputs) != 1:
            raise NotStackable("a layer reads several values")
        if type(first) is nn.Linear:
            return LinearLayers(inputs, *self._stacked(layers))
        if has_usual_statistics(first):
            return BatchNorms(inputs, layers, *self._stacked(layers))
        if is_by_row(first):
            return LayerNorms(inputs, layers, *self._stacked(layers))
        if type(first) is nn.Dropout:
            return Dropped(inputs, float(first.p), lambda: self._streams)
        if type(first) is nn.Flatten and first.start_dim > 0:
            return Reshaped(inputs, first.start_dim, first.end_dim)
        if type(first) in SHARES and first.dim in LAST:
            return shares(inputs, SHARES[type(first)])
        raise NotStackable(f"{type(first).__name__} is not written out")

    def _stacked(self, layers: Sequence[Any]) -> tuple[Tensor, Any]:
        """The weights of layers, and their biases or None."""
        weight = self._stacked_one([each.weight for each in layers])
        if layers[0].bias is None:
            return weight, None
        return weight, self._stacked_one([each.bias for each in layers])

    def _stacked_one(self, tensors: Sequence[nn.Parameter]) -> Tensor:
        """A parameter of each copy, which no other layer has."""
        if self._bank.has(tensors[0]):
            raise NotStackable("layers share their weights")
        return self._bank.of(tensors)

    def _after_parameters(self) -> set[fx.Node]:
        """Operations that parameters stand before; the others need no gradient."""
        found: set[fx.Node] = set()
        for node, one in self._operations.items():
            if one.trains or not found.isdisjoint(one.inputs):
                found.add(node)
        return found

    def _planned(self, inputs: Sequence[Tensor], is_scoring: bool) -> Planned:
        """The plan for mini-batches of a size."""
        key = (is_scoring, *(each.shape for each in inputs))
        if key not in self._plans:
            plan = StepPlan(self._space, self._users, self._trained, is_scoring)
            try:
                self._plans[key] = self._laid_out(plan, inputs)
            finally:
                plan.end()
        return self._plans[key]

    def _laid_out(self, plan: StepPlan, inputs: Sequence[Tensor]) -> Planned:
        given = [plan.new(each.shape, each) for each in inputs]
        plan.values.update(zip(self._inputs, given, strict=False))
        for node, one in self._operations.items():
            if not plan.values.keys() >= set(one.inputs):
                raise NotStackable("its forward pass needs other arguments")
            plan.values[node] = one.forward(plan)
        output = plan.values[self._output]
        if plan.is_scoring:
            return Planned(plan, given, output, output)
        plan.gradients[self._output] = gradient = plan.space.take(output.shape, output)
        for node, one in reversed(self._operations.items()):
            if node in plan.gradients:
                one.backward(plan, plan.gradients[node])
            elif one.trains:
                raise NotStackable("nothing is made of what a layer computes")
        return Planned(plan, given, output, gradient)


@dataclass
class Planned:
    """A plan, what it reads, what it computes, and the gradient with which its way back begins,
    where it has one.
    """

    plan: StepPlan
    given: Sequence[Tensor]
    output: Tensor
    gradient: Tensor

    def compute(self, inputs: Sequence[Tensor]) -> None:
        """The output for other inputs."""
        for own, other in zip(self.given, inputs, strict=True):
            own.copy_(other)
        for call in self.plan.forward:
            call()


def joined(node: fx.Node) -> StepOperation:
    """What a function or a method does to what is read. Raises `NotStackable` where that is not
    known here.
    """
    inputs, name = tuple(node.all_input_nodes), getattr(node.target, "__name__", node.target)
    others: list[Any] = list(node.args[1:])
    options: dict[str, Any] = dict(node.kwargs)
    if name == ADDED and node.args == inputs and len(inputs) == 2 and not options:
        return Sum(inputs)
    if name == "flatten" and not options and len(inputs) == 1:
        (start, end) = tuple(others + [0, -1][len(others) :])
        if start > 0:
            return Reshaped(inputs, start, end)
    if name in RESHAPING and len(others) == 2 and not options and is_flat(others):
        return Reshaped(inputs[:1], 1, -1)
    function, dim = SHARES.get(name), [*others, options.get("dim")][0]
    if function is not None and dim in LAST and options.get("dtype") is None:
        return shares(inputs, function)
    raise NotStackable(f"{name} is not written out")


def is_size(node: fx.Node) -> bool:
    """Whether a node gives the sizes of a tensor, or one of them, and no tensor."""
    if node.op == "call_method":
        return node.target == "size"
    if node.target is getattr:
        return node.args[1:] == ("shape",)
    of = node.args[0] if node.target is operator.getitem else None
    return isinstance(of, fx.Node) and is_size(of)


def is_flat(sizes: Sequence[Any]) -> bool:
    """Whether all that belongs to a row becomes one dimension: `(rows, -1)`."""
    rows, rest = sizes
    return isinstance(rows, fx.Node) and is_size(rows) and rest == -1


def shares(inputs: tuple[fx.Node, ...], function: Callable[..., Tensor]) -> Curves:
    """What makes the last dimension shares of a whole, or their logarithms; autograd computes its
    gradient.
    """
    return Curves(inputs, [(ALL, by_tape(partial(function, dim=-1)))], may_overwrite=False)


def of_one(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """A layer on `(1, rows, …)`: which dimension has its parameters counts from the rows."""
    return lambda each: layer(each[0]).unsqueeze(0)


def change_of(node: fx.Node) -> Callable[[Tensor], Tensor]:
    """What a function or a method does to single numbers."""
    options = {**node.kwargs, "inplace": False} if "inplace" in node.kwargs else node.kwargs
    if node.op == "call_method":
        name = str(node.target)
        return lambda each: getattr(each, name)(*node.args[1:], **options)
    return lambda each: node.target(each, *node.args[1:], **options)  # type: ignore[operator]
