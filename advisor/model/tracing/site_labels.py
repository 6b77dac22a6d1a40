"""Which non-linearities are hidden activations: decided by what their results meet.

`label` starts at the result of an activation and goes on, nearest operation first, through
everything that is not learned; only what a training changes is learned, and what comes before that.
The rules are those of the table in docs/model.md, in its order:

- nothing learned comes before a hand-written function: `_prepares_input`
- a division by its own sum: `is_normalized`
- a learned operation: `_meets_learned`
- a softmax: `_meets_softmax`
- a matrix product with another branch: `_meets_matrix_product`
- an elementwise product with another branch: `_meets_product`

The nearest `gate` or `composite` decides. Without one, `hidden` goes before `score`, and an
activation that meets nothing of this is `output`. Errors are on the safe side: only hidden
activations are swapped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from advisor.model.anatomy import COMPOSITE, GATE, HIDDEN, LABELS, OUTPUT, SCORE
from advisor.model.tracing.elementwise import saturates
from advisor.model.tracing.graph import Node, downstream, upstream
from advisor.model.tracing.learned_sums import scaled_products
from advisor.model.tracing.normalizing import is_normalized
from advisor.model.tracing.operations import (
    DETACH,
    MATRIX_PRODUCTS,
    NOISE,
    PRODUCTS,
    carries,
    describe,
    is_elementwise,
    is_learned,
    is_shape,
    is_softmax,
    is_trained,
    scales,
)


class SiteLabel(NamedTuple):
    """The label of an activation, and the sentence that says why."""

    name: str
    reason: str


_ON_CONSTANTS = SiteLabel(COMPOSITE, "It works on constants or parameters, and on no signal.")
_PREPARES = SiteLabel(
    COMPOSITE, "Nothing learned precedes it: a hand-written function that prepares the input."
)
_PREPARES_SCALED = SiteLabel(
    COMPOSITE,
    "Only a learned scale or shift precedes it: a hand-written function that prepares the input.",
)
_PREPARES_DETACHED = SiteLabel(
    COMPOSITE, "Its input is detached, so that nothing before this hand-written function learns."
)
_INLINE = SiteLabel(COMPOSITE, "It is multiplied with its own input: an activation written inline.")
_SCALES_NOISE = SiteLabel(GATE, "It scales random noise, as a standard deviation does.")
_BOUNDED = SiteLabel(GATE, "It is bounded and its output multiplies another branch.")
# This one decides only where the activation is used for nothing else: the product of two ordinary
# branches is met by many activations that are also used as such.
_MULTIPLIED = SiteLabel(GATE, "Its output is multiplied with another branch.")
_NORMALIZES = SiteLabel(GATE, "It is bounded, and what it weighs is divided by the sum of it.")
_LAST = SiteLabel(OUTPUT, "Nothing learned follows it.")

# Which operands are multiplied with which, in products of more than two.
_FACTORS = {
    "addcmul": ((1,), (2,)),
    "lerp": ((0, 1), (2,)),
}


@dataclass
class _Signal:
    """What an activation call puts out, and where that goes.

    Arguments:
        node: the last operation of the call.
        trained_after: what comes before a trained operation, and these operations themselves.
    """

    node: Node
    trained_after: Collection[Node]

    def passes(self, node: Node) -> bool:
        """Whether it goes on through an operation: nothing is learned there, or later."""
        return carries(node) or (node.floating and node not in self.trained_after)

    @cached_property
    def carried(self) -> set[Node]:
        """Nodes that it reaches unlearned, itself among them."""
        return {self.node, *downstream(self.node, self.passes)}

    @cached_property
    def reached(self) -> set[Node]:
        """Nodes computed from it in any way."""
        return set(downstream(self.node, lambda node: node.floating))

    @cached_property
    def own(self) -> set[Node]:
        """What it is an elementwise function of."""
        return {source for source in _elementwise_sources(self.node.inputs) if source.data}

    @cached_property
    def bounded(self) -> bool:
        """Whether it could open and close a gate."""
        return self.node.call is not None and saturates(self.node.call.values)

    @cached_property
    def weighs(self) -> bool:
        """Whether it is a weight between 0 and 1."""
        return self.bounded and self.node.call is not None and self.node.call.values[0] >= 0


def trained_after(nodes: Iterable[Node]) -> set[Node]:
    """The trained operations among these nodes, and all that their operands are computed from."""
    trained = [node for node in nodes if is_trained(node) or scaled_products(node)]
    return {*trained, *upstream(Node("end", -1, trained), lambda node: node.floating)}


def label(node: Node, trained_after: Collection[Node]) -> SiteLabel:
    """The label of one activation call, given what comes before a trained operation."""
    if not node.data:
        return _ON_CONSTANTS
    prepares = _prepares_input(node)
    if prepares is not None:
        return prepares
    signal = _Signal(node, trained_after)
    normalizes = signal.weighs and is_normalized(node)
    return _NORMALIZES if normalizes else _found_behind(signal)


def _found_behind(signal: _Signal) -> SiteLabel:
    """The label that follows from what the signal meets, nearest first."""
    nearest: dict[str, SiteLabel] = {}
    for after in downstream(signal.node, lambda later: _goes_on(signal, later)):
        met = _meets(signal, after)
        if met is None:
            continue
        if met is _MULTIPLIED and _is_used_elsewhere(signal):
            continue
        if met.name in (GATE, COMPOSITE):
            return met
        nearest.setdefault(met.name, met)
    return nearest.get(HIDDEN) or nearest.get(SCORE) or _last(signal)


def strictest(labels: Iterable[str]) -> str:
    """The label of a site that has several calls."""
    return min(labels, key=LABELS.index)


# ---------------------------------------------------------------- the rules


def _prepares_input(node: Node) -> SiteLabel | None:
    """What is said of a hand-written function that works on inputs before any layer does, or on
    what layers cannot learn from.
    """
    if node.call is None or not node.call.custom:
        return None
    if any(is_learned(earlier) for earlier in _before(node)):
        return None
    if any(is_learned(earlier) for earlier in upstream(node, lambda _: True)):
        return _PREPARES_DETACHED
    return _PREPARES_SCALED if any(each.trained for each in _before(node)) else _PREPARES


def _before(node: Node) -> Iterator[Node]:
    """What a gradient goes back to from a node."""
    return upstream(node, lambda earlier: earlier.name != DETACH)


def _goes_on(signal: _Signal, later: Node) -> bool:
    """Whether what comes behind an operation may still decide about the signal."""
    return signal.passes(later) and not is_softmax(later) and not _is_summed(signal, later)


def _is_summed(signal: _Signal, after: Node) -> bool:
    """Whether an operation sums the signal with trained weights."""
    return any(product in signal.carried for product in scaled_products(after))


def _last(signal: _Signal) -> SiteLabel:
    """What is said of a signal that meets nothing which decides."""
    if not signal.carried.isdisjoint(signal.trained_after):
        return _LAST
    behind = signal.carried - {signal.node}
    scaled = [after for after in behind if scales(after)]
    fixed = [after for after in behind if is_learned(after)]
    if scaled:
        first = min(scaled, key=lambda after: after.operation)
        return SiteLabel(OUTPUT, f"Only a learned scale or shift follows it ({describe(first)}).")
    if fixed:
        first = min(fixed, key=lambda after: after.operation)
        return SiteLabel(
            OUTPUT, f"Only weights that are not trained follow it ({describe(first)})."
        )
    return _LAST


def _meets(signal: _Signal, after: Node) -> SiteLabel | None:
    """What the first rule that fits says of an operation that the signal reaches."""
    if not after.floating:
        return None  # a comparison or an index passes no signal on
    for rule in (_meets_learned, _meets_softmax, _meets_matrix_product, _meets_product):
        met = rule(signal, after)
        if met is not None:
            return met
    return None


def _meets_learned(signal: _Signal, after: Node) -> SiteLabel | None:
    where = describe(after)
    if is_trained(after):
        return SiteLabel(HIDDEN, f"Its output reaches a learned operation ({where}).")
    if is_learned(after) and after in signal.trained_after:
        return SiteLabel(
            HIDDEN, f"Its output reaches a learned operation behind weights that stay ({where})."
        )
    if _is_summed(signal, after):
        return SiteLabel(HIDDEN, f"Its output is summed with learned weights ({where}).")
    return None


def _meets_softmax(_signal: _Signal, after: Node) -> SiteLabel | None:
    if not is_softmax(after):
        return None
    return SiteLabel(SCORE, f"Its output reaches {after.name} with nothing learned between.")


def _meets_matrix_product(signal: _Signal, after: Node) -> SiteLabel | None:
    """A weight between 0 and 1 makes a weighted sum, as in attention with sigmoids."""
    if after.name not in MATRIX_PRODUCTS or not signal.weighs:
        return None
    if not any(factor.data for factor in _factors(signal, after)):
        return None
    return SiteLabel(GATE, f"It lies between 0 and 1 and weighs another branch ({after.name}).")


def _meets_product(signal: _Signal, after: Node) -> SiteLabel | None:
    """The four rows about elementwise products, in order. One with numbers, parameters or a mask
    only scales.
    """
    if after.name not in PRODUCTS or after.call is not None:
        return None
    for factor in _factors(signal, after):
        if _is_noise(factor):
            return _SCALES_NOISE
        if not factor.data or is_mask(factor):
            continue
        if any(source in signal.own for source in _elementwise_sources([factor])):
            return _INLINE
        if signal.bounded:
            return _BOUNDED
        # Where the other branch is the gate, or comes from the signal, the signal is not.
        if not is_gate(factor) and factor not in signal.reached:
            return _MULTIPLIED
    return None


def _is_used_elsewhere(signal: _Signal) -> bool:
    """Whether an activation also reaches a learned operation past all that the rules are about."""
    past = downstream(
        signal.node, lambda node: signal.passes(node) and _meets(signal, node) is None
    )
    return any(after.floating and _meets_learned(signal, after) for after in past)


# ---------------------------------------------------------------- what the rules ask


def _factors(signal: _Signal, product: Node) -> list[Node]:
    """The operands of a product that the signal is multiplied with."""
    operands = product.inputs
    groups = [[operand] for operand in operands]
    if product.name in _FACTORS:
        groups = []
        for indices in _FACTORS[product.name]:
            groups.append([operands[index] for index in indices if index < len(operands)])

    # The other groups, where one of them holds the signal.
    others = []
    for group in groups:
        if not any(operand in signal.carried for operand in group):
            others.append(group)
    if len(others) == len(groups):
        return []
    return list(chain.from_iterable(others))


def _elementwise_sources(nodes: Iterable[Node]) -> Iterator[Node]:
    """These nodes and everything that they are elementwise functions of."""
    for node in nodes:
        yield node
        if is_elementwise(node):
            yield from upstream(node, is_elementwise)


def _is_noise(node: Node) -> bool:
    """Whether a tensor is drawn from a normal distribution, perhaps scaled; `1 + noise` is a kind
    of dropout.
    """
    if node.data:
        return False
    made_of = upstream(node, lambda before: is_shape(before) or before.name in PRODUCTS)
    return any(source.name in NOISE for source in chain([node], made_of))


def is_mask(node: Node) -> bool:
    """Whether a tensor is computed only from comparisons and indices, so that multiplying with it
    drops elements.
    """
    made_of = upstream(node, lambda before: before.floating and before.data)
    for source in chain([node], made_of):
        is_signal = source.leaf or source.call is not None or is_learned(source)
        if source.floating and source.data and is_signal:
            return False
    return True


def is_gate(node: Node) -> bool:
    """Whether a branch is a bounded activation or a softmax, perhaps rescaled, expanded or
    pooled.
    """
    for source in chain([node], upstream(node, _only_rescales)):
        if is_softmax(source):
            return True
        if source.call is not None and saturates(source.call.values):
            return True
    return False


def _only_rescales(node: Node) -> bool:
    """Whether an operation changes one signal without weights and without an activation."""
    signals = sum(source.data for source in node.inputs)
    return not is_learned(node) and node.call is None and signals == 1
