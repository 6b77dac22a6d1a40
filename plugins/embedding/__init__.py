"""Word embeddings: trained on the study's own text, or read from a file of the user's."""

from __future__ import annotations

import advisor

from .fasttext import FastText
from .from_file import FromFile
from .word2vec import Word2Vec


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for the rows of word tables; it comes after the initializer, which would overwrite
    them.
    """
    about = "the rows of word tables"
    return [advisor.Slot("embedding", about, after=("initializer",))]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """Both architectures of word2vec, fastText, and vectors from a file."""
    return [
        Word2Vec("skipgram", skip_gram=True),
        Word2Vec("cbow", skip_gram=False),
        FromFile(),
        FastText(),  # two to three times as slow, and so tried only where it is named
    ]
