"""Word vectors from files of every common format."""

from __future__ import annotations

import functools
import gzip
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advisor import InputError

from .gensims import SPECIAL
from .saved import SavedVectors, files_of

FACEBOOK = struct.pack("<i", 793712314)
"""The first bytes of a model as Facebook's fastText writes it."""

Vectors = tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]
"""Vectors by id: of words as the file has them, and of words put together from their parts."""
LazyVectors = Iterable[tuple[str, Callable[[], np.ndarray]]]
"""Words of a file, each with a function that reads its vector: most are not asked for."""


def read(path: Path, vocabulary: Sequence[str]) -> Vectors:
    """Vectors of the words in `vocabulary` by their position.

    Raises:
        InputError: the file is of no format known here, or is not what its name says.
    """
    return _read(path, changes_of(path), tuple(vocabulary))


def changes_of(path: Path) -> tuple[int, ...]:
    """When a file, and each that belongs to it, was last changed, in nanoseconds."""
    return tuple(each.stat().st_mtime_ns for each in files_of(path))


# Keyed by the path, the times of the last changes and the words: a file that was written again is
# read again.
@functools.lru_cache(maxsize=2)
def _read(path: Path, changed: tuple[int, ...], vocabulary: tuple[str, ...]) -> Vectors:
    del changed
    suffix = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    reader = READERS.get(suffix)
    if reader is None:
        suffixes = ", ".join(f".{name}" for name in READERS)
        raise InputError(f"Vectors {path}: a file of word vectors ends in {suffixes}.")
    # Padding and unknown words have no vector, whatever the file has under their names.
    ids = {word: number for number, word in enumerate(vocabulary) if number >= SPECIAL}
    try:
        return reader(path, ids)
    except InputError:
        raise
    except Exception as problem:  # a broken file makes a reader raise anything
        said = f"{type(problem).__name__}: {problem}"
        raise InputError(f"Vectors {path} cannot be read as .{suffix} ({said}).") from problem


def _matched(words: LazyVectors, ids: Mapping[str, int]) -> dict[int, np.ndarray]:
    """The vectors of the words in `ids`: the first of the same spelling, else the first that
    differs by capitals.
    """
    exact: dict[int, np.ndarray] = {}
    folded: dict[int, np.ndarray] = {}
    for word, vector in words:
        if word in ids:
            number = ids[word]
            if number not in exact:
                exact[number] = vector()
        elif word.lower() in ids:
            number = ids[word.lower()]
            if number not in folded:
                folded[number] = vector()
    return folded | exact


def _text(path: Path, ids: Mapping[str, int]) -> Vectors:
    """Lines of a word and its numbers, with a first line of two sizes (word2vec) or without
    (GloVe).
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        first_line = file.readline().decode("utf-8", "replace").split()
        has_header = len(first_line) == 2 and all(part.isdigit() for part in first_line)
        width = int(first_line[1]) if has_header else len(first_line) - 1
        if width < 1:
            raise InputError(
                f"Vectors {path}: line 1 holds no vector; a line is a word and its numbers, "
                "separated by blanks."
            )
        if not has_header:
            file.seek(0)
        words = _words_of_lines(path, file, width, start=2 if has_header else 1)
        return _matched(words, ids), {}


def _words_of_lines(path: Path, file: Iterable[bytes], width: int, start: int) -> LazyVectors:
    for number, line in enumerate(file, start):
        # Numbers are split off from the right: GloVe has words with blanks in them.
        word, *parts = line.rstrip().rsplit(b" ", width)
        if word or parts:
            vector = functools.partial(_vector, path, number, parts, width)
            yield word.decode("utf-8", "ignore"), vector


def _vector(path: Path, line: int, parts: list[bytes], width: int) -> np.ndarray:
    try:
        vector = np.array([float(part) for part in parts], dtype=np.float32)
    except ValueError:
        vector = np.empty(0, dtype=np.float32)
    if len(vector) != width or not np.isfinite(vector).all():
        raise InputError(f"Vectors {path}: line {line} should hold a word and {width} numbers.")
    return vector


def _binary(path: Path, ids: Mapping[str, int]) -> Vectors:
    """word2vec's own format, or a model of Facebook's fastText."""
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import load_facebook_vectors

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        is_facebook = file.read(4) == FACEBOOK
    if is_facebook:
        return _from_gensim(load_facebook_vectors(str(path)), ids)
    # Corpora hold words that are cut in the middle of a character.
    load = KeyedVectors.load_word2vec_format
    return _from_gensim(load(str(path), binary=True, unicode_errors="ignore"), ids)


def _saved(path: Path, ids: Mapping[str, int]) -> Vectors:
    """What gensim's `KeyedVectors.save` wrote, which is a pickle: no code of it is run."""
    saved = SavedVectors(path)
    rows = ((word, functools.partial(saved.row, number)) for word, number in saved.words.items())
    whole = _matched(rows, ids)
    composed = {}
    for word, number in ids.items():
        vector = None if number in whole else saved.from_parts(word)
        if vector is not None:
            composed[number] = vector
    return whole, composed


def _from_gensim(vectors: Any, ids: Mapping[str, int]) -> Vectors:
    """Vectors that gensim has read; those of fastText also from the parts of a word."""
    words = vectors.key_to_index
    whole = _matched(((word, functools.partial(vectors.get_vector, word)) for word in words), ids)
    if not hasattr(vectors, "vectors_ngrams") or not vectors.bucket:
        return whole, {}
    missing = {word: number for word, number in ids.items() if number not in whole}
    return whole, {number: vectors.get_vector(word) for word, number in missing.items()}


READERS: dict[str, Callable[[Path, Mapping[str, int]], Vectors]] = {
    "txt": _text,
    "vec": _text,
    "bin": _binary,
    "kv": _saved,
}
"""By the end of a file's name, without `.gz`: what reads it."""
