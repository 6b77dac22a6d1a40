"""Word tables: those whose rows are looked up by ids as an input gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advisor.model import Table
from advisor.model.nested_values import named_tensors
from advisor.slots.forward import forward, quiet
from advisor.slots.operations import Operation, Watch
from advisor.training.run import Run

FEWEST = 8
"""Rows of a table below which nobody calls its ids words."""


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
        """The table as the module that it is; `nn.EmbeddingBag` has all that is asked of it here."""
        return self.table.module  # type: ignore[return-value]  # typed as any module

    def sentences(self, run: Run) -> list[list[int]]:
        """The ids in every row of every input that holds ids of this table, from training and
        unlabeled rows, unpadded.
        """
        unwanted = {padding_of(run, self.table)} | (
            {1} if run.data.facts.vocabulary is not None else set()
        )
        found = (dict(named_tensors(inputs, "args")) for inputs in run.data.inputs())
        rows = (
            row for tensors in found for source in self.sources for row in _rows(tensors[source])
        )
        return [[word for word in row if word not in unwanted] for row in rows]


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
    mean, deviation = vectors.mean(0), vectors.std(0, correction=0)
    weight = mean + deviation * torch.randn(rows, vectors.shape[1], generator=generator)
    weight[ids] = vectors
    if padding is not None:
        weight[padding] = 0.0
    return weight


def word_tables(run: Run) -> tuple[list[WordTable], list[tuple[str, str]]]:
    """The tables that word vectors can fill, and why each other table is left out."""
    looked_up, given = _lookups(run), dict(named_tensors(run.example(), "args"))
    found: dict[int, WordTable] = {}
    skipped = []
    for table in run.anatomy.tables:
        why = _why_not(table, given, looked_up.get(id(table.module.weight), []))
        if why:
            skipped.append((table.name, why))
            continue
        known = found.get(id(table.module.weight))
        sources = tuple(dict.fromkeys([*(known.sources if known else ()), str(table.source)]))
        found[id(table.module.weight)] = WordTable(known.table if known else table, sources)
    return list(found.values()), skipped


def _why_not(table: Table, given: dict[str, Tensor], looked_up: list[Tensor]) -> str | None:
    weight, ids = table.module._parameters.get("weight"), given.get(table.source or "")
    if weight is None:
        return "its rows are computed from others"
    if not weight.requires_grad:
        return "frozen"
    if table.source == "position":
        return "its ids are positions"
    if ids is None:
        return "no input holds its ids"
    if ids.is_floating_point() or not _are_those(looked_up, ids):
        return f"its ids are computed from {table.source}"
    if table.rows < FEWEST:
        return f"it has only {table.rows} rows"
    return None if ids[0].numel() > 1 else "one id in a row: words without neighbours"


def _are_those(looked_up: list[Tensor], ids: Tensor) -> bool:
    """Whether the ids that the table was asked for are the input's own, not shifted into a table of
    many fields.
    """
    return any(bool(torch.isin(asked, ids).all()) for asked in looked_up)


def _lookups(run: Run) -> dict[int, list[Tensor]]:
    """What each table was asked for, by the id of its weight."""
    found: dict[int, list[Tensor]] = {}

    def see(weight: Tensor, _: Operation, ids: Tensor) -> None:
        found.setdefault(id(weight), []).append(ids.detach().clone())

    weights = [table.module.weight for table in run.anatomy.tables]
    with quiet(run.model), Watch(weights, see):  # type: ignore[arg-type]  # a tensor, in both kinds of table
        forward(run, run.example())
    return found


def _rows(ids: Tensor) -> Iterator[list[int]]:
    yield from (row for row in ids.reshape(len(ids), -1).tolist())
