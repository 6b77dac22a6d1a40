"""The base of embedding techniques: rows of the model's own word tables, learnt from the training
text or read from a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advisor.slots.embedding.coverage import MEANINGFUL, coverage, neighbours, word_name
from advisor.slots.embedding.projection import put_vectors
from advisor.slots.embedding.word_tables import WordTable, word_tables
from advisor.slots.sentences import grouped
from advisor.space import Choice, Space
from advisor.technique import Technique
from advisor.training.run import Run

ROWS = "rows"
"""The name, in every embedding's space, of what training may do to the rows."""
TUNED, FROZEN, LATER = "tuned", "frozen", "frozen-then-tuned"
HALF = 0.5
"""Share of the epochs after which rows that are frozen at first begin to train."""
_SCORE = "score "
"""Prefix under which the scores of vectors are kept beside them."""

Vectors = Mapping[int, np.ndarray]
"""Vectors by the id of a word."""


class Embedding(Technique):
    """Word vectors for every table that an input of the model indexes; write `vectors`.

    A sentence is one row of ids, without padding, from the training split and the unlabeled rows.
    Rows are centred and rescaled to the table's own deviation; ids that have no vector get random
    rows of the same mean and deviation; the padding row is zero. Vectors of another width than the
    table's go through a projection without bias that starts at their principal components: learned
    where the table is looked up as an `nn.Embedding` and shares its weight with nothing, so that
    the rest of the `state_dict` stays; else fixed, put into the rows themselves. The space has a
    choice `rows`: `tuned` lets training change the vectors, `frozen` does not, `frozen-then-tuned`
    does from the middle of a full training on.

    Example:
        >>> import advisor, numpy
        >>> class Random(advisor.Embedding):
        ...     name, cite = "random", "a control"
        ...     def vectors(self, sentences, width, seed, **params):
        ...         draw = numpy.random.default_rng(seed)
        ...         words = sorted({word for sentence in sentences for word in sentence})
        ...         return {word: draw.normal(size=width) for word in words}
        >>> list(Random().vectors([[1, 2], [2, 3]], width=8, seed=0))
        [1, 2, 3]
    """

    slot = "embedding"
    cost = "a training of word vectors, once for all trials that share it"
    space: Space = {ROWS: Choice(TUNED, FROZEN, LATER)}

    def unfit(self, run: Run) -> str | None:
        """A model needs a table of trainable rows that one of its inputs indexes."""
        if not run.anatomy.tables:
            return "the model has no embedding table"
        tables, skipped = word_tables(run)
        if tables:
            return None
        return f"no input of the model holds words of its embedding table: {grouped(skipped)}"

    def tables(self, run: Run) -> list[WordTable]:
        """The word tables that it fills."""
        return word_tables(run)[0]

    def skips(self, run: Run) -> list[tuple[str, str]]:
        """Tables that are left as they are, and why."""
        _, skipped = word_tables(run)
        return skipped

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
        if not any(sentences):
            return {}, {}
        return self.vectors(sentences, width, run.seed, **params), {}

    def depends(self, run: Run, sentences: Sequence[Sequence[int]]) -> list[object]:
        """What vectors depend on besides their width and parameters: a change in it means to learn
        them anew.
        """
        # One tensor of all ids, in which -1 ends a sentence: the text counts by its content.
        text: list[int] = []
        for sentence in sentences:
            text += (*sentence, -1)
        return [run.seed, torch.tensor(text)]

    def scores(self, vectors: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """How good the vectors of words are by themselves: by the name of a measure, its number and
        the share it covers.
        """
        return {}

    def apply(self, run: Run, **params: Any) -> str:
        """Fill the rows of every word table."""
        params = {**self.defaults(), **params}
        rows = params.pop(ROWS)
        tables, skipped = word_tables(run)
        actions = [self._fill(run, words, rows, params) for words in tables]
        if skipped:
            actions.append(f"left out {grouped(skipped)}")
        return "; ".join(actions)

    def _fill(self, run: Run, words: WordTable, rows: str, params: dict[str, Any]) -> str:
        """Fill one table; says with how many vectors, and how good they are."""
        table = words.table
        sentences = words.sentences(run)
        kept = self._kept_vectors(run, words, sentences, params)
        ids, vectors, whole = kept["ids"], kept["vectors"], int(kept["whole"])
        if not len(ids):
            return f"{table.name}: left as it is, because none of its words has a vector"
        # The table, or the one that took its place with a projection, holds the vectors.
        trained, how = put_vectors(run, words, ids, vectors)
        trained.requires_grad_(rows == TUNED)
        if rows == LATER:
            run.later.append((trained, HALF))

        # What was done, with the numbers of rows and tokens that it rests on.
        if table.tied:
            how += f", tied to {', '.join(table.tied)}"
        if len(ids) > whole:
            how += f", and {len(ids) - whole} put together from parts of words"
        counts = Counter(word for sentence in sentences for word in sentence)
        filled_rows = f"{whole} of {table.rows} rows from {counts.total():,} tokens"
        parts = [f"{table.name}: {filled_rows}, {rows}{how}"]

        # What the person sees of the vectors: coverage, missing words, neighbours and scores.
        names = run.data.facts.vocabulary
        covered = coverage(counts, ids[:whole].tolist())
        parts.append(str(covered))
        if covered.missing:
            missing = [f"{word_name(word, names)} ({n:,})" for word, n in covered.missing]
            parts.append(f"most frequent missing words {', '.join(missing)}")
        if names:
            parts += neighbours(counts, ids[:whole], vectors[:whole], names)
        for key, score in kept.items():
            if key.startswith(_SCORE):
                number, share = score.tolist()
                shown = f"{number:.2f}" if share >= MEANINGFUL else "not meaningful"
                parts.append(f"{key.removeprefix(_SCORE)} {shown} ({share:.0%} covered)")
        return ", ".join(parts)

    def _kept_vectors(
        self, run: Run, words: WordTable, sentences: list[list[int]], params: dict[str, Any]
    ) -> dict[str, Tensor]:
        """Ids and vectors (the first `whole` of words as they stand), and `score NAME` with a
        number and the share it covers; learnt once for all trials that would learn the same.
        """
        width, limit = words.table.width, words.table.rows
        names = run.data.facts.vocabulary

        def learn() -> dict[str, Tensor]:
            """Learn the vectors and score them."""
            own, others = self.learn(run, sentences, width, **params)
            whole, from_parts = _inside(own, limit), _inside(others, limit)
            # A word's own vector comes before one from its parts.
            every = whole | {word: from_parts[word] for word in from_parts if word not in whole}
            matrix = torch.tensor(np.array(list(every.values()), dtype=np.float32))
            learnt = {
                "ids": torch.tensor(list(every), dtype=torch.long),
                "vectors": matrix.reshape(len(every), -1 if every else width),
                "whole": torch.tensor(len(whole)),
            }
            if names:
                by_name = {names[word]: whole[word] for word in whole if word < len(names)}
                for name, score in self.scores(by_name).items():
                    learnt[_SCORE + name] = torch.tensor(score, dtype=torch.float64)
            return learnt

        settings = [self.slot, self.name, width, limit, sorted(params.items())]
        return run.remember([*settings, *self.depends(run, sentences)], learn)


def _inside(vectors: Vectors, rows: int) -> dict[int, np.ndarray]:
    """The vectors whose ids a table of so many rows has, in the order of ids."""
    return {word: vectors[word] for word in sorted(vectors) if 0 <= word < rows}
