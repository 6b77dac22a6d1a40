"""Word vectors as gensim's `KeyedVectors.save` writes them: a pickle, and arrays in other files.

Neither gensim nor NumPy reads them, because both may call what a pickle names. What is built here
are records of this file alone.
"""

from __future__ import annotations

import bz2
import gzip
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from advisor import InputError

OPENERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
"""How a compressed file is opened, by the end of its name."""
ARRAYS = ("vectors", "syn0", "vectors_vocab", "vectors_ngrams")
"""The attributes that are read as arrays; `syn0` is what old versions call `vectors`."""
NUMBERS = "biuf"
"""The kinds of numbers that an array may hold, as NumPy calls them."""
CLASSES = frozenset(
    {
        "KeyedVectors",
        "Word2VecKeyedVectors",
        "EuclideanKeyedVectors",
        "FastTextKeyedVectors",
        "Vocab",
        "CompatVocab",
    }
)
"""The classes of gensim that a file of vectors may name."""


class SavedRecord:
    """What a pickle makes of a class: what it was called with, and what was said of it after."""

    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of an object of gensim's."""
        return self.state if isinstance(self.state, dict) else {}


class SavedObject(SavedRecord):
    """An object of a class of gensim's."""


class SavedType(SavedRecord):
    """The type of an array's numbers."""

    def dtype(self) -> np.dtype[Any]:
        """The type. Raises `ValueError` where it is none of numbers."""
        code = str(self.arguments[0])
        order = str(self.state[1]) if self.state else "="
        dtype = np.dtype(code)
        if dtype.kind not in NUMBERS:
            raise ValueError(f"an array holds {code!r}, not numbers")
        return dtype if order == "|" else dtype.newbyteorder(order)  # type: ignore[arg-type]  # NumPy says which


class SavedArray(SavedRecord):
    """An array, as `ndarray.__reduce__` describes it."""

    def array(self) -> np.ndarray[Any, Any]:
        """The array. Raises `ValueError` where it is none of numbers."""
        _, shape, dtype, is_by_column, content = self.state
        data = content.encode("latin1") if isinstance(content, str) else content
        flat = np.frombuffer(data, dtype.dtype())
        return flat.reshape(shape, order="F" if is_by_column else "C")


class SavedBuffer(SavedRecord):
    """An array, as newer versions of NumPy describe one by its bytes."""

    def array(self) -> np.ndarray[Any, Any]:
        """The array. Raises `ValueError` where it is none of numbers."""
        content, dtype, shape, order = self.arguments
        return np.frombuffer(bytes(content), dtype.dtype()).reshape(shape, order=order)


RECORDS: dict[str, type] = {
    "_reconstruct": SavedArray,
    "_frombuffer": SavedBuffer,
    "ndarray": SavedRecord,  # is only handed to `_reconstruct`
    "dtype": SavedType,
    "scalar": SavedRecord,  # a single number, which vectors do not need
}
"""What is made of the names of NumPy that arrays need."""


def encoded(text: str, _: str = "latin1") -> bytes:
    """The bytes of which protocols before 3 make a text."""
    return text.encode("latin1")


def reconstructed(kind: type, *_: Any) -> Any:
    """The record of which protocols before 2 make an object."""
    if not issubclass(kind, SavedRecord):
        raise TypeError(f"{kind!r} is no record")
    return kind()


PYTHONS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): encoded,
    ("copyreg", "_reconstructor"): reconstructed,
    ("copy_reg", "_reconstructor"): reconstructed,
}
"""What is made of names of Python's own that older pickles have."""
for _module in ("builtins", "__builtin__"):
    for _name in ("object", "set", "frozenset"):
        PYTHONS[_module, _name] = SavedRecord


class VectorUnpickler(pickle.Unpickler):
    """Reads a pickle and makes nothing but records of it, so that a file cannot run code."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")  # of Python 2, too
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """The record for a class or function; an InputError where no word vectors need it."""
        top = module.partition(".")[0]
        if top == "gensim" and name in CLASSES:
            return SavedObject
        if top == "numpy" and name in RECORDS:
            return RECORDS[name]
        if (module, name) in PYTHONS:
            return PYTHONS[module, name]
        raise InputError(
            f"Vectors {self.path} would load {module}.{name}, which no word vectors need; a pickle "
            "can run any code. Save `model.wv` as text: wv.save_word2vec_format('vectors.txt')."
        )


class SavedVectors:
    """Word vectors of a file that gensim has saved.

    Arguments:
        path: the file; its arrays may lie beside it.

    Attributes:
        words: the row of each word.
        vectors: the rows, of shape (words, width).

    Raises:
        InputError: the file names what no word vectors need, or has no vectors.
        Exception: what a damaged file makes its reader raise.
    """

    def __init__(self, path: Path) -> None:
        with OPENERS.get(path.suffix, Path.open)(path, "rb") as file:
            saved = VectorUnpickler(path, file).load()
        if not isinstance(saved, SavedObject):
            raise InputError(f"Vectors {path}: the file holds no vectors of gensim's.")
        self._path = path
        self._attributes = saved.attributes
        self.words = self._rows_of_words()
        vectors = self._array("vectors")
        self.vectors = self._array("syn0") if vectors is None else vectors
        if self.vectors is None:
            self.vectors = self._composed()
        self._check()

    @property
    def parts(self) -> np.ndarray[Any, Any] | None:
        """FastText's vectors of parts of words; None where there are none that can be used."""
        # Old versions had another hash, by which parts are not found.
        is_usable = self._attributes.get("bucket") and self._attributes.get("compatible_hash")
        return self._array("vectors_ngrams") if is_usable else None

    def from_parts(self, word: str) -> np.ndarray[Any, Any] | None:
        """FastText's vector of a word that the file does not have, or None."""
        parts = self.parts
        places = [] if parts is None else self._places(word)
        if parts is None or not places:
            return None
        return np.asarray(parts[places].sum(0) / len(places), dtype=np.float32)

    def row(self, number: int) -> np.ndarray[Any, Any]:
        """The vector in a row, of shape (width,)."""
        assert self.vectors is not None  # as checked
        return np.asarray(self.vectors[number], dtype=np.float32)

    def _rows_of_words(self) -> dict[str, int]:
        about = self._attributes
        names = about.get("index_to_key") or about.get("index2word") or about.get("index2entity")
        if names is not None:
            return {str(word): row for row, word in enumerate(names)}
        if about.get("key_to_index") is not None:
            return {str(word): int(row) for word, row in about["key_to_index"].items()}
        old = about.get("vocab") or {}
        return {str(word): int(each.attributes["index"]) for word, each in old.items()}

    def _array(self, name: str) -> np.ndarray[Any, Any] | None:
        """An attribute that is an array, in the pickle or in a file beside it."""
        value = self._attributes.get(name)
        if isinstance(value, (SavedArray, SavedBuffer)):
            return value.array()
        for beside in files_beside(self._path, name):
            if beside.is_file():
                return numbers_in(beside)
        return None

    def _composed(self) -> np.ndarray[Any, Any] | None:
        """FastText's vectors of whole words, which gensim does not save: a word with its parts."""
        whole, parts = self._array("vectors_vocab"), self.parts
        if whole is None or parts is None:
            return None if self._attributes.get("bucket") else whole
        vectors = np.array(whole)
        for word, row in self.words.items():
            places = self._places(word)
            vectors[row] = (vectors[row] + parts[places].sum(0)) / (len(places) + 1)
        return vectors

    def _places(self, word: str) -> list[int]:
        """The rows of the parts of a word."""
        from gensim.models.fasttext import ft_ngram_hashes

        about = self._attributes
        sizes = [int(about[name]) for name in ("min_n", "max_n", "bucket")]
        return [int(place) for place in ft_ngram_hashes(word, *sizes)]

    def _check(self) -> None:
        if self.vectors is None or self.vectors.ndim != 2:
            beside = files_beside(self._path, "vectors")[0].name
            raise InputError(
                f"Vectors {self._path}: the vectors are neither in the file nor beside it, as "
                f"{beside}; keep all files that gensim has saved together."
            )
        highest = max(self.words.values(), default=-1)
        if highest >= len(self.vectors) or min(self.words.values(), default=0) < 0:
            raise InputError(
                f"Vectors {self._path}: it has {len(self.words):,} words and "
                f"{len(self.vectors):,} vectors."
            )


def files_beside(path: Path, name: str) -> list[Path]:
    """Where gensim saves a large array of a file, the usual place first."""
    return [path.with_name(f"{path.name}.{name}.{ending}") for ending in ("npy", "npz")]


def numbers_in(path: Path) -> np.ndarray[Any, Any]:
    """The array of a file, which holds no Python objects. Raises `ValueError` where it does."""
    if path.suffix == ".npy":
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    else:
        with np.load(path, allow_pickle=False) as archive:
            array = archive["val"]
    if array.dtype.kind not in NUMBERS:
        raise ValueError(f"{path.name} holds {array.dtype}, not numbers")
    return array


def files_of(path: Path) -> Iterator[Path]:
    """A file of vectors, and the arrays that lie beside it."""
    yield path
    for name in ARRAYS:
        yield from (beside for beside in files_beside(path, name) if beside.is_file())
