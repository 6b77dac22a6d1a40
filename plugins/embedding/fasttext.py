"""fastText: vectors of words from vectors of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import advisor

from .gensims import SPECIAL, TRAINING, Gensim, cut, settings

BUCKET = 20_000
"""Places for parts of words; fastText's own two millions take 0.8 GB at width 100, for corpora of
billions of words.
"""


class FastText(Gensim):
    """fastText by gensim: skip-gram in which a word's vector is the mean of its own and of those of
    its parts.

    Formula: as skip-gram, with v(word) the mean over the word and its character n-grams of length 3
    to 6, `<` and `>` at its ends; n-grams share 20,000 places by a hash.

    When it helps: small corpora in languages with many forms of a word, typing errors, and words
    that only validation or new text has, which get a vector from their parts. It costs two to three
    times what skip-gram does.

    Arguments: as skip-gram's: rows, window, epochs, loss, sample.

    Reference: Bojanowski et al. 2017, "Enriching word vectors with subword information".
    """

    name = "fasttext"
    cite = "Bojanowski et al. 2017"
    standard = False
    space = {**Gensim.space, **TRAINING}

    def unfit(self, run: advisor.Run) -> str | None:
        """As every embedding; and words must be text."""
        why = super().unfit(run)
        if why is None and not run.data.facts.vocabulary:
            return "the data are ids without their words, which have no parts to learn from"
        return why

    def depends(self, run: advisor.Run, sentences: Sequence[Sequence[int]]) -> list[object]:
        """Also the words as text."""
        return [*super().depends(run, sentences), run.data.facts.vocabulary]

    def learn(
        self, run: advisor.Run, sentences: Sequence[Sequence[int]], width: int, **params: Any
    ) -> tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]:
        """Vectors of the words of the training text, and from their parts those of the vocabulary's
        other words.
        """
        # Imported here: it takes a second, and only some trials need it.
        from gensim.models import FastText as Model

        names = run.data.facts.vocabulary or ()
        if not any(sentences):
            return {}, {}
        texts = cut(sentences, names)
        options = settings(width, run.seed, **params)
        vectors = Model(texts, sg=1, bucket=BUCKET, **options).wv
        whole: dict[int, np.ndarray] = {}
        from_parts: dict[int, np.ndarray] = {}
        for number, word in enumerate(names):
            if number >= SPECIAL:
                by_number = whole if word in vectors.key_to_index else from_parts
                by_number[number] = vectors[word]
        return whole, from_parts
