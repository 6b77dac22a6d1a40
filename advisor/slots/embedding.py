"""The base of embedding techniques: rows of the model's own word tables, learnt from the training text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advisor.slots.sentences import grouped
from advisor.slots.tables import WordTable, padding_of, word_tables
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
        found, skipped = word_tables(run)
        return None if found else f"no input of the model holds words of its embedding table: {grouped(skipped)}"

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Tables that are left as they are, and why."""
        return word_tables(run)[1]

    def vectors(self, sentences: Sequence[Sequence[int]], width: int, seed: int, **params: Any) -> Mapping[int, np.ndarray]:
        """Vectors of `width` numbers by id."""
        raise TypeError(f"embedding {self.name!r} must define vectors(sentences, width, seed)")

    def apply(self, run: Run, **params: Any) -> str:
        """Fill the rows of every word table."""
        rows, told = params.pop(TRAIN), []
        found, skipped = word_tables(run)
        for words in found:
            sentences = words.sentences(run)
            weight, known = self._rows(run, words, sentences, params)
            with torch.no_grad():
                words.weight.copy_(weight).requires_grad_(rows == "tuned")
            table, tokens = words.table, sum(map(len, sentences))
            also = f", tied to {', '.join(table.tied)}" if table.tied else ""
            told.append(f"{table.name}: {known} of {table.rows} rows from {tokens:,} tokens, {rows}{also}")
        return "; ".join([*told, *([f"left out {grouped(skipped)}"] if skipped else [])])

    def _rows(self, run: Run, words: WordTable, sentences: list[list[int]], params: dict[str, Any]) -> tuple[Tensor, int]:
        table, before = words.table, words.weight.detach()
        flat = torch.tensor([word for sentence in sentences for word in (*sentence, -1)])

        def learn() -> dict[str, Tensor]:
            found = self.vectors(sentences, table.width, run.seed, **params)
            ids = sorted(word for word in found if 0 <= word < table.rows)
            return {
                "ids": torch.tensor(ids, dtype=torch.long),
                "vectors": torch.tensor(np.array([found[i] for i in ids])).float().reshape(len(ids), table.width),
            }

        kept = run.remember([self.slot, self.name, table.width, sorted(params.items()), run.seed, flat], learn)
        scale = float(before.std()) or 1.0
        vectors = kept["vectors"] - (kept["vectors"].mean(0) if len(kept["ids"]) else 0)
        vectors = vectors * (scale / max(float(vectors.std()), 1e-12))
        weight = torch.randn(before.shape, generator=run.generator).to(before) * scale
        weight[kept["ids"]] = vectors.to(weight)
        padding = padding_of(run, table)
        if padding is not None:
            weight[padding] = 0.0
        return weight, len(kept["ids"])
