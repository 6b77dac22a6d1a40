"""The rows of the five studies: written once as arrays, beside copies of the study files."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from nets import TOKENS
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Arrays = Mapping[str, NDArray[np.generic]]
"""`train_x`, `train_y`, `test_x`, `test_y`."""
HERE = Path(__file__).parent
DEEP = HERE.parents[1] / "studies" / "digits.py"
"""The study that is asked as it is; its test rows are those that advisor draws."""
ROWS = 5000
TEST_ROWS = 2000
LONGEST = 50
"""Words of a sentence that are read."""


def arrays(train_x: object, train_y: object, test_x: object, test_y: object) -> Arrays:
    """Rows as arrays: floats are singles, and targets whole numbers."""
    found = {"train_x": np.asarray(train_x), "test_x": np.asarray(test_x)}
    kept = {
        name: each.astype("float32") if each.dtype.kind == "f" else each
        for name, each in found.items()
    }
    targets = {"train_y": np.asarray(train_y, "int64"), "test_y": np.asarray(test_y, "int64")}
    return {**kept, **targets}


def deep_digits(_: Path | None) -> Arrays:
    """The rows of studies/digits.py, divided as advisor divides them."""
    import torch  # here, so that other rows are prepared without it

    from advisor.work.prepare import prepare
    from advisor.work.study_ref import StudyRef

    splits = prepare(StudyRef(file=str(DEEP))).splits(0)
    parts = [part.take(torch.arange(len(part))) for part in (splits.train, splits.valid)]
    (test_x,), test_y = splits.test.take(torch.arange(len(splits.test)))
    x, y = (torch.cat(each) for each in zip(*((x, y) for (x,), y in parts), strict=True))
    return arrays(x, y, test_x, test_y)


def digits(_: Path | None) -> Arrays:
    """scikit-learn's handwritten digits, of which a fifth is for the test."""
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=0
    )
    return arrays(train_x, train_y, test_x, test_y)


def adult(data: Path | None) -> Arrays:
    """A census: numbers with deviation 1, and a column of 0 and 1 for each word."""
    assert data is not None
    train = table(data / "adult" / "adult-train.csv")[:ROWS]
    test = table(data / "adult" / "adult-test.csv")[:TEST_ROWS]
    columns = list(zip(*train, strict=True))[:-1]
    encode = [encoder(column) for column in columns]

    def encoded(rows: list[list[str]]) -> NDArray[np.float64]:
        own = list(zip(*rows, strict=True))[:-1]
        blocks = [code(column) for code, column in zip(encode, own, strict=True)]
        return np.concatenate(blocks, axis=1)

    train_y, test_y = ([row[-1].startswith(">") for row in rows] for rows in (train, test))
    return arrays(encoded(train), train_y, encoded(test), test_y)


def table(path: Path) -> list[list[str]]:
    """The rows of a table without the blanks around words."""
    with path.open(encoding="utf-8", newline="") as file:
        return [[word.strip() for word in row] for row in csv.reader(file) if len(row) > 1]


def encoder(column: tuple[str, ...]) -> Callable[[tuple[str, ...]], NDArray[np.float64]]:
    """How a column becomes numbers, by what its training rows have."""
    if all(word.lstrip("-").isdigit() for word in column):
        numbers = np.array(column, "float64")
        mean, deviation = numbers.mean(), numbers.std() or 1.0
        return lambda words: (np.array(words, "float64")[:, None] - mean) / deviation
    known = sorted(set(column))
    return lambda words: np.array([[word == each for each in known] for word in words], "float64")


def fashion(data: Path | None) -> Arrays:
    """Grey pictures of 28 x 28 with mean 0 and deviation 1."""
    assert data is not None
    folder = data / "fashion-mnist"
    (train_x, train_y), (test_x, test_y) = (
        (images(folder / f"{part}-images-idx3-ubyte.gz", rows), labels(folder, part, rows))
        for part, rows in (("train", ROWS), ("t10k", TEST_ROWS))
    )
    mean, deviation = train_x.mean(), train_x.std()
    return arrays((train_x - mean) / deviation, train_y, (test_x - mean) / deviation, test_y)


def images(path: Path, rows: int) -> NDArray[np.float64]:
    """The first images of a file in the format of MNIST."""
    with gzip.open(path) as file:
        file.read(16)
        pixels = np.frombuffer(file.read(rows * 784), "uint8")
    return pixels.reshape(rows, 1, 28, 28).astype("float64")


def labels(folder: Path, part: str, rows: int) -> NDArray[np.uint8]:
    """The first labels of a file in the format of MNIST."""
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        file.read(8)
        return np.frombuffer(file.read(rows), "uint8")


def sst(data: Path | None) -> Arrays:
    """Sentences of film reviews, as numbers of words."""
    assert data is not None
    train, test = (
        [line.split() for line in (data / "sst" / f"stsa.binary.{part}").read_text().splitlines()]
        for part in ("train", "test")
    )
    counts = Counter(word for _, *words in train for word in words)
    known = [word for word, count in counts.most_common(TOKENS - 2) if count > 1]
    number = {word: place for place, word in enumerate(known, start=2)}

    def numbers(rows: list[list[str]]) -> NDArray[np.int64]:
        found = np.zeros((len(rows), LONGEST), "int64")
        for place, (_, *words) in enumerate(rows):
            own = [number.get(word, 1) for word in words[:LONGEST]]
            found[place, : len(own)] = own
        return found

    return arrays(
        numbers(train), [row[0] for row in train], numbers(test), [row[0] for row in test]
    )


STUDIES: Mapping[str, Callable[[Path | None], Arrays]] = {
    "digits": deep_digits,
    "digits_128": digits,
    "adult": adult,
    "fashion": fashion,
    "sst": sst,
}
"""What reads the rows of each study, from a folder of data sets."""
NEED_DATA = {"adult", "fashion", "sst"}
"""Studies whose rows are files of a folder of data."""


def make_ready(name: str, folder: Path, data: Path | None, most: int | None = None) -> None:
    """Write a study's rows and its file into a folder, unless they are there; at most so many
    rows of each part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}.npz"
    if not place.exists():
        rows = STUDIES[name](data)
        np.savez(place, **{part: each[:most] for part, each in rows.items()})
    shutil.copy(HERE / "nets.py", folder)
    shutil.copy(DEEP if name == "digits" else HERE / f"{name}.py", folder)
