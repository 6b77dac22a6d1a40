"""Vectors from a file that the user names."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import advisor

from .gensims import Gensim
from .reading import changes_of, read
from .saved import files_of


class FromFile(Gensim):
    """Vectors from the file given with `--vectors PATH` or `Task(vectors=…)`: word2vec's, GloVe's,
    fastText's or gensim's.

    Formula: the row of a word is its vector in the file, centred, rescaled to the table's
    deviation, and projected where the widths differ. A word that the file has only with capitals
    takes the first of those.

    When it helps: few labels and vectors from much text of the same language and kind; check the
    coverage first. Words the file does not have get random rows of the same mean and deviation.

    Arguments: rows, whether training may change them, from the beginning or from half of the epochs
    on.

    Reference: Kim 2014, "Convolutional neural networks for sentence classification" (random, static
    and tuned vectors compared).
    """

    name = "from_file"
    cite = "Kim 2014"
    cost = "reading the file, once for all trials that share it"

    def unfit(self, run: advisor.Run) -> str | None:
        """As every embedding; and there must be a file, and words as text to look up in it."""
        why = super().unfit(run)
        if why is not None:
            return why
        if run.task.vectors is None:
            return "no file of word vectors was given: --vectors PATH or Task(vectors=…)"
        words = run.data.facts.vocabulary
        if not words:
            return "the data are ids without their words, which no file can be asked for"
        path = Path(str(run.task.vectors))
        vectors, _ = read(path, words)
        if vectors:
            return None
        return f"{path.name} has none of the {len(words):,} words of the data"

    def depends(self, run: advisor.Run, sentences: Sequence[Sequence[int]]) -> list[object]:
        """The file's contents and the words; not the training text."""
        path = Path(str(run.task.vectors))
        return [_content_hash(path, changes_of(path)), run.data.facts.vocabulary]

    def learn(
        self, run: advisor.Run, sentences: Sequence[Sequence[int]], width: int, **params: Any
    ) -> tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]:
        """The file's vectors of the data's words; those of fastText also for words from their
        parts.
        """
        return read(Path(str(run.task.vectors)), run.data.facts.vocabulary or ())


# Keyed by the path and the times of the last changes: a file that was written again is read again.
@functools.lru_cache(maxsize=4)
def _content_hash(path: Path, changed: tuple[int, ...]) -> str:
    """A hash of the contents of a file, and of the arrays that lie beside it."""
    del changed
    digest = hashlib.sha256()
    for each in files_of(path):
        with each.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
