"""On which side of a text a model wants its padding, by what the model does with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data.formats.texts import PADDING, padded_right
from advisor.data.source import Source
from advisor.model.call import call
from advisor.model.preserve import untouched
from advisor.model.tracing.output import pick
from advisor.model.tracing.trace import materialize
from advisor.randomness import isolated
from advisor.user_code import user_faults

MORE = 3
"""Columns of padding by which two batches of the same words differ."""
FEWEST_WORDS = 3
"""Words that a text needs at least to be looked at, so that it has something to read."""
ROWS = 8
"""Texts that are looked at."""
SAME = 1e-3
"""Change of the output by more padding, as a share of its deviation over rows, that is none."""
APART = 10.0
"""How many times larger the change must be on the left for the padding to go to the right."""


@dataclass(frozen=True)
class Sensitivity:
    """How much a model's output changes with more padding, as a share of its deviation over rows.

    Attributes:
        left: where the padding is before the words.
        right: where it is behind them.
    """

    left: float
    right: float

    @property
    def wants_right(self) -> bool:
        """Whether padding on the right is no matter to the model, and on the left it is.

        So it is where a model packs by length, reads the last word by its length, or masks what is
        behind the words.
        """
        return self.right <= SAME and self.left > APART * max(self.right, SAME / APART)


def with_padding_for(model: nn.Module, source: Source, seed: int, output: Any) -> Source:
    """The data with the padding of texts on the side where the model wants it.

    Arguments:
        model: a first one; it is as it was afterwards.
        source: the data; those that are no texts are returned as they are.
        seed: of the study, whose training rows are looked at.
        output: which of the model's outputs is the prediction.
    """
    if source.facts.vocabulary is None:
        return source
    words = _texts_of_one_length(source, seed)
    if words is None:
        return source
    found = sensitivity(model, words, source.facts.inputs[0][0], output)
    return source.padded_right() if found is not None and found.wants_right else source


def note_on_padding(model: nn.Module, source: Source) -> Iterator[str]:
    """A sentence on the side of the padding, where the data are texts."""
    if source.pads_right:
        yield (
            f"texts are padded on the right: there {type(model).__name__} reads the words alone, "
            "and on the left it reads the padding"
        )
    elif source.facts.vocabulary is not None:
        yield "texts are padded on the left"


def sensitivity(
    model: nn.Module, words: Tensor, length: int, output: Any = None
) -> Sensitivity | None:
    """How much a model's output for some texts changes with their padding.

    Arguments:
        model: any module that takes ids.
        words: ids of texts of one length (B, L) that hold no padding.
        length: ids in a row as the model gets them, more than L.
        output: which of the model's outputs is the prediction.

    Returns:
        None where the model takes no rows of other lengths, or gives nothing that can be compared.
    """
    # Layers that learn their sizes must see a row of the right length first.
    whole = nn.functional.pad(words, (length - words.shape[1], 0), value=PADDING)
    changes = []
    try:
        with isolated(0):
            materialize(model, (whole,))
            with untouched(model, list(nn.Module.modules(model)), parameters=True), torch.no_grad():
                model.eval()
                changes += [_change(model, words, length, output, side) for side in (False, True)]
    except user_faults():  # the user's model may raise anything for what is no batch of its data
        return None
    left, right = changes
    return Sensitivity(left, right) if math.isfinite(left + right) else None


def _change(model: nn.Module, words: Tensor, length: int, output: Any, is_right: bool) -> float:
    """How much the output changes between less and more padding, on the left or on the right."""
    answers = []
    for width in (max(words.shape[1], length - MORE), length):
        ids = nn.functional.pad(words, (width - words.shape[1], 0), value=PADDING)
        batch = (padded_right(ids) if is_right else ids,)
        answers.append(pick(call(model, batch), len(words), output).float().flatten(1))
    less, more = answers
    deviation = more.std(0).mean().item()
    return (less - more).abs().mean().item() / max(deviation, 1e-12)


def _texts_of_one_length(source: Source, seed: int) -> Tensor | None:
    """Ids of some training texts, cut to one length, which is shorter than a row; None where there
    are too few of them.
    """
    train = source.splits(seed).train
    (ids,), _ = train.take(torch.arange(min(len(train), 10 * ROWS)))
    is_word = ids != PADDING
    # Half a row of words leaves room for padding.
    length = min(ids.shape[1] - 1, max(FEWEST_WORDS, ids.shape[1] // 2))
    if length < FEWEST_WORDS:
        return None
    rows = [row[own][:length] for row, own in zip(ids, is_word, strict=True) if own.sum() >= length]
    return torch.stack(rows[:ROWS]) if len(rows) > 1 else None
