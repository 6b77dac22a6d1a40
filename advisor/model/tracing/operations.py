"""What the operations in a recorded graph do, by their names: learn, rearrange, multiply, sum.

A name is torch's without underscores around it: `mul` for `torch.mul`, `x * y` and `x.mul_(y)`;
`imul` for `x *= y`; `get` for an attribute such as `x.T` or `x.data`.
"""

from __future__ import annotations

from advisor.model.tracing.graph import Node


def words(text: str) -> frozenset[str]:
    """The names in a text."""
    return frozenset(text.split())


PRODUCTS = words("mul imul rmul multiply addcmul lerp")
"""Elementwise products."""

MATRIX_PRODUCTS = words("matmul rmatmul bmm mm einsum baddbmm")
"""Products that sum: with weights between 0 and 1 as one operand they are weighted means."""

MIXING = MATRIX_PRODUCTS | words("mv dot scaled_dot_product_attention")
"""Products in which two signals can meet, as queries and keys do in attention."""

SUMS = words("add iadd radd sub isub rsub subtract addcmul")
"""Elementwise sums, as at the end of a residual branch."""

PARTS = words("getitem select narrow index_select gather chunk split unbind tensor_split")
"""Operations that take a part of a tensor."""

DIVISIONS = words("div truediv itruediv divide true_divide")
"""Quotients of the first operand by the second."""

AVERAGES = words("sum mean")
"""Operations that add up the elements along some dimensions."""

DETACH = "detach"
"""The operation that lets no gradient pass."""

NOISE = words("randn randn_like normal")
"""Operations that draw from a normal distribution."""

# Operations of layers: learned even if their weights are computed from data, and data even if they
# work on constants.
_WEIGHTED = words(
    "linear bilinear embedding embedding_bag multi_head_attention_forward conv1d conv2d conv3d "
    "conv_transpose1d conv_transpose2d conv_transpose3d lstm gru lstm_cell gru_cell"
)

# Those whose second operand holds the weights.
_WEIGHTS_SECOND = frozenset(name for name in _WEIGHTED if name.startswith(("conv", "embed", "lin")))

# Operations that only rearrange, copy or drop elements.
_SHAPES = PARTS | words(
    "get view view_as reshape reshape_as squeeze unsqueeze flatten unflatten ravel transpose "
    "swapaxes movedim permute contiguous clone detach to type type_as float double half bfloat16 "
    "expand expand_as repeat cat concat stack hstack vstack concatenate alias identity dropout "
    "alpha_dropout feature_dropout dropout1d dropout2d dropout3d as_tensor cpu cuda"
)

# Operations that are elementwise functions of their operands, besides activations.
_ARITHMETIC = words(
    "add sub rsub mul div truediv rtruediv rdiv neg pow square radd rmul iadd isub imul itruediv "
    "true_divide multiply subtract divide negative positive sqrt rsqrt reciprocal float to clone "
    "contiguous type"
)

# With a parameter as operand these scale, shift, join or normalize; any other operation with a
# parameter is learned.
_SCALING = _ARITHMETIC | words(
    "where cat concat concatenate stack batch_norm layer_norm group_norm instance_norm rms_norm "
    "native_batch_norm normalize lerp addcmul addcdiv maximum minimum max min clamp expand "
    "expand_as repeat view reshape getitem setitem copy index_copy index_add scatter "
    "masked_fill dropout mean sum var std norm einops_rearrange unsqueeze squeeze permute "
    "transpose pad flatten eq ne gt lt ge le isclose"
)


def is_weighted(name: str) -> bool:
    """Whether an operation of this name is what a layer computes."""
    return name in _WEIGHTED or name.startswith("rnn_")


def is_learned(node: Node) -> bool:
    """Whether an operation has weights: a convolution, a product with a parameter, an RNN. A
    convolution with a buffer has none.
    """
    if node.leaf or node.call is not None or not node.data:
        return False
    if is_weighted(node.name):
        return _has_computed_weights(node) or any(source.learned for source in node.inputs)
    return node.name not in _SCALING and any(source.learned for source in node.inputs)


def is_trained(node: Node) -> bool:
    """Whether an operation has weights that a training changes."""
    if not is_learned(node):
        return False
    return _has_computed_weights(node) or any(source.trained for source in node.inputs)


def is_filter(node: Node) -> bool:
    """Whether an operation has weights that stay as they are, and is not that of a layer of
    torch.
    """
    if not is_learned(node) or is_trained(node):
        return False
    return not node.running or not type(node.running[-1]).__module__.startswith("torch.nn")


def scales(node: Node) -> bool:
    """Whether an operation scales, shifts or normalizes a signal with trained parameters, and does
    nothing else.
    """
    if node.leaf or not node.data or is_learned(node) or node.call is not None:
        return False
    return node.name not in _SHAPES and any(source.trained for source in node.inputs)


def _has_computed_weights(node: Node) -> bool:
    """Whether the weights of a layer's operation are computed from data."""
    return node.name in _WEIGHTS_SECOND and len(node.inputs) > 1 and node.inputs[1].data


def is_softmax(node: Node) -> bool:
    """Whether an operation turns scores into weights that sum to one; `exp` is how one writes it by
    hand.
    """
    return "softm" in node.name.replace("_", "") or node.name == "exp"


def is_shape(node: Node) -> bool:
    """Whether an operation only rearranges, copies or drops elements."""
    return node.name in _SHAPES and node.call is None and not node.leaf


def is_elementwise(node: Node) -> bool:
    """Whether each element of a result depends only on the same element of the operands."""
    if node.call is not None:
        return True
    return node.name in _ARITHMETIC and not node.leaf


def carries(node: Node) -> bool:
    """Whether a signal goes on through an operation unlearned."""
    return node.floating and not is_learned(node)


def describe(node: Node) -> str:
    """What an operation is called in the model: the class of the module that runs it."""
    return type(node.running[-1]).__name__ if node.running else node.name
