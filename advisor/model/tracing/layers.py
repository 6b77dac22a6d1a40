"""Layers and embedding tables, read off a recorded graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from torch import nn
from torch.nn.modules import batchnorm, conv, rnn

from advisor.model.anatomy import COMPOSITE, HIDDEN, Layer, Site, Table
from advisor.model.references import Path
from advisor.model.tracing.branches import Branch, branch_ended_by, ends_by_activation
from advisor.model.tracing.graph import (
    BUFFER,
    INPUT,
    PARAMETER,
    Call,
    Graph,
    Node,
    downstream,
    upstream,
)
from advisor.model.tracing.lookalike import storage
from advisor.model.tracing.operations import (
    MIXING,
    carries,
    is_filter,
    is_learned,
    is_softmax,
)
from advisor.model.tracing.parameter_owners import Owner, Owners
from advisor.model.tracing.written import Written, written_layers

# The kinds of layers of torch; a module is of the first kind that fits.
_KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("attention", (nn.MultiheadAttention,)),
    ("rnn", (nn.RNNBase, rnn.RNNCellBase)),
    ("conv_transpose", (conv._ConvTransposeNd,)),
    ("conv", (conv._ConvNd,)),
    ("linear", (nn.Linear, nn.Bilinear)),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("norm", (batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)),
)

# The operation that makes positions by counting.
_COUNTED = "arange"


@dataclass(eq=False)
class Use:
    """A module, and the operations in which its parameters were used."""

    name: str
    module: nn.Module
    kind: str
    nodes: list[Node] = field(default_factory=list)
    owners: dict[str, Owner] = field(default_factory=dict)
    # What makes it a layer, where the author wrote it as a product.
    written: Written | None = None

    @property
    def first_run(self) -> list[Node]:
        """The operations of its first run."""
        return [node for node in self.nodes if node.operation == self.nodes[0].operation]

    @property
    def last(self) -> Node:
        """The last operation of its first run."""
        return self.first_run[-1]

    def tied(self, owners: Owners) -> list[str]:
        """Names of other parameters that are the same tensor as one of this module's."""
        return list(chain.from_iterable(owners.tied(owner) for owner in self.owners.values()))


@dataclass(frozen=True)
class Uses:
    """What used parameters in a forward pass.

    Arguments:
        layers: the layers that ran, in order of execution.
        raw: names of parameters that ran and belong to no layer.
        ran: paths of all modules whose parameters ran.
    """

    layers: list[Use]
    raw: set[str]
    ran: set[str]


def kind_of(module: nn.Module) -> str | None:
    """The kind of layer that a module is, or None."""
    for kind, classes in _KINDS:
        if isinstance(module, classes):
            return kind
    return None


def uses(graph: Graph, owners: Owners, paths: Mapping[int, Path]) -> Uses:
    """The layers and raw parameters that ran."""
    by_name: dict[str, Use] = {}
    ran: set[str] = set()
    own_products: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if not node.data:
            continue
        for owner in _owners_used(node, owners):
            # A tied tensor runs under one of its names, and all its owners are in use.
            ran.update(alias.name for alias in owners.of(owner.parameter))
            kind = kind_of(owner.module) or ("linear" if storage(owner.module) else None)
            if kind is not None:
                use = by_name.setdefault(owner.name, Use(owner.name, owner.module, kind))
                use.nodes.append(node)
                use.owners[owner.parameter] = owner
            elif node.call is None:
                own_products.setdefault(owner.parameter, []).append(node)

        # A normalization without parameters is a layer, too.
        module = node.running[-1] if node.running else None
        if module is not None and id(module) in paths and kind_of(module) == "norm":
            name = paths[id(module)].name
            by_name.setdefault(name, Use(name, module, "norm")).nodes.append(node)

    # What belongs to no module may be multiplied by in the author's own code.
    raw = set(own_products)
    for written in written_layers(own_products, owners):
        raw -= set(written.layer.names.values())
        name = written.owner.parameter
        use = Use(name, written.layer, written.kind, written.nodes, {name: written.owner}, written)
        by_name[name] = use
    order = {node: number for number, node in enumerate(graph.nodes)}
    layers = sorted(by_name.values(), key=lambda use: order[use.nodes[0]])
    return Uses(layers, raw, ran)


def branches_of(layers: Iterable[Use], outputs: Collection[Node]) -> dict[Node, Branch]:
    """The residual branches that layers close, by the operation that ends each, in order of
    execution.
    """
    ends = dict.fromkeys(use.last for use in layers if use.kind != "embedding")
    branches = {}
    for end in sorted(ends, key=lambda node: node.operation):
        branch = branch_ended_by(end, outputs)
        if branch is not None:
            branches[end] = branch
    return branches


def layer_of(
    use: Use,
    index: int,
    sites: Mapping[Call, Site],
    owners: Owners,
    outputs: Collection[Node],
    branches: Mapping[Node, Branch],
) -> Layer:
    """What a user reads of a layer that ran, the one at `index` in order of execution."""
    # What follows is that of the first run, everything else holds for all runs.
    followed_by, site = _follows(use.first_run, sites, outputs)
    # The branch that an attention layer ends is closed by its output projection.
    closes = use.last in branches and use.kind != "attention"
    return Layer(
        name=use.name,
        module=use.module,
        kind=use.kind,
        followed_by=followed_by,
        site=site,
        index=index,
        calls=len({node.operation for node in use.nodes}),
        is_output=_is_output(use.nodes, outputs),
        tied=tuple(dict.fromkeys(use.tied(owners))),
        callable=_is_called(use),
        mixes=any(_mixes(node) for node in use.nodes),
        transposed=use.kind == "linear"
        and use.written is None
        and storage(use.module) == "in, out",
        branch=_innermost(use.last, branches.values()),
        closes_branch=closes,
        ends_branch=closes or (site is not None and _ends_by_activation(use, site, sites, outputs)),
        matrices=() if use.written is None else use.written.matrices,
    )


def table_of(use: Use, owners: Owners) -> Table:
    """What a user reads of an embedding table that was looked up."""
    assert isinstance(use.module, (nn.Embedding, nn.EmbeddingBag))
    rows, width = use.module.weight.shape
    return Table(
        name=use.name,
        module=use.module,
        rows=rows,
        width=width,
        padding_idx=use.module.padding_idx,
        source=_source(use.nodes[0]),
        tied=tuple(use.tied(owners)),
    )


def _owners_used(node: Node, owners: Owners) -> Iterator[Owner]:
    """The owners of the parameters that the operands of an operation are computed from."""
    for operand in node.inputs:
        if not operand.learned:
            continue
        for source in chain([operand], upstream(operand, lambda before: before.learned)):
            if source.leaf == PARAMETER:
                yield from _owner_used(owners.of(source.label), node)


def _owner_used(group: list[Owner], node: Node) -> list[Owner]:
    """That one of a parameter's owners (at most one) for which an operation uses it."""
    running = [owner for owner in group if _runs(owner.module, node)]
    if running:
        return running[:1]
    # A tied parameter that is used outside all of its owners: a lookup is the embedding's.
    lookup = node.name.startswith("embedding")
    for owner in group:
        if (kind_of(owner.module) == "embedding") == lookup:
            return [owner]
    return group[:1]


def _runs(module: nn.Module, node: Node) -> bool:
    """Whether an operation is a part of a module's forward."""
    return any(module is running for running in node.running)


def _is_called(use: Use) -> bool:
    """Whether hooks see a layer run."""
    if use.written is not None:
        return use.written.is_called
    return any(_runs(use.module, node) for node in use.nodes)


def _innermost(node: Node, branches: Iterable[Branch]) -> int | None:
    """The number of the smallest branch that holds an operation."""
    sizes = []
    for number, branch in enumerate(branches):
        if node in branch.members:
            sizes.append((len(branch.members), number))
    return min(sizes)[1] if sizes else None


def _is_output(nodes: list[Node], outputs: Collection[Node]) -> bool:
    """Whether a layer's results reach the model's output, and nothing learned comes after them."""
    # Two passes: in the first, mostly the nearest operation answers, and the graph is not searched.
    for node in nodes:
        after = downstream(node, lambda later: later.floating)
        if any(is_learned(later) and not is_filter(later) for later in after):
            return False
    for node in nodes:
        reached = downstream(node, lambda later: later.floating)
        if any(after in outputs for after in chain([node], reached)):
            return True
    return False


def _follows(
    first_run: list[Node], sites: Mapping[Call, Site], outputs: Collection[Node]
) -> tuple[str, Site | None]:
    """The nearest activation after a layer's first run that nothing learned separates from it.

    Inline activations do not count, because it is unknown which one the operations belong to.
    """
    # The activation itself is still seen, what comes behind it is not.
    after: list[Node] = []
    for node in first_run:
        after.extend(downstream(node, _carries_to_activation))
    for node in after:
        if node.call is not None:
            site = sites[node.call]
            return ("none", None) if site.label == COMPOSITE else (site.kind, site)
    reaches_output = any(node in outputs for node in (*first_run, *after))
    if reaches_output and not any(is_learned(node) and not is_filter(node) for node in after):
        return "output", None
    return "none", None


def _ends_by_activation(
    use: Use, site: Site, sites: Mapping[Call, Site], outputs: Collection[Node]
) -> bool:
    """Whether the activation that follows a layer ends a residual branch, with the layer in it."""
    if site.label != HIDDEN or use.kind in ("attention", "embedding"):
        return False
    after = downstream(use.last, _carries_to_activation)
    activations = (node for node in after if node.call is not None and sites[node.call] is site)
    return any(ends_by_activation(use.last, node, outputs) for node in activations)


def _mixes(node: Node) -> bool:
    """Whether a result goes, with no activation between, into a matrix product of two learned
    branches.
    """
    through = downstream(
        node, lambda later: _carries_to_activation(later) and not is_softmax(later)
    )
    for after in through:
        if after.name in MIXING and not is_learned(after):
            learned_branches = sum(_is_computed(operand) for operand in after.inputs)
            if learned_branches > 1:
                return True
    return False


def _carries_to_activation(node: Node) -> bool:
    return (carries(node) or (node.floating and is_filter(node))) and node.call is None


def _is_computed(node: Node) -> bool:
    """Whether something learned lies in what a result is computed from."""
    made_of = upstream(node, lambda earlier: earlier.data)
    return any(is_learned(source) for source in chain([node], made_of))


def _source(node: Node) -> str | None:
    """The input that an embedding's indices come from."""
    # Its operands of whole numbers, and everything that these are computed from.
    indices = [source for source in node.inputs if not source.floating]
    origins = list(indices)
    for index in indices:
        origins.extend(upstream(index, lambda _: True))
    for origin in origins:
        if origin.leaf == INPUT:
            return origin.label
    if any(origin.name == _COUNTED or origin.leaf == BUFFER for origin in origins):
        return "position"
    return None
