"""Layers and embedding tables, read off a recorded graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules import batchnorm, conv, rnn

from advisor.model.anatomy import Layer, Site, Table
from advisor.model.references import Path
from advisor.model.tracing.branches import MIXING, Branch, branch_ended_by
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
from advisor.model.tracing.site_labels import carries, is_learned, is_softmax

# the first kind that fits
_KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("attention", (nn.MultiheadAttention,)),
    ("rnn", (nn.RNNBase, rnn.RNNCellBase)),
    ("conv_transpose", (conv._ConvTransposeNd,)),
    ("conv", (conv._ConvNd,)),
    ("linear", (nn.Linear, nn.Bilinear)),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("norm", (batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)),
)
_PARAMETRIZATIONS = ".parametrizations."  # where torch.nn.utils.parametrize keeps the originals
_COUNTED = "arange"


def kind_of(module: nn.Module) -> str | None:
    """The kind of layer that a module is, or None."""
    return next((kind for kind, classes in _KINDS if isinstance(module, classes)), None)


@dataclass(frozen=True)
class Owner:
    """A module and one of its parameters; `name` is the module's path."""

    name: str
    module: nn.Module
    parameter: str


class Owners:
    """Whose parameter is this? A tied one has several owners."""

    def __init__(self, paths: Mapping[int, Path]) -> None:
        self._groups: dict[int, list[Owner]] = {}
        self._ids: dict[str, int] = {}
        for path in paths.values():
            for name, parameter in path.module._parameters.items():
                if parameter is not None and not isinstance(
                    path.module, (nn.ParameterList, nn.ParameterDict)
                ):
                    self._add(path, name, id(parameter), paths)

    def _add(self, path: Path, name: str, ident: int, paths: Mapping[int, Path]) -> None:
        full = f"{path.name}.{name}".lstrip(".")
        module, at = path.module, path.name
        if (
            _PARAMETRIZATIONS in f".{at}"
        ):  # the parametrized module owns what its parametrizations compute from
            at = f".{at}".partition(_PARAMETRIZATIONS)[0].lstrip(".")
            module = next(other.module for other in paths.values() if other.name == at)
        self._groups.setdefault(ident, []).append(Owner(at, module, full))
        self._ids[full] = ident

    def of(self, parameter: str) -> list[Owner]:
        """The owners of the tensor that has this name."""
        return self._groups.get(self._ids.get(parameter, 0), [])

    def tied(self, owner: Owner) -> list[str]:
        """Other modules' names of the same tensor."""
        return [
            other.parameter
            for other in self.of(owner.parameter)
            if other.module is not owner.module
        ]

    def names(self) -> set[str]:
        """Paths of the modules that own parameters."""
        return {owner.name for group in self._groups.values() for owner in group}


@dataclass(eq=False)
class Use:
    """A module, and the operations in which its parameters were used."""

    name: str
    module: nn.Module
    kind: str
    nodes: list[Node] = field(default_factory=list)
    owners: dict[str, Owner] = field(default_factory=dict)

    @property
    def last(self) -> Node:
        """The last operation of its first run."""
        return [node for node in self.nodes if node.operation == self.nodes[0].operation][-1]

    def layer(
        self,
        index: int,
        sites: Mapping[Call, Site],
        owners: Owners,
        outputs: Collection[Node],
        branches: Mapping[Node, Branch],
    ) -> Layer:
        """What a user reads of it."""
        followed_by, site = _follows(self.nodes, sites, outputs)
        return Layer(
            name=self.name,
            module=self.module,
            kind=self.kind,
            followed_by=followed_by,
            site=site,
            index=index,
            calls=len({node.operation for node in self.nodes}),
            is_output=_is_output(self.nodes, outputs),
            tied=tuple(
                dict.fromkeys(name for owner in self.owners.values() for name in owners.tied(owner))
            ),
            callable=any(module is self.module for node in self.nodes for module in node.running),
            mixes=_mixes(self.nodes),
            transposed=self.kind == "linear" and storage(self.module) == "in, out",
            branch=_innermost(self.last, list(branches.values())),
            closes_branch=self.last in branches
            and self.kind != "attention",  # its output projection does
        )

    def table(self, owners: Owners) -> Table:
        """What a user reads of an embedding table."""
        assert isinstance(self.module, (nn.Embedding, nn.EmbeddingBag))
        tied = [name for owner in self.owners.values() for name in owners.tied(owner)]
        rows, width = self.module.weight.shape
        padding = self.module.padding_idx
        return Table(
            self.name, self.module, rows, width, padding, _source(self.nodes[0]), tuple(tied)
        )


def uses(
    graph: Graph, owners: Owners, paths: Mapping[int, Path]
) -> tuple[list[Use], set[str], set[str]]:
    """The layers that ran, in order; names of raw parameters that ran; paths of all modules whose
    parameters ran.
    """
    found: dict[str, Use] = {}
    raw: dict[str, None] = {}
    ran: set[str] = set()
    for node in graph.nodes:
        if not node.data:
            continue
        for owner in _owners(node, owners):
            ran.update(
                alias.name for alias in owners.of(owner.parameter)
            )  # a tied tensor runs under one name
            kind = kind_of(owner.module) or ("linear" if storage(owner.module) else None)
            if kind is not None:
                use = found.setdefault(owner.name, Use(owner.name, owner.module, kind))
                use.nodes.append(node)
                use.owners[owner.parameter] = owner
            elif node.call is None:
                raw[owner.parameter] = None
        if node.running and id(node.running[-1]) in paths and kind_of(node.running[-1]) == "norm":
            module = node.running[-1]  # without parameters
            use = found.setdefault(
                paths[id(module)].name, Use(paths[id(module)].name, module, "norm")
            )
            use.nodes.append(node)
    return list(found.values()), set(raw), ran


def branches_of(found: Iterable[Use], outputs: Collection[Node]) -> dict[Node, Branch]:
    """The residual branches that layers close, by the operation that ends each, in order of
    execution.
    """
    ends = dict.fromkeys(use.last for use in found if use.kind != "embedding")
    branches = {
        end: branch_ended_by(end, outputs) for end in sorted(ends, key=lambda node: node.operation)
    }
    return {end: branch for end, branch in branches.items() if branch is not None}


def _innermost(node: Node, branches: list[Branch]) -> int | None:
    """The number of the smallest branch that holds an operation."""
    sizes = [
        (len(branch.members), number)
        for number, branch in enumerate(branches)
        if node in branch.members
    ]
    return min(sizes)[1] if sizes else None


def _owners(node: Node, owners: Owners) -> Iterator[Owner]:
    computed = (source for source in node.inputs if source.learned)
    for leaf in (
        found for source in computed for found in (source, *upstream(source, lambda n: n.learned))
    ):
        if leaf.leaf == PARAMETER:
            group = owners.of(leaf.label)
            running = [
                owner for owner in group if any(owner.module is module for module in node.running)
            ]
            yield from (running or _fitting(group, node))[:1]


def _fitting(group: list[Owner], node: Node) -> list[Owner]:
    """Owners of a tied parameter that is used outside all of them: a lookup is the embedding's."""
    lookup = node.name.startswith("embedding")
    return sorted(group, key=lambda owner: (kind_of(owner.module) == "embedding") != lookup)


def _is_output(nodes: list[Node], outputs: Collection[Node]) -> bool:
    """Whether a layer's results reach the model's output, and nothing learned comes after them."""
    if any(is_learned(after) for node in nodes for after in downstream(node, lambda n: n.floating)):
        return False  # mostly the nearest: the whole graph is not searched for each layer
    after = (found for node in nodes for found in downstream(node, lambda n: n.floating))
    return any(node in outputs for node in (*nodes, *after))


def _follows(
    nodes: list[Node], sites: Mapping[Call, Site], outputs: Collection[Node]
) -> tuple[str, Site | None]:
    """The nearest activation after a layer's first run that nothing learned separates from it.

    Not one that is written inline: that is a part of an activation, and nobody knows of which.
    """
    first = [node for node in nodes if node.operation == nodes[0].operation]
    after = [
        found
        for node in first
        for found in downstream(node, lambda n: carries(n) and n.call is None)
    ]
    site = next((sites[node.call] for node in after if node.call is not None), None)
    if site is not None:
        return ("none", None) if site.label == "composite" else (site.kind, site)
    ends = any(node in outputs for node in (*first, *after)) and not any(
        is_learned(node) for node in after
    )
    return ("output" if ends else "none"), None


def _mixes(nodes: list[Node]) -> bool:
    """Whether a layer's result goes, with no activation between, into a matrix product of two
    learned branches.
    """
    return any(
        after.name in MIXING
        and not is_learned(after)
        and sum(_is_computed(source) for source in after.inputs) > 1
        for node in nodes
        for after in downstream(node, lambda n: carries(n) and n.call is None and not is_softmax(n))
    )


def _is_computed(node: Node) -> bool:
    return any(is_learned(found) for found in (node, *upstream(node, lambda n: n.data)))


def _source(node: Node) -> str | None:
    """The input that an embedding's indices come from."""
    index = [source for source in node.inputs if not source.floating]
    origins = [*index, *(found for source in index for found in upstream(source, lambda _: True))]
    for found in origins:
        if found.leaf == INPUT:
            return found.label
    counted = any(found.name == _COUNTED or found.leaf == BUFFER for found in origins)
    return "position" if counted else None
