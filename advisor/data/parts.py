"""The four splits of rows that were drawn, and the facts of all data that they show."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from advisor.data.classes import Target
from advisor.data.facts import Facts
from advisor.data.inputs import Inputs
from advisor.data.layout import Layout, RowNumbers
from advisor.data.raw import SPLITS
from advisor.data.splits import Part, Splits
from advisor.data.weights import Weights
from advisor.nested import tensors_in
from advisor.randomness import preserved


def split_of(
    inputs: Inputs,
    target: Target,
    layout: Layout,
    drawn: tuple[RowNumbers, RowNumbers],
    weights: Weights | None = None,
) -> Splits:
    """The four splits, of which train and valid were drawn; they share the tensors of `inputs`."""
    train, valid = drawn
    rows = inputs.part(train)
    unlabeled = None if layout.unlabeled is None else rows.subset(layout.unlabeled)

    def labelled(numbers: RowNumbers) -> Part:
        """The rows with these numbers, with their targets."""
        values = target.values[torch.as_tensor(numbers)]
        return rows.subset(numbers).labelled(values)

    own_weights = None if weights is None else weights.subset(train)
    return Splits(labelled(train), labelled(valid), labelled(layout.test), unlabeled, own_weights)


def sizes_of(splits: Splits) -> dict[str, int]:
    """How many rows there are, by split."""
    return {name: len(getattr(splits, name) or ()) for name in SPLITS}


def facts_of(inputs: Inputs, target: Target, splits: Splits, shares: Mapping[str, float]) -> Facts:
    """What is known of the data, with the shapes and dtypes of the first row."""
    with preserved():
        first, _ = splits.train.take(torch.arange(1))
    tensors = list(tensors_in(first))
    return Facts(
        rows=len(target.values),
        sizes=sizes_of(splits),
        inputs=tuple(tuple(tensor.shape[1:]) for tensor in tensors),
        dtypes=tuple(str(tensor.dtype).removeprefix("torch.") for tensor in tensors),
        target=target.what,
        classes=target.classes,
        outputs=target.outputs,
        labels=target.labels,
        shares=shares,
        vocabulary=inputs.vocabulary,
        ids=inputs.ids,
    )
