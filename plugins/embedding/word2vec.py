"""word2vec, in both of its architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .gensims import TRAINING, Gensim, cut, settings


class Word2Vec(Gensim):
    """word2vec by gensim: a word's vector predicts its neighbours (skip-gram), or their mean
    predicts it (CBOW).

    Formula: maximise log σ(u·v) over pairs of neighbours + Σ log σ(−u'·v) over 5 words u' drawn by
    frequency^¾; or, with hierarchical softmax, the sum of log σ along the word's path in a Huffman
    tree. A word of frequency f above `sample` is kept with probability (√(f/sample) + 1)·sample/f.

    When it helps: few labels, or much unlabeled text of the same kind; skip-gram for small corpora
    and rare words, CBOW for speed and frequent words. Frozen vectors lose when labels are many.
    Rare words get poor vectors, a word of several meanings gets one, antonyms lie close, and the
    text's bias comes along.

    Arguments: rows; window, the most neighbours on each side, drawn anew for each word; epochs,
    passes over the text; loss; sample.

    Reference: Mikolov et al. 2013, "Distributed representations of words and phrases and their
    compositionality".
    """

    cite = "Mikolov et al. 2013"

    def __init__(self, name: str, skip_gram: bool) -> None:
        self.name = name
        self.skip_gram = skip_gram
        self.speed = 170_000 if skip_gram else 500_000
        self.space = {**Gensim.space, **TRAINING}

    def vectors(
        self, sentences: Sequence[Sequence[int]], width: int, seed: int, **params: Any
    ) -> Mapping[int, np.ndarray]:
        """Vectors of every id that occurs in `sentences`."""
        # Imported here: it takes a second, and only some trials need it.
        from gensim.models import Word2Vec as Model

        # Ids stand for words, so that data without a vocabulary can be learnt from.
        largest = max(max(sentence, default=0) for sentence in sentences)
        names = [str(number) for number in range(1 + largest)]
        chosen = {name: params.get(name, parameter.first) for name, parameter in TRAINING.items()}
        texts = cut(sentences, names)
        options = settings(width, seed, **chosen)
        vectors = Model(texts, sg=int(self.skip_gram), **options).wv
        return {int(word): vectors.vectors[row] for word, row in vectors.key_to_index.items()}
