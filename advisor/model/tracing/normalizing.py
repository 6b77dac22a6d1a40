"""Weights that are divided by their own sum."""

from __future__ import annotations

from advisor.model.tracing.graph import Node, downstream
from advisor.model.tracing.operations import (
    DIVISIONS,
    PRODUCTS,
    carries,
    is_shape,
    is_softmax,
    words,
)

# Operations after which a sum is one no longer: squares, roots and deviations standardize.
_CURVED = words("pow square sqrt rsqrt std var exp log abs reciprocal")
# A difference need not be positive.
_DIFFERENCES = words("sub isub rsub subtract")
# Operations that divide a number by their operand.
_INVERSES = words("reciprocal rdiv rtruediv")


def is_normalized(node: Node) -> bool:
    """Whether a non-negative value, perhaps scaled and summed, is both above and below the line of
    a division.
    """
    reached = list(downstream(node, _is_sum_of))
    sums = {node, *filter(_is_sum_of, reached)}
    for after in reached:
        if after.name in DIVISIONS and len(after.inputs) > 1 and sums.issuperset(after.inputs[:2]):
            return True
        # The same, written as a product with the inverse.
        if after.name in _INVERSES and after.inputs[0] in sums:
            for product in downstream(after, is_shape):
                if product.name in PRODUCTS and any(each in sums for each in product.inputs):
                    return True
    return False


def _is_sum_of(node: Node) -> bool:
    """Whether a non-negative value comes out as a weighted sum of its elements."""
    if not carries(node) or node.call is not None or is_softmax(node):
        return False
    if node.name in _CURVED or "norm" in node.name:
        return False
    return node.name not in _DIFFERENCES or not all(source.data for source in node.inputs[1:])
