"""The base of embedding techniques: rows of the model's own word tables, learnt from the training text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advisor.model import Table
from advisor.space import Choice, Space
from advisor.technique import Technique
from advisor.training.run import Run

TRAIN = "rows"


class Embedding(Technique):
    """Word vectors for every table that an input of the model indexes; write `vectors`.

    A sentence is one row of ids, without padding, from the training split and the unlabeled rows. Rows are rescaled to the
    table's own deviation; ids that have no vector keep a random row of that deviation; the padding row is zero. The space
    has a choice `rows`: `tuned` lets training change the vectors, `frozen` does not.
    """

    slot = "embedding"
    space: Space = {TRAIN: Choice("tuned", "frozen")}

    def unfit(self, run: Run) -> str | None:
        """A model needs a table of trainable rows that one of its inputs indexes."""
        if not run.anatomy.tables:
            return "the model has no embedding table"
        return None if tables(run) else "no input of the model holds the ids of its embedding table"

    def vectors(self, sentences: Sequence[Sequence[int]], width: int, seed: int, **params: Any) -> Mapping[int, np.ndarray]:
        """Vectors of `width` numbers by id."""
        raise TypeError(f"embedding {self.name!r} must define vectors(sentences, width, seed)")

    def apply(self, run: Run, **params: Any) -> str:
        """Fill the rows of every word table."""
        rows, told = params.pop(TRAIN), []
        for table, index in tables(run):
            sentences = _sentences(run, table, index)
            weight, known = self._rows(run, table, sentences, params)
            with torch.no_grad():
                weights_of(table).copy_(weight).requires_grad_(rows == "tuned")
            told.append(f"{table.name}: {known} of {table.rows} rows from {sum(map(len, sentences)):,} tokens, {rows}")
        return "; ".join(told)

    def _rows(self, run: Run, table: Table, sentences: list[list[int]], params: dict[str, Any]) -> tuple[Tensor, int]:
        before = weights_of(table).detach()
        flat = torch.tensor([word for sentence in sentences for word in (*sentence, -1)])

        def learn() -> dict[str, Tensor]:
            found = self.vectors(sentences, table.width, run.seed, **params)
            ids = sorted(word for word in found if 0 <= word < table.rows)
            return {
                "ids": torch.tensor(ids, dtype=torch.long),
                "vectors": torch.from_numpy(np.stack([found[i] for i in ids])).float(),
            }

        kept = run.remember([self.slot, self.name, table.width, sorted(params.items()), run.seed, flat], learn)
        scale = float(before.std()) or 1.0
        vectors = kept["vectors"] - kept["vectors"].mean(0)
        vectors = vectors * (scale / max(float(vectors.std()), 1e-12))
        weight = torch.randn(before.shape, generator=run.generator).to(before) * scale
        weight[kept["ids"]] = vectors.to(weight)
        padding = _padding(run, table)
        if padding is not None:
            weight[padding] = 0.0
        return weight, len(kept["ids"])


def weights_of(table: Table) -> Tensor:
    """The table's parameter, (rows, width)."""
    weight = table.module.weight
    assert isinstance(weight, Tensor)  # both kinds of table have one
    return weight


def tables(run: Run) -> list[tuple[Table, int]]:
    """The trainable tables that an input indexes, with the number of this input."""
    found = []
    for table in run.anatomy.tables:
        source = table.source or ""
        if source.startswith("args[") and weights_of(table).requires_grad:
            found.append((table, int(source[len("args[") : source.index("]")])))
    return found


def _padding(run: Run, table: Table) -> int | None:
    """The id of padding: the table's own, else 0 for texts that advisor padded."""
    if table.padding_idx is not None:
        return table.padding_idx
    return 0 if run.data.facts.vocabulary is not None else None


def _sentences(run: Run, table: Table, index: int) -> list[list[int]]:
    skip = {_padding(run, table)} | ({1} if run.data.facts.vocabulary is not None else set())
    rows = (row for inputs in run.data.inputs() for row in inputs[index].reshape(len(inputs[index]), -1).tolist())
    return [[word for word in row if word not in skip] for row in rows]
