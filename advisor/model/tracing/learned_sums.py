"""Linear maps that are written as a product with parameters and a sum."""

from __future__ import annotations

from itertools import chain

from advisor.model.tracing.graph import Node, upstream
from advisor.model.tracing.operations import PRODUCTS, is_elementwise


def scaled_products(node: Node) -> list[Node]:
    """The products with trained parameters that a sum adds up, each with another weight; none for
    any other operation.
    """
    if not node.summed or not node.data or not node.inputs:
        return []
    terms = node.inputs[0]
    products = []
    for product in chain([terms], upstream(terms, lambda before: _is_term(before, terms))):
        is_product = product.name in PRODUCTS and product.shape == terms.shape
        if is_product and any(_differs(each, product, node.summed) for each in product.inputs):
            products.append(product)
    return products


def _is_term(node: Node, terms: Node) -> bool:
    """Whether an operation on the way to the sum keeps each element where it is."""
    return is_elementwise(node) and node.call is None and node.shape == terms.shape


def _differs(weights: Node, product: Node, summed: tuple[int, ...]) -> bool:
    """Whether trained parameters have more than one value along a dimension that is summed."""
    if not weights.trained:
        return False
    missing = len(product.shape) - len(weights.shape)
    return any(dim >= missing and weights.shape[dim - missing] > 1 for dim in summed)
