"""Word embeddings trained on the study's own text."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import advisor
from advisor import Embedding


class Word2Vec(Embedding):
    """word2vec by gensim: a word's vector predicts its neighbours, or is predicted by them.

    Negative sampling with 5 negatives, dynamic window, one worker, so that a seed gives the same vectors. Expect most from
    it with few labels, or much unlabeled text; frozen vectors lose when labels are many.

    Reference: Mikolov et al. 2013, "Distributed representations of words and phrases and their compositionality".
    """

    cite = "Mikolov et al. 2013"

    def __init__(self, name: str, skip_gram: bool) -> None:
        self.name, self.skip_gram = name, skip_gram
        self.space = {**Embedding.space, "window": advisor.Int(3, 10, default=5), "epochs": advisor.Int(5, 20, default=10)}

    def unfit(self, run: advisor.Run) -> str | None:
        """As every embedding; and gensim must be there."""
        if importlib.util.find_spec("gensim") is None:
            return "gensim is not installed: pip install 'torch-advisor[embedding]'"
        return super().unfit(run)

    def vectors(self, sentences: Sequence[Sequence[int]], width: int, seed: int, **params: Any) -> Mapping[int, np.ndarray]:
        """Vectors of every id that occurs in `sentences`."""
        from gensim.models import Word2Vec as Gensim  # takes a second to import, and only some trials need it

        model = Gensim(
            [[str(word) for word in sentence] for sentence in sentences],
            vector_size=width,
            window=params.get("window", 5),
            epochs=params.get("epochs", 10),
            sg=int(self.skip_gram),
            negative=5,
            min_count=1,
            seed=seed,
            workers=1,
        )
        return {int(word): model.wv.vectors[row] for word, row in model.wv.key_to_index.items()}


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for the rows of word tables; it comes after the initializer, which would overwrite them."""
    return [advisor.Slot("embedding", "the rows of word tables", after=("initializer",))]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """Both architectures of word2vec."""
    return [Word2Vec("skipgram", skip_gram=True), Word2Vec("cbow", skip_gram=False)]
