"""What is known about the data once they are open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """Counts, shapes and labels of an opened source; they are the same for every seed, but where
    groups are drawn, the sizes are those of the study's own seed.

    Attributes:
        rows: all labelled rows.
        sizes: rows of train, valid, test and unlabeled.
        inputs: shape of one row per input tensor, `((13,),)` or `((1, 28, 28),)`; those in
            dictionaries in their order.
        dtypes: dtype per input tensor, `float32`, `int64` or, among several, `bool`.
        target: `classes`, `labels` or `numbers`.
        classes: labels in the order of their class numbers, or None for numbers.
        outputs: number of classes or labels, or of target columns for numbers.
        vocabulary: token of each id, 0 is padding (`<pad>`) and 1 unknown (`<unk>`); None if the
            data are not text.
        ids: how many different ids an integer input may hold (its largest + 1), or None without
            integer inputs.
        labels: names of the labels of which a row has any number; None for classes and numbers.
        shares: by class or label, the share of the rows outside test that have it.
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
    labels: tuple[str, ...] | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    def named(self) -> dict[str, int]:
        """Numbers that a model's constructor may ask for by name.

        Sizes are those of the first input of floats, vocabulary and length those of the first that
        holds rows of ids.
        """
        numbers = {"outputs": self.outputs}
        names = self.labels if self.classes is None else self.classes
        if names is not None:
            numbers["classes"] = len(names)

        # Single ids beside floats are no input of words.
        kinds = list(zip(self.inputs, self.dtypes, strict=True))
        ids = [shape for shape, dtype in kinds if dtype == "int64"]
        floats = [shape for shape, dtype in kinds if dtype != "int64"]
        rows_of_ids = [shape for shape in ids if shape]
        if not rows_of_ids and not floats:
            rows_of_ids = ids
        if rows_of_ids:
            shape = rows_of_ids[0]
            numbers["vocabulary"] = self.ids or 0
            numbers["length"] = shape[0] if shape else 1
        if floats:
            numbers.update(_sizes(floats[0]))
        return numbers


def _sizes(shape: tuple[int, ...]) -> dict[str, int]:
    """Names for the sizes of one row of floats: a table row, a sequence (length, features) or an
    image.
    """
    if len(shape) == 2:
        return {"features": shape[1], "length": shape[0], "height": shape[0], "width": shape[1]}
    if len(shape) == 3:
        channels, height, width = shape
        features = math.prod(shape)
        return {"features": features, "channels": channels, "height": height, "width": width}
    return {"features": math.prod(shape)}
