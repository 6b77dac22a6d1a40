"""What all embeddings by gensim have in common."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import advisor
from advisor import Embedding

from .quality import scores

LONGEST = 10_000
"""Tokens of a sentence that gensim reads; it drops the rest in silence, so longer ones are cut."""
SPECIAL = 2
"""The first ids of a vocabulary of words: padding and unknown words, which have no vector of their
own.
"""

TRAINING: dict[str, Any] = {
    "window": advisor.Int(3, 10, default=5),
    "epochs": advisor.Int(5, 20, default=10),
    "loss": advisor.Choice("negative", "hierarchical"),
    "sample": advisor.Float(1e-5, 1e-3, default=1e-3, log=True),
}
"""What may vary in a training: neighbours on each side (drawn from 1 to `window`), passes over the
text, negative sampling or hierarchical softmax, and the frequency above which words are left out at
random.
"""


class Gensim(Embedding):
    """An embedding that needs gensim, judged by word pairs and analogies where the study's text
    covers enough of them.
    """

    passes = "epochs"
    speed = 170_000
    """Words a second on a laptop's core, of vectors of 100 numbers with a window of 5."""

    def pass_seconds(self, run: advisor.Run, *, window: int = 5, **params: Any) -> float:
        """One pass over the text, for each table of words."""
        seconds = 0.0
        for words in self.tables(run):
            seconds += (
                words.count_words(run) / self.speed * (words.table.width / 100) * (window / 5)
            )
        return seconds

    def unfit(self, run: advisor.Run) -> str | None:
        """As every embedding; and gensim must be there."""
        if importlib.util.find_spec("gensim") is None:
            return "gensim is not installed: pip install 'torch-advisor[embedding]'"
        return super().unfit(run)

    def scores(self, vectors: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """WordSim-353, and Google's analogies."""
        return scores(vectors)


def settings(
    width: int, seed: int, window: int, epochs: int, loss: str, sample: float
) -> dict[str, Any]:
    """Arguments of gensim's models: one worker, so that a seed gives the same vectors, and every
    word of the text.
    """
    hierarchical = loss == "hierarchical"
    return {
        "vector_size": width,
        "window": window,
        "epochs": epochs,
        "sample": sample,
        "seed": seed % 2**32,  # numpy takes no larger one
        "hs": int(hierarchical),
        "negative": 0 if hierarchical else 5,  # 5 to 20 for small corpora (Mikolov et al. 2013)
        "min_count": 1,
        "workers": 1,  # with several, the order of updates is that of the scheduler
        "shrink_windows": True,
    }


def cut(sentences: Sequence[Sequence[int]], names: Sequence[str]) -> list[list[str]]:
    """Sentences of words, none longer than gensim reads."""
    parts = []
    for sentence in sentences:
        words = [names[word] for word in sentence]
        for start in range(0, len(words), LONGEST):
            parts.append(words[start : start + LONGEST])
    return parts
