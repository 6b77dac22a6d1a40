"""Which non-linearities are hidden activations: decided by where their output flows.

A gate, an attention score or the model's output is left alone; so is an activation that is written
inline. Errors are on
the safe side: what cannot be told is not swapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from advisor.model.anatomy import HIDDEN, LABELS
from advisor.model.tracing.elementwise import saturates
from advisor.model.tracing.graph import Node, downstream, is_weighted, upstream


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRODUCTS = _words("mul imul rmul multiply addcmul lerp")
_FACTORS = {
    "addcmul": ((1,), (2,)),
    "lerp": ((0, 1), (2,)),
}  # which operands are multiplied with which
_MIXES = _words("matmul rmatmul bmm mm einsum baddbmm")  # products that sum
_NOISE = _words("randn randn_like normal")
_MULTIPLIED = ("gate", "Its output is multiplied with another branch.")
_SHAPES = _words(
    "T H mT mH view view_as reshape reshape_as squeeze unsqueeze flatten unflatten ravel transpose swapaxes movedim permute "
    "contiguous clone detach to type type_as float double half bfloat16 expand expand_as repeat getitem select narrow "
    "index_select gather chunk split unbind tensor_split cat concat stack hstack vstack concatenate get alias identity "
    "dropout alpha_dropout feature_dropout dropout1d dropout2d dropout3d as_tensor requires_grad_ cpu cuda data"
)
_ARITHMETIC = _words(
    "add sub rsub mul div truediv rtruediv rdiv neg pow square radd rmul iadd isub imul itruediv true_divide multiply "
    "subtract divide negative positive sqrt rsqrt reciprocal float to clone contiguous type"
)
# with a parameter as operand these scale, shift, join or normalize; anything else is a learned
# operation
_SCALING = _ARITHMETIC | _words(
    "where cat concat concatenate stack batch_norm layer_norm group_norm instance_norm rms_norm native_batch_norm normalize "
    "lerp addcmul addcdiv maximum minimum max min clamp expand expand_as repeat view reshape getitem setitem copy copy_ "
    "index_copy index_add scatter masked_fill dropout mean sum var std norm einops_rearrange unsqueeze squeeze permute "
    "transpose pad flatten eq ne gt lt ge le isclose"
)


def is_learned(node: Node) -> bool:
    """Whether an operation has weights: a convolution, a matrix product with a parameter, an RNN."""
    name = node.name.rstrip("_")
    if node.leaf or node.call is not None or not node.data:
        return False
    return is_weighted(name) or (
        name not in _SCALING and any(source.learned for source in node.inputs)
    )


def is_softmax(node: Node) -> bool:
    """Whether an operation turns scores into weights that sum to one; `exp` is how one writes it by
    hand.
    """
    return "softm" in node.name.replace("_", "") or node.name in ("exp", "exp_")


def is_shape(node: Node) -> bool:
    """Whether an operation only rearranges, copies or drops elements."""
    return node.name.rstrip("_") in _SHAPES and node.call is None and not node.leaf


def carries(node: Node) -> bool:
    """Whether a signal goes on through an operation unlearned."""
    return node.floating and not is_learned(node)


def label(node: Node) -> tuple[str, str]:
    """The label of one activation call and the reason, in one sentence."""
    if (
        node.call is not None
        and node.call.custom
        and not any(is_learned(before) for before in upstream(node, lambda _: True))
    ):
        return (
            "composite",
            "Nothing learned precedes it: a hand-written function that prepares the input.",
        )
    signal = _Signal(node)
    found: dict[str, str] = {}
    for after in downstream(node, lambda n: carries(n) and not is_softmax(n)):
        verdict = _meets(signal, after)
        if verdict is not None:
            if verdict[0] == "composite" or (
                verdict[0] == "gate" and not (verdict == _MULTIPLIED and _feeds(signal))
            ):
                return verdict
            found.setdefault(*verdict)
    for name in (HIDDEN, "score"):
        if name in found:
            return name, found[name]
    return "output", "Nothing learned follows it."


def _feeds(signal: _Signal) -> bool:
    """Whether an activation also reaches a learned operation past all products: a gate is used for
    nothing else.
    """
    past = downstream(signal.node, lambda n: carries(n) and _meets(signal, n) is None)
    return any(after.floating and is_learned(after) for after in past)


def strictest(labels: Iterable[str]) -> str:
    """The label of a site that has several calls."""
    return min(labels, key=LABELS.index)


@dataclass
class _Signal:
    """What an activation call puts out, and where that goes."""

    node: Node

    @cached_property
    def carried(self) -> set[Node]:
        """Nodes that it reaches unlearned, itself among them."""
        return {self.node, *downstream(self.node, carries)}

    @cached_property
    def reached(self) -> set[Node]:
        """Nodes computed from it in any way."""
        return set(downstream(self.node, lambda n: n.floating))

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


def _meets(signal: _Signal, after: Node) -> tuple[str, str] | None:
    if not after.floating:
        return None  # a comparison, an index
    if is_learned(after):
        return HIDDEN, f"Its output reaches a learned operation ({describe(after)})."
    if is_softmax(after):
        return "score", f"Its output reaches {after.name} with nothing learned between."
    if (
        after.name in _MIXES
        and signal.weighs
        and any(source.data for source in _factors(signal, after))
    ):
        return "gate", f"It lies between 0 and 1 and weighs another branch ({after.name})."
    if after.name in PRODUCTS and after.call is None:
        return _product(signal, after)
    return None


def _factors(signal: _Signal, product: Node) -> list[Node]:
    """The operands of a product that the signal is multiplied with."""
    operands = product.inputs
    groups = [
        [operands[i] for i in group if i < len(operands)]
        for group in _FACTORS.get(product.name, ())
    ]
    groups = groups or [[operand] for operand in operands]
    carried = [any(operand in signal.carried for operand in group) for group in groups]
    return [
        operand
        for group, own in zip(groups, carried, strict=True)
        if any(carried) and not own
        for operand in group
    ]


def _product(signal: _Signal, product: Node) -> tuple[str, str] | None:
    """What a multiplication on the way says about an activation; None if it only scales."""
    for other in _factors(signal, product):
        if _is_noise(other):
            return "gate", "It scales random noise, as a standard deviation does."
        if not other.data or is_mask(other):
            continue
        if any(source in signal.own for source in _elementwise_sources([other])):
            return "composite", "It is multiplied with its own input: an activation written inline."
        if signal.bounded:
            return "gate", "It is bounded and its output multiplies another branch."
        if not is_gate(other) and other not in signal.reached:
            return _MULTIPLIED
    return None


def _is_noise(node: Node) -> bool:
    """Whether a tensor is drawn from a normal distribution, perhaps scaled; `1 + noise` is a kind
    of dropout.
    """
    line = chain([node], upstream(node, lambda n: is_shape(n) or n.name in PRODUCTS))
    return not node.data and any(found.name in _NOISE for found in line)


def _elementwise_sources(nodes: Iterable[Node]) -> Iterator[Node]:
    """These nodes and everything that they are elementwise functions of."""
    for node in nodes:
        yield node
        if _is_elementwise(node):
            yield from upstream(node, _is_elementwise)


def _is_elementwise(node: Node) -> bool:
    return node.call is not None or (node.name.rstrip("_") in _ARITHMETIC and not node.leaf)


def is_mask(node: Node) -> bool:
    """Whether a tensor is made of comparisons and indices alone, so that multiplying with it drops
    elements.
    """
    made_of = chain([node], upstream(node, lambda n: n.floating and n.data))
    return not any(
        n.floating and n.data and (n.leaf or n.call is not None or is_learned(n)) for n in made_of
    )


def is_gate(node: Node) -> bool:
    """Whether a branch is a bounded activation or a softmax, perhaps rescaled, expanded or pooled."""
    line = chain(
        [node],
        upstream(
            node,
            lambda n: not is_learned(n) and n.call is None and sum(s.data for s in n.inputs) == 1,
        ),
    )
    return any(is_softmax(n) or (n.call is not None and saturates(n.call.values)) for n in line)


def describe(node: Node) -> str:
    """What an operation is called in the model: the class of the module that runs it."""
    return type(node.running[-1]).__name__ if node.running else node.name
