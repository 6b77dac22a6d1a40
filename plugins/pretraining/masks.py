"""What of a model's inputs is masked, and by which error it is rebuilt: columns of a table, steps
of a sequence of numbers, words of a text.

Whatever is masked takes the value that another row has there, so that inputs stay of their kind;
the error is that of masked entries alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advisor import Run

TWO = 2
"""Values that a column of yes and no has at most."""


class Masking(Protocol):
    """One input of a model, of which a share is masked."""

    what: str

    def outputs(self, by_place: bool) -> int:
        """How many numbers a decoder gives, of each place or of a whole row."""

    def corrupted(
        self, clean: Tensor, share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """An input with a share of it replaced, and where it is, as truth values."""

    def error(self, decoder: nn.Module, signal: Tensor, clean: Tensor, masked: Tensor) -> Tensor:
        """The mean error of what is masked; a signal is (rows, units) or (rows, places, units)."""


def draw(shape: tuple[int, ...], share: float, generator: torch.Generator, like: Tensor) -> Tensor:
    """Truth values of which a share is true."""
    return (torch.rand(shape, generator=generator) < share).to(like.device)


def mean_of(errors: Tensor, masked: Tensor) -> Tensor:
    """The mean where something is masked; 0 where nothing is."""
    total: Tensor = (errors * masked).sum() / masked.sum().clamp_min(1)
    return total


class Columns:
    """The columns of a table, those of one category together.

    The error is cross-entropy of yes and no in a column of two values, else squared by its
    variance.

    Arguments:
        rows: (rows, columns) from which it is read what a column holds.
    """

    what = "columns"

    def __init__(self, rows: Tensor) -> None:
        self.group_of = groups_of(rows)
        self.count = int(self.group_of.max()) + 1
        self.middle = (rows.amin(0) + rows.amax(0)) / 2
        self.is_yes_or_no = two_valued(rows)
        self.mean, self.deviation = rows.mean(0), rows.std(0, correction=0).clamp_min(1e-6)

    def outputs(self, by_place: bool) -> int:
        """A number for each column."""
        return 1 if by_place else len(self.group_of)

    def corrupted(
        self, clean: Tensor, share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Columns with the values of other rows."""
        count = len(clean)
        masked = draw((count, self.count), share, generator, clean)[:, self.group_of]
        drawn = torch.randint(count, (count, self.count), generator=generator).to(clean.device)
        return torch.where(masked, clean.gather(0, drawn[:, self.group_of]), clean), masked

    def error(self, decoder: nn.Module, signal: Tensor, clean: Tensor, masked: Tensor) -> Tensor:
        """Of each column by its kind."""
        predicted = decoder(signal).reshape(clean.shape)
        yes = (clean > self.middle).to(predicted)
        two = F.binary_cross_entropy_with_logits(predicted, yes, reduction="none")
        squared = (predicted - (clean - self.mean) / self.deviation).square()
        return mean_of(torch.where(self.is_yes_or_no, two, squared), masked)


def two_valued(rows: Tensor) -> Tensor:
    """Which columns have two values at most."""
    low, high = rows.amin(0), rows.amax(0)
    return ((rows == low) | (rows == high)).all(0)


def groups_of(rows: Tensor) -> Tensor:
    """The number of each column's group: columns side by side of which each row has exactly one,
    which hold one category, are a group; every other column is its own.
    """
    yes = (rows == rows.amax(0)) & (rows.amin(0) < rows.amax(0))
    is_two = two_valued(rows)
    groups: list[int] = []
    while len(groups) < rows.shape[1]:
        length = category_at(yes, is_two, len(groups))
        groups += [1 + groups[-1] if groups else 0] * length
    return torch.tensor(groups, device=rows.device)


def category_at(yes: Tensor, is_two: Tensor, first: int) -> int:
    """How many columns from this one on hold one category; 1 where they hold none."""
    seen = torch.zeros(len(yes), dtype=torch.long, device=yes.device)
    for place in range(first, yes.shape[1]):
        seen += yes[:, place]
        if not is_two[place] or bool((seen > 1).any()):
            break
        if bool((seen == 1).all()):
            return place - first + 1
    return 1


class Steps:
    """The steps of sequences of numbers; steps of nothing but zeros, which fill up, are left alone.

    Arguments:
        rows: (rows, steps, features) from which the size of features is read.
    """

    what = "steps"

    def __init__(self, rows: Tensor) -> None:
        self.size = tuple(rows.shape[1:])
        there = rows[(rows != 0).any(-1)]
        self.mean, self.deviation = there.mean(0), there.std(0, correction=0).clamp_min(1e-6)

    def outputs(self, by_place: bool) -> int:
        """A step, or all of them."""
        steps, features = self.size
        return features if by_place else steps * features

    def corrupted(
        self, clean: Tensor, share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Steps that are those of other rows."""
        shape = tuple(clean.shape[:2])
        masked = draw(shape, share, generator, clean) & (clean != 0).any(-1)
        drawn = torch.randint(shape[0], shape, generator=generator).to(clean.device)
        other = clean[drawn, torch.arange(shape[1], device=clean.device)]
        return torch.where(masked[..., None], other, clean), masked

    def error(self, decoder: nn.Module, signal: Tensor, clean: Tensor, masked: Tensor) -> Tensor:
        """Squared, by the variance of each feature."""
        predicted = decoder(signal).reshape(clean.shape)
        squared = (predicted - (clean - self.mean) / self.deviation).square()
        return mean_of(squared.mean(-1), masked)


class Words:
    """The words of texts, by their numbers.

    Arguments:
        words: how many there are.
        padding: the number that fills up, or None.
    """

    what = "words"

    def __init__(self, words: int, padding: int | None) -> None:
        self.words, self.padding = words, padding

    def outputs(self, by_place: bool) -> int:
        """A number for each word."""
        return self.words

    def corrupted(
        self, clean: Tensor, share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Words that are those of other places, drawn as often as they occur."""
        there = torch.ones_like(clean, dtype=torch.bool)
        if self.padding is not None:
            there = clean != self.padding
        masked = draw(tuple(clean.shape), share, generator, clean) & there
        every = clean[there]
        drawn = torch.randint(max(1, len(every)), tuple(clean.shape), generator=generator)
        other = every[drawn.to(clean.device)] if len(every) else clean
        return torch.where(masked, other, clean), masked

    def error(self, decoder: nn.Module, signal: Tensor, clean: Tensor, masked: Tensor) -> Tensor:
        """Cross-entropy with the word that was there."""
        # Only masked places are decoded: a table of words is large.
        if signal.ndim > 2:
            total = F.cross_entropy(decoder(signal[masked]), clean[masked].long(), reduction="sum")
            return total / masked.sum().clamp_min(1)
        logs = F.log_softmax(decoder(signal), dim=1)
        return mean_of(-logs.gather(1, clean.long()), masked)


def maskings(run: Run, inputs: tuple[Any, ...]) -> tuple[Mapping[int, Masking], str]:
    """How each input of some rows can be masked, by its place, and why none can."""
    found: dict[int, Masking] = {}
    why = "the model reads nothing"
    if not all(isinstance(each, Tensor) and each.ndim for each in inputs):
        return {}, "its inputs have names, or parts of their own"
    if len({len(each) for each in inputs}) > 1:
        return {}, "its inputs are not one for each row"
    for place, rows in enumerate(inputs):
        one = masking_of(run, rows, f"args[{place}]")
        if isinstance(one, str):
            why = one
        else:
            found[place] = one
    # A column for each word says which of them are there.
    texts = {inputs[place].shape for place, each in found.items() if isinstance(each, Words)}
    found = {
        place: each
        for place, each in found.items()
        if not isinstance(each, Columns) or inputs[place].shape not in texts
    }
    return found, "" if found else why


def masking_of(run: Run, rows: Tensor, source: str) -> Masking | str:
    """How an input can be masked, or why it cannot."""
    if rows.is_floating_point() and rows.ndim == 3:
        return (
            Steps(rows) if rows.shape[1] > 1 and bool(rows.any()) else "its sequences have one step"
        )
    if rows.is_floating_point() and rows.ndim == 2:
        varies = rows.amin(0) < rows.amax(0)
        return Columns(rows) if int(varies.sum()) > 1 else "its table has one column that varies"
    tables = {id(each.module): each for each in run.anatomy.tables if each.source == source}
    if rows.ndim == 2 and len(tables) == 1 and rows.shape[1] > 1:
        (table,) = tables.values()
        return Words(table.rows, table.padding_idx)
    return "its inputs are neither columns of a table nor steps or words of a sequence"
