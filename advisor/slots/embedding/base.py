"""The base of embedding techniques: rows of the model's own word tables, learnt from the training
text or read from a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from advisor.slots.embedding.coverage import MEANINGFUL, Coverage, coverage, neighbours, said_of
from advisor.slots.embedding.projection import Projected, basis_of, projectable, put
from advisor.slots.embedding.word_tables import WordTable, filled, padding_of, word_tables
from advisor.slots.sentences import grouped
from advisor.space import Choice, Space
from advisor.technique import Technique
from advisor.training.run import Run

ROWS = "rows"
TUNED, FROZEN, LATER = "tuned", "frozen", "frozen-then-tuned"
HALF = 0.5
"""Share of the epochs after which rows that are frozen at first begin to train."""

Vectors = Mapping[int, np.ndarray]


class Embedding(Technique):
    """Word vectors for every table that an input of the model indexes; write `vectors`.

    A sentence is one row of ids, without padding, from the training split and the unlabeled rows.
    Rows are centred and rescaled to the table's own deviation; ids that have no vector get random
    rows of the same mean and deviation; the padding row is zero. Vectors of another width than the
    table's go through a projection without bias that starts at their
    principal components: learned where the table is looked up as an `nn.Embedding` and shares its
        weight with nothing, so
    that the rest of the `state_dict` stays; else fixed, put into the rows themselves. The space has
    a choice `rows`: `tuned` lets training change the vectors, `frozen` does not,
        `frozen-then-tuned` does from the middle of a full training on.
    """

    slot = "embedding"
    space: Space = {ROWS: Choice(TUNED, FROZEN, LATER)}

    def unfit(self, run: Run) -> str | None:
        """A model needs a table of trainable rows that one of its inputs indexes."""
        if not run.anatomy.tables:
            return "the model has no embedding table"
        found, skipped = word_tables(run)
        return (
            None
            if found
            else f"no input of the model holds words of its embedding table: {grouped(skipped)}"
        )

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Tables that are left as they are, and why."""
        return word_tables(run)[1]

    def vectors(
        self, sentences: Sequence[Sequence[int]], width: int, seed: int, **params: Any
    ) -> Vectors:
        """Vectors of `width` numbers by id."""
        raise TypeError(f"embedding {self.name!r} must define vectors(sentences, width, seed)")

    def learn(
        self, run: Run, sentences: Sequence[Sequence[int]], width: int, **params: Any
    ) -> tuple[Vectors, Vectors]:
        """Vectors by id: of words as they stand, and of words put together from their parts, which
        no coverage counts.

        They may have another width than the `width` that the table has. By default `vectors(…)`,
        and none from parts.
        """
        return (self.vectors(sentences, width, run.seed, **params) if any(sentences) else {}), {}

    def depends(self, run: Run, sentences: Sequence[Sequence[int]]) -> list[object]:
        """What vectors depend on besides their width and parameters: a change in it means to learn
        them anew.
        """
        return [
            run.seed,
            torch.tensor([word for sentence in sentences for word in (*sentence, -1)]),
        ]

    def scores(self, vectors: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """How good the vectors of words are by themselves: by the name of a measure, its number and
        the share it covers.
        """
        return {}

    def apply(self, run: Run, **params: Any) -> str:
        """Fill the rows of every word table."""
        params = {**self.defaults(), **params}
        rows = params.pop(ROWS)
        found, skipped = word_tables(run)
        told = [self._fill(run, words, rows, params) for words in found]
        return "; ".join([*told, *([f"left out {grouped(skipped)}"] if skipped else [])])

    def _fill(self, run: Run, words: WordTable, rows: str, params: dict[str, Any]) -> str:
        table, sentences = words.table, words.sentences(run)
        learnt = self._learnt(run, words, sentences, params)
        whole = int(learnt["whole"])
        if not len(learnt["ids"]):
            return f"{table.name}: left as it is, because none of its words has a vector"
        how = _put(run, words, learnt["ids"], learnt["vectors"], rows)
        also = f", tied to {', '.join(table.tied)}" if table.tied else ""
        parts = len(learnt["ids"]) - whole
        also += f", and {parts} put together from parts of words" if parts else ""
        counts = Counter(word for sentence in sentences for word in sentence)
        text = f"{table.name}: {whole} of {table.rows} rows from {counts.total():,} tokens, {rows}{how}{also}"
        return ", ".join([text, *_described(run, counts, learnt)])

    def _learnt(
        self, run: Run, words: WordTable, sentences: list[list[int]], params: dict[str, Any]
    ) -> dict[str, Tensor]:
        """Ids and vectors (the first `whole` of words as they stand), and `score NAME` with a
        number and the share it covers.
        """
        width, limit, names = words.table.width, words.table.rows, run.data.facts.vocabulary

        def learn() -> dict[str, Tensor]:
            known, parts = (
                _inside(found, limit) for found in self.learn(run, sentences, width, **params)
            )
            both = {
                **known,
                **{word: vector for word, vector in parts.items() if word not in known},
            }
            scores = self.scores(_named(known, names)) if names else {}
            return {
                "ids": torch.tensor(list(both), dtype=torch.long),
                "vectors": torch.tensor(np.array(list(both.values()), dtype=np.float32)).reshape(
                    len(both), -1 if both else width
                ),
                "whole": torch.tensor(len(known)),
                **{
                    f"score {name}": torch.tensor(pair, dtype=torch.float64)
                    for name, pair in scores.items()
                },
            }

        settings = [self.slot, self.name, width, limit, sorted(params.items())]
        return run.remember([*settings, *self.depends(run, sentences)], learn)


def _inside(found: Vectors, rows: int) -> dict[int, np.ndarray]:
    return {word: found[word] for word in sorted(found) if 0 <= word < rows}


def _named(found: Vectors, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {names[word]: vector for word, vector in found.items() if word < len(names)}


def _put(run: Run, words: WordTable, ids: Tensor, vectors: Tensor, rows: str) -> str:
    """Put vectors into a table, or a wider or narrower table with a projection into the model; says
    whether it did.
    """
    table, before, padding = words.table, words.weight.detach(), padding_of(run, words.table)
    kept = torch.arange(len(before)) != (-1 if padding is None else padding)
    spread = float(before[kept].std()) or 1.0
    vectors = vectors - vectors.mean(0)
    basis = (
        None if vectors.shape[1] == table.width else basis_of(vectors, table.width, run.generator)
    )
    vectors = vectors * (
        spread / max(float((vectors if basis is None else vectors @ basis).std()), 1e-12)
    )
    how = (
        "" if basis is None else f", {vectors.shape[1]} numbers wide and projected to {table.width}"
    )
    if basis is not None and projectable(run, table):
        weight = filled(len(before), ids, vectors, padding, run.generator).to(before)
        projected = Projected(words.module, weight, basis.to(before))
        put(run, table, projected)
        _train(run, cast(nn.Parameter, projected.weight), rows)
        return f"{how} (learned)"
    vectors = vectors if basis is None else vectors @ basis
    with torch.no_grad():
        words.weight.copy_(filled(len(before), ids, vectors, padding, run.generator))
    _train(run, words.weight, rows)
    return f"{how} (fixed)" if how else ""


def _train(run: Run, weight: nn.Parameter, rows: str) -> None:
    weight.requires_grad_(rows == TUNED)
    if rows == LATER:
        run.later.append((weight, HALF))


def _described(run: Run, counts: Counter[int], learnt: Mapping[str, Tensor]) -> list[str]:
    """Coverage, the most frequent missing words, neighbours of frequent words, and scores where
    they mean something.
    """
    names, whole = run.data.facts.vocabulary, int(learnt["whole"])
    ids = learnt["ids"][:whole]
    found = coverage(counts, ids.tolist())
    return [
        str(found),
        *_missing(found, names),
        *(neighbours(counts, ids, learnt["vectors"][:whole], names) if names else []),
        *(
            _score(key.removeprefix("score "), *pair.tolist())
            for key, pair in learnt.items()
            if key.startswith("score ")
        ),
    ]


def _missing(found: Coverage, names: Sequence[str] | None) -> list[str]:
    words = [f"{said_of(word, names)} ({times:,})" for word, times in found.missing]
    return [f"most frequent missing words {', '.join(words)}"] if words else []


def _score(name: str, number: float, share: float) -> str:
    said = f"{number:.2f}" if share >= MEANINGFUL else "not meaningful"
    return f"{name} {said} ({share:.0%} covered)"
