"""Maximum pooling before an activation instead of after it, where that gives the same numbers.

The largest of several values of a function that never falls is its value of the largest. So what
stands before maximum pooling is computed for a fraction of the numbers when it stands behind it:
for a quarter of them with windows of 2 x 2, and its gradient, too. The modules stay as they are;
only the steps of a training call them in the other order.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from advisor.model import call
from advisor.model.preserve import untouched
from advisor.nested import tensors_in
from advisor.randomness import isolated
from advisor.training.run import Run
from advisor.training.stacks.elementwise import by_numbers
from advisor.training.stacks.traced import NotStackable, read_or_known, refuse_hooked
from advisor.user_code import user_faults

RISING_LAYERS = (
    *(nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.SELU, nn.Softplus, nn.Softsign),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.LogSigmoid),
)
"""Activations that never fall, whatever their numbers are."""
RISING_FROM_ZERO = {nn.ELU: "alpha", nn.CELU: "alpha", nn.LeakyReLU: "negative_slope"}
"""Activations that never fall where a number of theirs is not negative."""
RISING_FUNCTIONS = (F.relu, F.relu6, torch.relu, torch.tanh, torch.sigmoid, F.tanh, F.sigmoid)
RISING_METHODS = tuple(each.__name__ for each in (torch.relu, torch.tanh, torch.sigmoid))
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
BEFORE = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers without which hardly anybody pools."""
POOLING = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
EXAMPLE = 2
"""Rows for which both orders are computed before a training."""


def pooled_first(run: Run) -> nn.Module:
    """What the steps of a training call in the place of a run's model: the model itself where
    nothing is gained, or where its forward pass cannot be read.

    It is found once for a model that stays as it is.
    """
    known = run.called
    if known is None or known[0] is not run.model or is_hooked(run.model):
        run.called = known = run.model, _pooled_first(run)
    return known[1]


def is_hooked(model: nn.Module) -> bool:
    """Whether something hears what the modules of a model do."""
    try:
        refuse_hooked(model)
    except NotStackable:
        return True
    return False


def _pooled_first(run: Run) -> nn.Module:
    """What `pooled_first` finds."""
    if not any(isinstance(each, (*POOLS, *BEFORE)) for each in nn.Module.modules(run.model)):
        return run.model
    reading = read_or_known(run.model)
    if isinstance(reading, NotStackable):
        return run.model
    graph = copy.deepcopy(reading.graph)
    if not sum(swapped(graph, node, run.model) for node in list(graph.nodes)):
        return run.model
    other = fx.GraphModule(run.model, graph)
    try:
        return other if gives_the_same(run, other) else run.model
    except user_faults():  # the training itself says what the model breaks on
        return run.model


def swapped(graph: fx.Graph, pool: fx.Node, model: nn.Module) -> bool:
    """Put a maximum pooling before the activation that it reads; whether it is one."""
    if not is_pooling(pool, model) or not isinstance(pool.args[0], fx.Node):
        return False
    before = pool.args[0]
    if len(before.users) > 1 or not is_rising(before, model):
        return False
    (given,) = before.all_input_nodes
    pool.args = (given, *pool.args[1:])
    with graph.inserting_after(pool):
        after = graph.node_copy(before, lambda node: pool if node is given else node)
    pool.replace_all_uses_with(after, delete_user_cb=lambda user: user is not after)
    graph.erase_node(before)
    return True


def is_pooling(node: fx.Node, model: nn.Module) -> bool:
    """Whether a node takes the largest of several values, and nothing else."""
    if node.op == "call_module":
        layer = model.get_submodule(str(node.target))
        return type(layer) in POOLS and not layer.return_indices
    return node.target in POOLING and not node.kwargs.get("return_indices", False)


def is_rising(node: fx.Node, model: nn.Module) -> bool:
    """Whether a node changes each number of one tensor by a function that never falls."""
    if by_numbers(node, model) is None:
        return False
    if node.op == "call_module":
        return never_falls(model.get_submodule(str(node.target)))
    if node.op == "call_method":
        return node.target in RISING_METHODS
    return node.target in RISING_FUNCTIONS


def never_falls(layer: Any) -> bool:
    """Whether an activation gives no less for more."""
    number = RISING_FROM_ZERO.get(type(layer))
    return type(layer) in RISING_LAYERS or (number is not None and getattr(layer, number) >= 0)


def gives_the_same(run: Run, other: nn.Module) -> bool:
    """Whether another module returns for a few rows what a run's model does, which is left as it
    is.
    """
    found = []
    with untouched(run.model, list(run.model.modules())), torch.no_grad():
        for each in (run.model.train(), other):
            with isolated(0):
                found.append([*tensors_in(call(each, run.example(EXAMPLE)))])
    return all(map(are_near, *found))


def are_near(one: Tensor, other: Tensor) -> bool:
    """Whether tensors have the same numbers, but for what rounding does."""
    return one.shape == other.shape and torch.allclose(one, other, 1e-5, 1e-6, equal_nan=True)
