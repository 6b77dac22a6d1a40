"""Word tables: those whose rows are looked up by ids as an input gives them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model import Table
from advisor.model.nested_values import named_tensors
from advisor.slots.embedding.lookups import Lookups, looked_up_in_all_rows, texts
from advisor.slots.forward import forward, quiet
from advisor.slots.sentences import LOADED
from advisor.training.run import Run

FEWEST = 8
"""Rows of a table below which nobody calls its ids words."""
COUNTED = 256
"""Rows of data whose words are counted to know about how many all have."""


@dataclass(frozen=True)
class WordTable:
    """A table and the inputs that hold its ids; tables that share a weight are one."""

    table: Table
    sources: tuple[str, ...]

    @property
    def weight(self) -> nn.Parameter:
        """The rows, (rows, width)."""
        weight = self.table.module.weight
        assert isinstance(weight, nn.Parameter)  # others are left out
        return weight

    @property
    def module(self) -> nn.Embedding:
        """The table as the module that it is; an `nn.EmbeddingBag` has all that is read of it."""
        return self.table.module  # type: ignore[return-value]  # typed as any module

    def sentences(self, run: Run) -> list[list[int]]:
        """The ids by which the model looks this table up in every row, from training and unlabeled
        rows, unpadded: one sentence for each look-up of several ids.
        """
        no_words = torch.tensor(sorted(ids_without_words(run, self.table)), dtype=torch.long)
        sentences = []
        for inputs, asked in looked_up_in_all_rows(run, self.weight):
            for rows in texts(asked, self._given(inputs)):
                sentences += without(rows.cpu(), no_words)
        return sentences

    def count_words(self, run: Run) -> float:
        """About how many words training and unlabeled rows have, by the first of them."""
        inputs = run.example(COUNTED)
        no_words = torch.tensor(sorted(ids_without_words(run, self.table)), dtype=torch.long)
        found = sum(
            int(torch.isin(ids.cpu(), no_words, invert=True).sum()) for ids in self._given(inputs)
        )
        rows = len(run.data.train) + (0 if run.data.unlabeled is None else len(run.data.unlabeled))
        return found * rows / min(COUNTED, len(run.data.train))

    def _given(self, inputs: tuple[Any, ...]) -> list[Tensor]:
        """The ids among a batch of inputs from which this table is looked up."""
        tensors = dict(named_tensors(inputs, "args"))
        return [tensors[source] for source in self.sources]


def without(rows: Tensor, no_words: Tensor) -> list[list[int]]:
    """The words of each row of ids, `(rows, length)`, without those that are none."""
    kept = torch.isin(rows, no_words, invert=True)
    words = rows[kept].tolist()
    ends = accumulate(kept.sum(1).tolist(), initial=0)
    return [words[start:end] for start, end in pairwise(ends)]


def ids_without_words(run: Run, table: Table) -> set[int]:
    """The ids that are no words: of padding, and of all words that are not in the vocabulary."""
    padding = padding_of(run, table)
    ids = set() if padding is None else {padding}
    if run.data.facts.vocabulary is not None:
        ids.add(1)
    return ids


def padding_of(run: Run, table: Table) -> int | None:
    """The id of padding: the table's own, else 0 for texts that advisor padded."""
    if table.padding_idx is not None:
        return table.padding_idx
    return 0 if run.data.facts.vocabulary is not None else None


def filled(
    rows: int, ids: Tensor, vectors: Tensor, padding: int | None, generator: torch.Generator
) -> Tensor:
    """A weight (rows, width) with `vectors` at `ids`, random rows of their mean and deviation
    elsewhere, padding zero.
    """
    mean = vectors.mean(0)
    deviation = vectors.std(0, correction=0)
    weight = mean + deviation * torch.randn(rows, vectors.shape[1], generator=generator)
    weight[ids] = vectors
    if padding is not None:
        weight[padding] = 0.0
    return weight


def word_tables(run: Run) -> tuple[list[WordTable], list[tuple[str, str]]]:
    """The tables that word vectors can fill, and why each other table is left out."""
    inputs = dict(named_tensors(run.example(), "args"))
    looked_up = lookups(run)
    word_table_of: dict[int, WordTable] = {}
    skipped = []
    for table in run.anatomy.tables:
        weight_id = id(table.module.weight)
        why = LOADED if run.is_loaded(table.module) else None
        why = why or _why_not(table, inputs, looked_up.get(weight_id, []))
        if why:
            skipped.append((table.name, why))
            continue
        # Tables that share a weight are one table, which learns from the inputs of all.
        earlier = word_table_of.get(weight_id, WordTable(table, ()))
        sources = dict.fromkeys((*earlier.sources, str(table.source)))
        word_table_of[weight_id] = WordTable(earlier.table, tuple(sources))
    return list(word_table_of.values()), skipped


def _why_not(table: Table, inputs: dict[str, Tensor], looked_up: list[Tensor]) -> str | None:
    """Why word vectors cannot fill a table, or None."""
    weight = table.module._parameters.get("weight")
    if weight is None:
        return "its rows are computed from others"
    if not weight.requires_grad:
        return "frozen"
    if table.source == "position":
        return "its ids are positions"
    ids = inputs.get(table.source or "")
    if ids is None:
        return "no input holds its ids"
    # A table of many fields is looked up by ids that are shifted, which are no words.
    found = [] if ids.is_floating_point() else texts(looked_up, [ids])
    if not found:
        return f"its ids are computed from {table.source}"
    if table.rows < FEWEST:
        return f"it has only {table.rows} rows"
    # A column that is looked up twice has no neighbours, either.
    has_neighbours = any(bool((rows != rows[:, :1]).any()) for rows in found)
    return None if has_neighbours else "one id in a row: words without neighbours"


def lookups(run: Run) -> dict[int, list[Tensor]]:
    """The ids by which each table is looked up, by the object id of its weight."""
    weights = [table.module.weight for table in run.anatomy.tables]
    seen = Lookups(weights)  # type: ignore[arg-type]  # tensors
    with quiet(run.model), seen:
        forward(run, run.example())
    return seen.ids
