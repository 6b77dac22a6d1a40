"""Residual branches: operations whose result is added to a value that went past them.

The way from the end of a branch to the sum holds nothing learned, no activation and no
normalization, so that to scale the last layer is to scale the branch. Errors are on the safe side:
what cannot be told is no branch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from advisor.model.tracing.graph import Node, downstream, upstream
from advisor.model.tracing.site_labels import (
    PRODUCTS,
    carries,
    is_gate,
    is_learned,
    is_mask,
    is_softmax,
)

MIXING = frozenset(
    {
        "matmul",
        "rmatmul",
        "bmm",
        "mm",
        "mv",
        "dot",
        "baddbmm",
        "einsum",
        "scaled_dot_product_attention",
    }
)
_SUMS = frozenset({"add", "iadd", "radd", "sub", "isub", "rsub", "subtract", "addcmul"})
_PARTS = frozenset(
    {
        "getitem",
        "select",
        "narrow",
        "index_select",
        "gather",
        "chunk",
        "split",
        "unbind",
        "tensor_split",
    }
)
_NEAR = 16  # sums after a layer that are looked at: those behind are sums of other branches


@dataclass(frozen=True, eq=False)
class Branch:
    """The operations of a residual branch, and the sum that ends it."""

    end: Node
    members: frozenset[Node]


def branch_ended_by(node: Node, outputs: Collection[Node]) -> Branch | None:
    """The residual branch whose last operation is `node`, or None."""
    carried = {node, *downstream(node, _keeps)}
    sums = [
        found
        for found in carried
        if found.name.rstrip("_") in _SUMS and found.call is None and not found.leaf
    ]
    end = _End(node)
    for added in sorted(sums, key=lambda found: found.operation)[:_NEAR]:
        for other in added.inputs:
            members = (
                end.members(other)
                if other.data and other not in carried and _only_into(node, added, outputs)
                else None
            )
            if members:
                return Branch(added, members)
    return None


@dataclass
class _End:
    """A candidate for the last operation of a branch."""

    node: Node

    @cached_property
    def before(self) -> set[Node]:
        """What it is computed from."""
        return {found for found in upstream(self.node, lambda n: n.data) if found.data}

    def members(self, other: Node) -> frozenset[Node] | None:
        """The operations between it and the fork where `other` parted from it; None where `other`
        is no shortcut past them.
        """
        past = self._past(other, lambda node: True)
        if self.node in past:
            return None
        same = self._past(
            other, lambda node: not is_learned(node)
        )  # the shortcut with nothing learned, where there is one
        line = same if any(node in self.before for node in same) else past
        fork = max(
            (node for node in line if node in self.before),
            key=lambda node: node.operation,
            default=None,
        )
        if fork is None:
            return None
        members = frozenset(
            {self.node, *downstream(fork, self.before.__contains__)} & {self.node, *self.before}
        )
        pieces = [node for node in line if node not in self.before]
        if _are_parts(pieces, fork, members) or not self._is_longer(members, pieces, fork):
            return None
        return members

    def _past(self, other: Node, through: Callable[[Node], bool]) -> list[Node]:
        """`other` and what it is computed from, up to where that is also what the candidate is
        computed from.
        """
        if other in self.before:
            return [other]
        found = (
            upstream(other, lambda node: node.data and node not in self.before and through(node))
            if through(other)
            else ()
        )
        return [other, *(node for node in found if node.data)]

    def _is_longer(self, members: frozenset[Node], pieces: list[Node], fork: Node) -> bool:
        """Whether more was learned in the branch than in the shortcut; one with a projection has
        the fork as its only source.
        """
        shortcut = sum(map(is_learned, pieces))
        return sum(map(is_learned, members)) > shortcut and (
            shortcut == 0 or self._is_all_from(fork)
        )

    def _is_all_from(self, fork: Node) -> bool:
        """Whether nothing that the fork is computed from reaches the branch by another way."""
        earlier = {found for found in upstream(fork, lambda n: n.data) if found.data}
        around = upstream(self.node, lambda n: n.data and n is not fork and n not in earlier)
        return not any(found in earlier for found in around)


def _are_parts(pieces: list[Node], fork: Node, members: frozenset[Node]) -> bool:
    """Whether shortcut and branch are different parts of the fork, such as its steps in time, and
    so different signals.
    """
    return any(node.name in _PARTS for node in pieces) and all(
        node.name in _PARTS for node in fork.consumers if node in members
    )


def _only_into(node: Node, added: Node, outputs: Collection[Node]) -> bool:
    """Whether the model's output sees an operation through the sum only."""
    around = (found for found in downstream(node, lambda n: n is not added) if found is not added)
    return node not in outputs and not any(found in outputs for found in around)


def _keeps(node: Node) -> bool:
    """Whether a signal that doubles comes out doubled."""
    if (
        not carries(node)
        or node.call is not None
        or is_softmax(node)
        or node.name in MIXING
        or "norm" in node.name
    ):
        return False
    signals = [source for source in node.inputs if source.data]
    return (
        node.name.rstrip("_") not in PRODUCTS
        or len(signals) < 2
        or any(is_gate(n) or is_mask(n) for n in signals)
    )
