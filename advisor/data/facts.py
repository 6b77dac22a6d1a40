"""What is known about the data once they are open."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Counts, shapes and labels of an opened source; they are the same for every seed.

    Attributes:
        rows: all labelled rows.
        sizes: rows of train, valid, test and unlabeled.
        inputs: shape of one row per input tensor, `((13,),)` or `((1, 28, 28),)`.
        dtypes: dtype per input tensor, `float32` or `int64`.
        target: `classes` or `numbers`.
        classes: labels in the order of their class numbers, or None for numbers.
        outputs: number of classes, or of target columns for numbers.
        vocabulary: token of each id, 0 is padding (`<pad>`) and 1 unknown (`<unk>`); None if the data are not text.
        ids: how many different ids an integer input may hold (its largest + 1), or None without integer inputs.
    """

    rows: int
    sizes: dict[str, int]
    inputs: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None
    outputs: int
    vocabulary: tuple[str, ...] | None
    ids: int | None = None

    def named(self) -> dict[str, int]:
        """Numbers that a model's constructor may ask for by name, as far as they apply to the first input."""
        shape = self.inputs[0]
        numbers = {"outputs": self.outputs}
        if self.classes is not None:
            numbers["classes"] = len(self.classes)
        if self.dtypes[0] == "int64":
            numbers |= {"vocabulary": self.ids or 0, "length": shape[0] if shape else 1}
        else:
            numbers |= _sizes(shape)
        return numbers


def _sizes(shape: tuple[int, ...]) -> dict[str, int]:
    """Names for the sizes of one row of floats: a table row, a sequence (length, features) or an image."""
    if len(shape) == 2:
        return {"features": shape[1], "length": shape[0], "height": shape[0], "width": shape[1]}
    if len(shape) == 3:
        names = dict(zip(("channels", "height", "width"), shape, strict=True))
        return {"features": math.prod(shape), **names}
    return {"features": math.prod(shape)}
