"""Word vectors from files of every common format."""

from __future__ import annotations

import functools
import gzip
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advisor import InputError

from .gensims import SPECIAL

FACEBOOK = struct.pack("<i", 793712314)
"""The first bytes of a model as Facebook's fastText writes it."""

Found = tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]
"""Vectors by id: of words as the file has them, and of words put together from their parts."""


def read(path: Path, vocabulary: Sequence[str]) -> Found:
    """Vectors of the words in `vocabulary` by their position.

    Raises:
        InputError: the file is of no format known here, or is not what its name says.
    """
    return _read(path, path.stat().st_mtime_ns, tuple(vocabulary))


@functools.lru_cache(maxsize=2)
def _read(path: Path, changed: int, vocabulary: tuple[str, ...]) -> Found:
    del changed  # part of the key: a file that was written again is read again
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    reader = READERS.get(kind)
    if reader is None:
        raise InputError(
            f"Vectors {path}: a file of word vectors ends in {', '.join(f'.{name}' for name in READERS)}."
        )
    wanted = {word: number for number, word in enumerate(vocabulary) if number >= SPECIAL}
    try:
        return reader(path, wanted)
    except InputError:
        raise
    except Exception as problem:  # a broken file makes a reader raise anything
        raise InputError(
            f"Vectors {path} cannot be read as .{kind} ({type(problem).__name__}: {problem})."
        ) from problem


def _matched(
    pairs: Iterable[tuple[str, Callable[[], np.ndarray]]], wanted: Mapping[str, int]
) -> dict[int, np.ndarray]:
    """The vectors of wanted words: the first of the same spelling, else the first that differs by
    capitals.
    """
    exact: dict[int, np.ndarray] = {}
    folded: dict[int, np.ndarray] = {}
    for word, vector in pairs:
        number, other = wanted.get(word), wanted.get(word.lower())
        if number is not None and number not in exact:
            exact[number] = vector()
        elif number is None and other is not None and other not in folded:
            folded[other] = vector()
    return {**folded, **exact}


def _text(path: Path, wanted: Mapping[str, int]) -> Found:
    """Lines of a word and its numbers, with a first line of two sizes (word2vec) or without
    (GloVe).
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        first = file.readline().decode("utf-8", "replace").split()
        header = len(first) == 2 and all(part.isdigit() for part in first)
        width = int(first[1]) if header else len(first) - 1
        if width < 1:
            raise InputError(
                f"Vectors {path}: line 1 holds no vector; a line is a word and its numbers, separated by blanks."
            )
        if not header:
            file.seek(0)
        return _matched(_lines(path, file, width, start=2 if header else 1), wanted), {}


def _lines(
    path: Path, file: Iterable[bytes], width: int, start: int
) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    for number, line in enumerate(file, start):
        parts = line.rstrip().rsplit(
            b" ", width
        )  # from the right: GloVe has words with blanks in them
        if parts != [b""]:
            yield (
                parts[0].decode("utf-8", "ignore"),
                functools.partial(_vector, path, number, parts[1:], width),
            )


def _vector(path: Path, line: int, parts: list[bytes], width: int) -> np.ndarray:
    try:
        vector = np.array([float(part) for part in parts], dtype=np.float32)
    except ValueError:
        vector = np.empty(0, dtype=np.float32)
    if len(vector) != width or not np.isfinite(vector).all():
        raise InputError(f"Vectors {path}: line {line} should hold a word and {width} numbers.")
    return vector


def _binary(path: Path, wanted: Mapping[str, int]) -> Found:
    """word2vec's own format, or a model of Facebook's fastText."""
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import load_facebook_vectors

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        facebook = file.read(4) == FACEBOOK
    if facebook:
        return _keyed(load_facebook_vectors(str(path)), wanted)
    return _keyed(
        KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="ignore"), wanted
    )


def _saved(path: Path, wanted: Mapping[str, int]) -> Found:
    """What gensim's `KeyedVectors.save` wrote, which is a pickle: only what such a file needs is
    let in.
    """
    from gensim.models import KeyedVectors

    with path.open("rb") as file:
        _Careful(path, file).load()
    return _keyed(KeyedVectors.load(str(path)), wanted)


class _Careful(pickle.Unpickler):
    """Reads a pickle and refuses all classes and functions but those of vectors, so that a file
    cannot run code.
    """

    modules = ("gensim.models.keyedvectors", "gensim.models.fasttext")
    names = {"KeyedVectors", "Word2VecKeyedVectors", "FastTextKeyedVectors", "Vocab", "CompatVocab"}
    arrays = {"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"}

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        vectors = module in self.modules and name in self.names
        if vectors or (module.split(".")[0] == "numpy" and name in self.arrays):
            return super().find_class(module, name)
        raise InputError(
            f"Vectors {self.path} would load {module}.{name}, which no word vectors need; a pickle can run any code. Save "
            "`model.wv` as text: wv.save_word2vec_format('vectors.txt')."
        )


def _keyed(vectors: Any, wanted: Mapping[str, int]) -> Found:
    known = _matched(
        ((word, functools.partial(vectors.get_vector, word)) for word in vectors.key_to_index),
        wanted,
    )
    if not hasattr(vectors, "vectors_ngrams") or not vectors.bucket:
        return known, {}
    return known, {
        number: vectors.get_vector(word) for word, number in wanted.items() if number not in known
    }


READERS: dict[str, Callable[[Path, Mapping[str, int]], Found]] = {
    "txt": _text,
    "vec": _text,
    "bin": _binary,
    "kv": _saved,
}
