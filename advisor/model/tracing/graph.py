"""The dataflow of one forward pass: one node per operation, or per activation however many
operations it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from torch import nn

from advisor.model.anatomy import Target
from advisor.model.tracing.elementwise import UNBOUNDED, Function, Range

INPUT, PARAMETER, BUFFER, CONSTANT = "input", "parameter", "buffer", "constant"

# operations of layers: learned even if their weights are computed from data, data even if they work
# on constants
_WEIGHTED = frozenset(
    {
        *("linear", "bilinear", "embedding", "embedding_bag", "multi_head_attention_forward"),
        *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        *("lstm", "gru", "lstm_cell", "gru_cell"),
    }
)


def is_weighted(operation: str) -> bool:
    """Whether an operation is one that layers are made of."""
    return operation in _WEIGHTED or operation.startswith("rnn_")


@dataclass(eq=False)
class Call:
    """One run of a candidate activation."""

    kind: str
    key: tuple[object, ...]  # what makes two calls one site
    id: str
    place: str
    target: Target
    values: Range = UNBOUNDED
    function: Function | None = None
    custom: bool = False  # found by what it does, not by torch's name for it
    split: Call | None = (
        None  # the same run of a shared module, seen as a call in the caller's source
    )


@dataclass(eq=False)
class Node:
    """An operation's output tensor, or a leaf."""

    name: str
    operation: int  # outputs of one operation share this number
    inputs: list[Node] = field(default_factory=list)
    leaf: str = ""  # INPUT, PARAMETER, BUFFER or CONSTANT
    label: str = ""  # a leaf's name
    floating: bool = True
    data: bool = False  # depends on the values of the model's inputs
    learned: bool = False  # computed from parameters, and not from inputs
    running: tuple[nn.Module, ...] = ()  # modules that were running, outermost first
    call: Call | None = None
    kind: str | None = None  # the activation of torch that this operation computes
    consumers: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Graph:
    """Nodes in order of execution, the model's output among them."""

    nodes: list[Node]
    outputs: list[Node]

    def __post_init__(self) -> None:
        self._merge()
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                source.consumers.append(node)

    def _merge(self) -> None:
        """Make one node of all the operations of an activation; what they exchange among themselves
        disappears.
        """
        last: dict[Call, Node] = {node.call: node for node in self.nodes if node.call is not None}
        heads = {node: last[node.call] for node in self.nodes if node.call is not None}
        inputs: dict[Node, list[Node]] = {}
        for node in self.nodes:
            head = heads.get(node, node)
            outer = [heads.get(source, source) for source in node.inputs]
            inputs.setdefault(head, []).extend(source for source in outer if source is not head)
        _name_wrappers(self.nodes)
        self.nodes = [node for node in self.nodes if heads.get(node, node) is node]
        for node in self.nodes:
            node.inputs = inputs[node]
        self.outputs = [heads.get(node, node) for node in self.outputs]


def _name_wrappers(nodes: list[Node]) -> None:
    """What only wraps one activation of torch has that one's kind."""
    members: dict[Call, list[Node]] = {}
    for node in nodes:
        if node.call is not None:
            members.setdefault(node.call, []).append(node)
    for call, parts in members.items():
        if call.custom and len(parts) == 1 and parts[0].kind is not None:
            call.kind, call.custom = parts[0].kind, False


def downstream(node: Node, through: Callable[[Node], bool]) -> Iterator[Node]:
    """Nodes after `node`, nearest first, each once; the search goes on behind those that `through`
    accepts.
    """
    return _search(node.consumers, lambda found: found.consumers if through(found) else ())


def upstream(node: Node, through: Callable[[Node], bool]) -> Iterator[Node]:
    """Nodes before `node`, nearest first, each once; the search goes on behind those that `through`
    accepts.
    """
    return _search(node.inputs, lambda found: found.inputs if through(found) else ())


def _search(start: Iterable[Node], following: Callable[[Node], Iterable[Node]]) -> Iterator[Node]:
    queue = list(start)
    seen = set(queue)
    for node in queue:  # grows while it is read
        yield node
        for found in following(node):
            if found not in seen:
                seen.add(found)
                queue.append(found)
