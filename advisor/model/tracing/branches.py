"""Residual branches: operations whose result is added to a value that went past them.

The way from the end of a branch to the sum holds nothing learned, no activation and no
normalization, so that to scale the last layer is to scale the branch. Errors are on the safe side:
in doubt there is no branch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from advisor.model.tracing.graph import Node, downstream, upstream
from advisor.model.tracing.operations import (
    MIXING,
    PARTS,
    PRODUCTS,
    SUMS,
    carries,
    is_learned,
    is_softmax,
)
from advisor.model.tracing.site_labels import is_gate, is_mask

# So many of the nearest sums after a layer are tried; those behind them end other branches.
_NEAR = 16


@dataclass(frozen=True, eq=False)
class Branch:
    """The operations of a residual branch, and the sum that ends it."""

    end: Node
    members: frozenset[Node]


def branch_ended_by(node: Node, outputs: Collection[Node]) -> Branch | None:
    """The residual branch whose last operation is `node`, or None."""
    carried = {node, *downstream(node, _scales_along)}
    sums = []
    for after in carried:
        if after.name in SUMS and after.call is None and not after.leaf:
            sums.append(after)
    sums.sort(key=lambda after: after.operation)

    candidate = _BranchEnd(node)
    for added in sums[:_NEAR]:
        # One operand of the sum comes from the branch, another one may be the shortcut past it.
        for other in added.inputs:
            if not other.data or other in carried or not _only_into(node, added, outputs):
                continue
            members = candidate.members(other)
            if members:
                return Branch(added, members)
    return None


def ends_by_activation(node: Node, activation: Node, outputs: Collection[Node]) -> bool:
    """Whether a residual branch ends in the activation of a result that goes nowhere else."""
    if activation not in downstream(node, _scales_along):
        return False
    is_end = branch_ended_by(activation, outputs) is not None
    return is_end and _only_into(node, activation, outputs)


@dataclass
class _BranchEnd:
    """A candidate for the last operation of a branch."""

    node: Node

    @cached_property
    def before(self) -> set[Node]:
        """What it is computed from."""
        return _computed_from(self.node)

    def members(self, other: Node) -> frozenset[Node] | None:
        """The operations between it and the fork where `other` parted from it; None where `other`
        is no shortcut past them.
        """
        past = self._past(other, lambda node: True)
        if self.node in past:
            return None

        # The shortcut is the way with nothing learned, where there is one. The fork is the last
        # operation that lies on both ways.
        unlearned = self._past(other, lambda node: not is_learned(node))
        shortcut = unlearned if any(node in self.before for node in unlearned) else past
        shared = [node for node in shortcut if node in self.before]
        if not shared:
            return None
        fork = max(shared, key=lambda node: node.operation)

        # The branch is everything on the way from the fork to the candidate.
        between = {self.node, *downstream(fork, self.before.__contains__)}
        members = frozenset(between & {self.node, *self.before})
        pieces = [node for node in shortcut if node not in self.before]
        if _are_parts(pieces, fork, members) or not self._is_longer(members, pieces, fork):
            return None
        return members

    def _past(self, other: Node, through: Callable[[Node], bool]) -> list[Node]:
        """`other` and what it is computed from, up to where that is also what the candidate is
        computed from.
        """
        if other in self.before or not through(other):
            return [other]
        earlier = upstream(
            other, lambda node: node.data and node not in self.before and through(node)
        )
        return [other, *(node for node in earlier if node.data)]

    def _is_longer(self, members: frozenset[Node], pieces: list[Node], fork: Node) -> bool:
        """Whether more was learned in the branch than in the shortcut; one with a projection has
        the fork as its only source.
        """
        learned_past = sum(is_learned(node) for node in pieces)
        learned_inside = sum(is_learned(node) for node in members)
        if learned_inside <= learned_past:
            return False
        return learned_past == 0 or self._is_all_from(fork)

    def _is_all_from(self, fork: Node) -> bool:
        """Whether nothing that the fork is computed from reaches the branch by another way."""
        earlier = _computed_from(fork)
        around = upstream(
            self.node, lambda node: node.data and node is not fork and node not in earlier
        )
        return not any(node in earlier for node in around)


def _computed_from(node: Node) -> set[Node]:
    """The operations and inputs that a result depends on."""
    return {before for before in upstream(node, lambda earlier: earlier.data) if before.data}


def _are_parts(pieces: list[Node], fork: Node, members: frozenset[Node]) -> bool:
    """Whether shortcut and branch are different parts of the fork, such as its steps in time, and
    so different signals.
    """
    if not any(node.name in PARTS for node in pieces):
        return False
    return all(node.name in PARTS for node in fork.consumers if node in members)


def _only_into(node: Node, added: Node, outputs: Collection[Node]) -> bool:
    """Whether the model's output depends on an operation through the sum only."""
    if node in outputs:
        return False
    for after in downstream(node, lambda later: later is not added):
        if after is not added and after in outputs:
            return False
    return True


def _scales_along(node: Node) -> bool:
    """Whether a signal that doubles comes out doubled."""
    if not carries(node) or node.call is not None or is_softmax(node):
        return False
    if node.name in MIXING or "norm" in node.name:
        return False
    signals = [source for source in node.inputs if source.data]
    if node.name not in PRODUCTS or len(signals) < 2:
        return True
    return any(is_gate(signal) or is_mask(signal) for signal in signals)
