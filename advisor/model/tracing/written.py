"""Which parameters that belong to no layer of torch are layers, as the author's own code multiplies
a signal by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn

from advisor.model.handwritten import HandWritten
from advisor.model.matrix import Matrix, Weight
from advisor.model.tracing.graph import PARAMETER, Node, downstream, upstream
from advisor.model.tracing.operations import SUMS, carries, is_shape, is_softmax
from advisor.model.tracing.parameter_owners import Owner, Owners


@dataclass(eq=False)
class Written:
    """A layer that the author wrote as a product with a parameter.

    Arguments:
        layer: its weight and its bias.
        owner: of the weight.
        kind: `linear`, `conv` or `conv_transpose`.
        matrices: how the weights of its units lie in the parameter.
        nodes: the products.
        is_called: whether hooks see it run.
    """

    layer: HandWritten
    owner: Owner
    kind: str
    matrices: tuple[Matrix, ...]
    nodes: list[Node]
    is_called: bool


def written_layers(uses: Mapping[str, list[Node]], owners: Owners) -> Iterator[Written]:
    """The layers among parameters of no layer of torch, each given with the operations that use
    it.
    """
    taken: set[str] = set()
    for name, users in uses.items():
        owner = owners.of(name)[0]
        parameter = _tensor(owner)
        nodes = [node for node in users if _reads(node, name, parameter)]
        weights = [weight for node in nodes for weight in node.weights]
        mine = [weight for weight in weights if weight.parameter is parameter]
        if parameter.ndim < 2 or not nodes or not _is_layer(parameter, nodes):
            continue

        # A bias is used by the products or by sums after them, and by nothing else.
        matrices = _apart(parameter, mine)
        bias = _bias(matrices, mine, nodes, owners)
        if bias is not None:
            others = [each for each in uses.get(bias.parameter, ()) if each not in nodes]
            if bias.parameter in taken or any(each.name not in SUMS for each in others):
                bias = None
        names = {"weight": name}
        if bias is not None:
            names["bias"] = bias.parameter
            taken.add(bias.parameter)
        layer = HandWritten(parameter, None if bias is None else _tensor(bias), names)
        _describe(layer, mine[0], matrices)
        is_called = not any(weight.shared for weight in mine)
        yield Written(layer, owner, mine[0].kind, matrices, nodes, is_called)


def _tensor(owner: Owner) -> nn.Parameter:
    """The parameter itself."""
    names = dict(nn.Module.named_parameters(owner.module))
    inside = owner.parameter.removeprefix(owner.name).lstrip(".")
    return names[inside]


def _reads(node: Node, name: str, parameter: nn.Parameter) -> bool:
    """Whether an operation uses a parameter other than by its product with a constant, such as the
    state from which a recurrent net begins.
    """

    def through(before: Node) -> bool:
        """Whether the parameter may reach the operation through this one."""
        return before.learned and not _multiplies(before, parameter)

    learned = [each for each in node.inputs if each.learned]
    for operand in learned:
        if operand.label == name and operand.leaf == PARAMETER:
            return True
        if through(operand):
            made_of = upstream(operand, through)
            if any(each.leaf == PARAMETER and each.label == name for each in made_of):
                return True
    return False


def _multiplies(node: Node, parameter: nn.Parameter) -> bool:
    return any(weight.parameter is parameter for weight in node.weights)


def _is_layer(parameter: nn.Parameter, nodes: Sequence[Node]) -> bool:
    """Whether a parameter is only multiplied with signals, as a weight that is trained."""
    if not parameter.numel():
        return False
    for node in nodes:
        weights = [weight for weight in node.weights if weight.parameter is parameter]
        # Of a frozen parameter nothing is trained; of another, a detached copy is not.
        trained = any(each.trained for each in node.inputs)
        if not weights or not (trained or not parameter.requires_grad):
            return False
        if not weights[0].units_last and _scores(node):
            return False
    return True


def _scores(node: Node) -> bool:
    """Whether a softmax follows a product with nothing learned between; where the units are not the
    last axis, it chooses among the places of the signal, and the parameter is a learned query.
    """
    return any(is_softmax(after) for after in downstream(node, carries))


def _apart(parameter: nn.Parameter, weights: Sequence[Weight]) -> tuple[Matrix, ...]:
    """The matrices of all uses, the first of those that share numbers."""
    apart: dict[Matrix, None] = {}
    span = 1 + sum((n - 1) * s for n, s in zip(parameter.shape, parameter.stride(), strict=True))
    is_taken = torch.zeros(span, dtype=torch.bool)
    for matrix in chain.from_iterable(weight.matrices for weight in weights):
        numbers = matrix.of(is_taken)
        if not bool(numbers.any()):
            numbers.fill_(True)
            apart[matrix] = None
    return tuple(apart)


def _bias(
    matrices: Sequence[Matrix], weights: Sequence[Weight], nodes: Sequence[Node], owners: Owners
) -> Owner | None:
    """The owner of the parameter that is added to each unit after the first product, or None."""
    units = sum(matrix.size[0] for matrix in matrices)
    first = nodes[0]
    sums = [after for after in downstream(first, _carries_unchanged) if after.name in SUMS]
    for node in (first, *sums) if weights[0].added is not None else sums:
        for operand in node.inputs:
            if not operand.trained:
                continue
            leaves = [
                leaf
                for leaf in chain([operand], upstream(operand, is_shape))
                if leaf.leaf == PARAMETER
            ]
            for leaf in leaves:
                owner = owners.of(leaf.label)[:1]
                is_weight = any(_tensor(each) is weights[0].parameter for each in owner)
                if owner and not is_weight and _tensor(owner[0]).numel() == units:
                    return owner[0]
    return None


def _carries_unchanged(node: Node) -> bool:
    return carries(node) and node.call is None


def _describe(layer: HandWritten, weight: Weight, matrices: Sequence[Matrix]) -> None:
    """Say the sizes of a layer by the names that torch's layers have for them."""
    units = sum(matrix.size[0] for matrix in matrices)
    sizes: dict[str, object] = {}
    if weight.kind == "linear" and len(matrices) == 1:
        sizes = {"out_features": units, "in_features": int(matrices[0].fan_in)}
    elif weight.kind != "linear":
        groups, kernel = len(matrices), matrices[0].size[2:]
        inputs = matrices[0].size[1] * groups
        sizes = {"out_channels": units, "in_channels": inputs, "groups": groups}
        sizes |= {"kernel_size": kernel, "stride": weight.stride}
    for name, value in sizes.items():
        setattr(layer, name, value)
