"""What the axes of each operand of a matrix product mean, however the product is spelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Labels = tuple[object, ...]
"""Axes of a tensor; equal labels run together, as the letters of `einsum` do."""


@dataclass(frozen=True, eq=False)
class Product:
    """A product of tensors whose sum runs over the labels that the result lacks.

    Arguments:
        operands: the factors.
        labels: the labels of the axes of each factor.
        result: the labels of the axes of the result.
        added: what is added to it, or None.
    """

    operands: tuple[Tensor, ...]
    labels: tuple[Labels, ...]
    result: Labels
    added: Tensor | None = None


@dataclass(frozen=True)
class Roles:
    """The axes of a weight by what they do in a product.

    Arguments:
        summed: those along which the signal is summed: inputs of a unit.
        units: those that number the units.
        stacked: those that number weights of their own, as of experts or heads.
        units_last: whether the units are the last axis of the result.
    """

    summed: tuple[int, ...]
    units: tuple[int, ...]
    stacked: tuple[int, ...]
    units_last: bool


def product_of(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Product | None:
    """An operation as a product, or None for one that is none or whose operands are not known."""
    read = _READERS.get(name)
    if read is None:
        return None
    try:
        return read(*args, **kwargs)
    except (TypeError, ValueError, IndexError, AttributeError):  # spelled in a way not known here
        return None


def roles_of(product: Product, number: int) -> Roles | None:
    """What the axes of one operand do; None where some axis is summed by itself."""
    mine = product.labels[number]
    theirs: set[object] = set()
    for other, labels in enumerate(product.labels):
        if other != number:
            theirs.update(labels)
    summed: list[int] = []
    units: list[int] = []
    stacked: list[int] = []
    for axis, label in enumerate(mine):
        if label in product.result:
            (stacked if label in theirs else units).append(axis)
        elif label in theirs:
            summed.append(axis)
        else:
            return None
    if not summed or not units:
        return None

    # Of `hio` the first axis numbers matrices, even if all of them read the same signal.
    while len(units) > 1 and units[0] < min(summed):
        stacked.append(units.pop(0))
    is_unit = bool(product.result) and product.result[-1] in [mine[axis] for axis in units]
    return Roles(tuple(summed), tuple(units), tuple(sorted(stacked)), is_unit)


def _matmul(input: Tensor, other: Tensor, **_: Any) -> Product:  # noqa: A002  # torch's name
    return Product((input, other), *_matmul_labels(input, other))


def _rmatmul(other: Tensor, one: Tensor) -> Product:
    return _matmul(one, other)


def _matmul_labels(one: Tensor, other: Tensor) -> tuple[tuple[Labels, Labels], Labels]:
    """Labels of the operands and of the result of `one @ other`."""
    first: list[object] = ["row", "sum"] if one.ndim > 1 else ["sum"]
    second: list[object] = ["sum", "column"] if other.ndim > 1 else ["sum"]
    result: list[object] = [label for label in (*first, *second) if label != "sum"]
    # The dimensions before are aligned from the right; one of size 1 is repeated.
    for back in range(3, max(one.ndim, other.ndim) + 1):
        size, other_size = _size(one, back), _size(other, back)
        if back <= one.ndim:
            first.insert(0, back if size >= other_size else (back, "one"))
        if back <= other.ndim:
            second.insert(0, back if other_size >= size else (back, "one"))
        result.insert(0, back)
    return (tuple(first), tuple(second)), tuple(result)


def _size(tensor: Tensor, back: int) -> int:
    return tensor.shape[-back] if back <= tensor.ndim else 0


def _addmm(added: Tensor, one: Tensor, other: Tensor, **_: Any) -> Product:
    return Product((one, other), *_matmul_labels(one, other), added)


def _linear(
    input: Tensor,  # noqa: A002  # torch's name
    weight: Tensor,
    bias: Tensor | None = None,
) -> Product:
    rows: list[object] = list(range(input.ndim - 1))
    units: list[object] = ["unit"] if weight.ndim > 1 else []
    return Product((input, weight), ((*rows, "sum"), (*units, "sum")), (*rows, *units), added=bias)


def _inner(one: Tensor, other: Tensor) -> Product:
    first, second = list(range(one.ndim - 1)), [(axis, 2) for axis in range(other.ndim - 1)]
    return Product((one, other), ((*first, "sum"), (*second, "sum")), (*first, *second))


def _bilinear(one: Tensor, other: Tensor, weight: Tensor, bias: Tensor | None = None) -> Product:
    rows: list[object] = list(range(one.ndim - 1))
    labels = ((*rows, "one"), (*rows, "other"), ("unit", "one", "other"))
    return Product((one, other, weight), labels, (*rows, "unit"), added=bias)


def _tensordot(a: Tensor, b: Tensor, dims: Any = 2, **_: Any) -> Product:
    if isinstance(dims, int):
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    first, second = ([dims_of] if isinstance(dims_of, int) else list(dims_of) for dims_of in dims)
    one: list[object] = [("a", axis) for axis in range(a.ndim)]
    other: list[object] = [("b", axis) for axis in range(b.ndim)]
    for number, (axis, other_axis) in enumerate(zip(first, second, strict=True)):
        one[axis] = other[other_axis] = number
    result = [label for label in (*one, *other) if not isinstance(label, int)]
    return Product((a, b), (tuple(one), tuple(other)), tuple(result))


def _einsum(equation: str, *operands: Any) -> Product:
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    before, arrow, after = equation.replace(" ", "").partition("->")
    labels = []
    for term, operand in zip(before.split(","), operands, strict=True):
        labels.append(_letters(term, operand.ndim))
    if arrow:
        most = max(len(each) for each in labels)
        result = _letters(after, most + len(after)) if "..." in after else tuple(after)
        result = tuple(x for x in result if isinstance(x, str) or any(x in each for each in labels))
    else:
        # Without an arrow the letters that occur once are left, in the order of the alphabet.
        every = [label for each in labels for label in each]
        dots = sorted({label for label in every if isinstance(label, int)}, reverse=True)
        single = sorted(x for x in every if isinstance(x, str) and every.count(x) == 1)
        result = (*dots, *single)
    return Product(tuple(operands), tuple(labels), tuple(result))


def _letters(term: str, dimensions: int) -> Labels:
    """The labels of a term; dots are numbers, counted from the right."""
    before, dots, after = term.partition("...")
    hidden = dimensions - len(before) - len(after) if dots else 0
    return (*before, *range(hidden, 0, -1), *after)


_READERS: dict[str, Callable[..., Product]] = {
    "matmul": _matmul,
    "rmatmul": _rmatmul,
    "mm": _matmul,
    "bmm": _matmul,
    "mv": _matmul,
    "addmm": _addmm,
    "addmv": _addmm,
    "baddbmm": _addmm,
    "linear": _linear,
    "inner": _inner,
    "bilinear": _bilinear,
    "tensordot": _tensordot,
    "einsum": _einsum,
}
"""By the name of an operation, what reads its arguments."""


def convolution_of(_name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Product | None:
    """A convolution as the product of its signal and its kernel; the labels stay empty."""
    given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
    signal, weight = given.get("input"), given.get("weight")
    if not isinstance(signal, Tensor) or not isinstance(weight, Tensor):
        return None
    return Product((signal, weight), ((), ()), (), given.get("bias"))


CONVOLUTIONS = dict.fromkeys(
    (
        *("conv1d", "conv2d", "conv3d"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    ),
    convolution_of,
)
"""By the name of a convolution, what reads its operands."""
