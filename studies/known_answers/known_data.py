"""Data that several cases share; it ships with scikit-learn or is generated."""

from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits

Pair = tuple[np.ndarray, np.ndarray]


def digits() -> Pair:
    """1,797 images of 8 x 8 pixels in 0..16, scaled to mean 0 and deviation 1, with the digit."""
    x, y = load_digits(return_X_y=True)
    return ((x - x.mean()) / x.std()).astype("float32"), y


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
