"""Data that several cases share; it ships with scikit-learn or is generated."""

import ast
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)

Pair = tuple[np.ndarray, np.ndarray]


def digits() -> Pair:
    """1,797 images of 8 x 8 pixels in 0..16, scaled to mean 0 and deviation 1, with the digit."""
    x, y = load_digits(return_X_y=True)
    return ((x - x.mean()) / x.std()).astype("float32"), y


def eights(count: int) -> Pair:
    """All digits that are no eight, and the first `count` eights; the classes are these two."""
    x, y = digits()
    is_eight = y == 8
    chosen = ~is_eight | (np.cumsum(is_eight) <= count)
    return x[chosen], is_eight[chosen].astype("int64")


def wines() -> Pair:
    """178 wines of three growers, thirteen measurements each, in deviations."""
    return _scaled(*load_wine(return_X_y=True))


def tumours() -> Pair:
    """569 tumours, thirty measurements each, in deviations, and whether they are benign."""
    return _scaled(*load_breast_cancer(return_X_y=True))


def irises() -> Pair:
    """150 irises of three species, four measurements each, in deviations."""
    return _scaled(*load_iris(return_X_y=True))


def patients() -> Pair:
    """442 patients, ten measurements each, and the progression of the disease a year later, in
    deviations.
    """
    x, y = load_diabetes(return_X_y=True)
    return _scaled(x, ((y - y.mean()) / y.std()).astype("float32"))


def _scaled(x: np.ndarray, y: np.ndarray) -> Pair:
    """Columns of mean 0 and deviation 1, beside the target."""
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32"), y


def labelled_digits(count: int, seed: int = 0) -> dict[str, object]:
    """`count` digits with a label, the same number of each; of 1,200 the others have none; 300 to
    validate and 297 to test.
    """
    x, y = digits()
    order = np.random.default_rng(seed).permutation(len(x))
    pool, valid, test = order[:1200], order[1200:1500], order[1500:]
    each = [pool[y[pool] == digit][: count // 10] for digit in range(10)]
    train = np.concatenate(each)
    rest = np.setdiff1d(pool, train)
    return {
        "train": (x[train], y[train]),
        "valid": (x[valid], y[valid]),
        "test": (x[test], y[test]),
        "unlabeled": x[rest],
    }


def topics(labels: int, unlabeled: int, *, words: int = 400) -> dict[str, object]:
    """Texts of fifteen words in a language of four topics with `words` words each, all equally
    frequent.

    Two words of three come from the text's own topic and the others from all, so that words of a
    topic stand together.
    """

    def text(rng: np.random.Generator, topic: int) -> str:
        is_own = rng.random(15) < 2 / 3
        own = topic * words + rng.integers(words, size=15)
        any_topic = rng.integers(4 * words, size=15)
        return _spell(np.where(is_own, own, any_topic))

    return _language(text, labels, unlabeled)


def keywords(labels: int, unlabeled: int) -> dict[str, object]:
    """Texts of nine words, one of each of nine classes of a hundred; a quarter of the first class
    belongs to each topic.

    All words are equally frequent and stand beside each other alike, whatever their topic: what
    stands beside a word says nothing of its topic.
    """

    def text(rng: np.random.Generator, topic: int) -> str:
        key = 25 * topic + rng.integers(25)
        others = np.arange(1, 9) * 100 + rng.integers(100, size=8)
        return _spell(rng.permutation([key, *others]))

    return _language(text, labels, unlabeled)


def _language(
    text: Callable[[np.random.Generator, int], str], labels: int, unlabeled: int
) -> dict[str, object]:
    """Texts of four topics: `labels` to train with, 600 to validate, 600 to test, and `unlabeled`
    without their topic.
    """
    rng = np.random.default_rng(0)
    kinds = rng.integers(4, size=labels + 1200 + unlabeled)
    texts = [text(rng, int(kind)) for kind in kinds]
    ends = {
        "train": (0, labels),
        "valid": (labels, labels + 600),
        "test": (labels + 600, labels + 1200),
    }
    split = {name: (texts[start:end], kinds[start:end]) for name, (start, end) in ends.items()}
    return {**split, "unlabeled": texts[labels + 1200 :]} if unlabeled else split


def _spell(numbers: np.ndarray) -> str:
    """A text with a word for each number: letters only, and no two words alike."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = []
    for number in numbers:
        spelt = [letters[number // 26**place % 26] for place in range(3)]
        words.append("".join(spelt) + "o")
    return " ".join(words)


PARTS = ("pandas/io", "scipy/optimize", "sqlalchemy/orm", "torch/nn")
"""Parts of libraries whose documentation is text with a label."""


def docstrings(count: int) -> dict[str, object]:
    """`count` paragraphs of docstrings with the library that they document, 300 to validate and 300
    to test; all others have no label. The classes are equally frequent.
    """
    rng = np.random.default_rng(0)
    each = (count + 600) // len(PARTS)
    labelled: list[tuple[str, str]] = []
    others: list[str] = []
    for part in PARTS:
        texts = [str(text) for text in rng.permutation(_paragraphs(part))]
        labelled += [(text, part) for text in texts[:each]]
        others += texts[each:]
    texts, labels = zip(*(labelled[i] for i in rng.permutation(len(labelled))), strict=True)
    ends = {"train": (0, count), "valid": (count, count + 300), "test": (count + 300, count + 600)}
    split = {
        name: (list(texts[start:end]), list(labels[start:end]))
        for name, (start, end) in ends.items()
    }
    return {**split, "unlabeled": others}


@lru_cache
def _paragraphs(part: str) -> tuple[str, ...]:
    """The paragraphs of 12 to 80 words in the docstrings of a part of an installed library, which
    is read, not imported; without the words that name a part.
    """
    library, _, folder = part.partition("/")
    names = "|".join({name for part in PARTS for name in part.split("/")})
    spec = find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    texts = set()
    for file in sorted((Path(spec.origin).parent / folder).rglob("*.py")):
        if "tests" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, documented) else None
            for paragraph in re.split(r"\n\s*\n", text or ""):
                words = re.sub(rf"\b({names})\b", "", paragraph).split()
                if 12 <= len(words) <= 80 and ">>>" not in words and "---" not in paragraph:
                    texts.add(" ".join(words))
    return tuple(sorted(texts))
