"""The dataflow of one forward pass: one node per operation, or per activation however many
operations it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from torch import nn

from advisor.model.anatomy import Target
from advisor.model.matrix import Weight
from advisor.model.tracing.elementwise import UNBOUNDED, Function, Range

INPUT, PARAMETER, BUFFER, CONSTANT = "input", "parameter", "buffer", "constant"
"""The kinds of leaves; a constant is a tensor that the model's code makes or holds by itself."""


@dataclass(eq=False)
class Call:
    """One run of a candidate activation."""

    kind: str
    # Two calls with equal keys are one site.
    key: tuple[object, ...]
    id: str
    place: str
    target: Target
    values: Range = UNBOUNDED
    function: Function | None = None
    # Whether it was recognized by what it does, and not by torch's name for it.
    custom: bool = False
    # This run of a shared module, seen as a call in the caller's source.
    split: Call | None = None


@dataclass(eq=False)
class Node:
    """A tensor that an operation puts out, or a leaf."""

    name: str
    # The tensors that one operation puts out share this number.
    operation: int
    inputs: list[Node] = field(default_factory=list)
    # INPUT, PARAMETER, BUFFER or CONSTANT; empty for operations.
    leaf: str = ""
    # The name of a leaf.
    label: str = ""
    floating: bool = True
    # Whether it depends on the values of the model's inputs.
    data: bool = False
    # Whether it is computed from parameters, and not from inputs.
    learned: bool = False
    # Whether it is learned, and a gradient reaches one of these parameters.
    trained: bool = False
    shape: tuple[int, ...] = ()
    # The dimensions of its operand that a sum or a mean adds up.
    summed: tuple[int, ...] = ()
    # The parameters that a product multiplies a signal by.
    weights: tuple[Weight, ...] = ()
    # The modules that were running, outermost first.
    running: tuple[nn.Module, ...] = ()
    call: Call | None = None
    # The activation of torch that this operation computes.
    kind: str | None = None
    consumers: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Graph:
    """Nodes in order of execution, the model's output among them."""

    nodes: list[Node]
    outputs: list[Node]

    def __post_init__(self) -> None:
        _name_wrappers(self.nodes)
        self._merge()
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                source.consumers.append(node)

    def _merge(self) -> None:
        """Make one node of all the operations of an activation; what they exchange among themselves
        disappears.
        """
        # The last operation of a call stands for all of them.
        last_of = {node.call: node for node in self.nodes if node.call is not None}

        def head(node: Node) -> Node:
            """The node that stands for this one."""
            return node if node.call is None else last_of.get(node.call, node)

        inputs: dict[Node, list[Node]] = {}
        for node in self.nodes:
            outer = inputs.setdefault(head(node), [])
            for source in node.inputs:
                if head(source) is not head(node):
                    outer.append(head(source))
        self.nodes = [node for node in self.nodes if head(node) is node]
        for node in self.nodes:
            node.inputs = inputs[node]
        self.outputs = [head(node) for node in self.outputs]


def _name_wrappers(nodes: list[Node]) -> None:
    """Give what only wraps one activation of torch the kind of that one."""
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
    return _search(node.consumers, lambda after: after.consumers if through(after) else ())


def upstream(node: Node, through: Callable[[Node], bool]) -> Iterator[Node]:
    """Nodes before `node`, nearest first, each once; the search goes on behind those that `through`
    accepts.
    """
    return _search(node.inputs, lambda before: before.inputs if through(before) else ())


def _search(start: Iterable[Node], following: Callable[[Node], Iterable[Node]]) -> Iterator[Node]:
    queue = list(start)
    seen = set(queue)
    for node in queue:  # it grows while it is read
        yield node
        for neighbour in following(node):
            if neighbour not in seen:
                seen.add(neighbour)
                queue.append(neighbour)
