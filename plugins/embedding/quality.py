"""How good word vectors are by themselves: similarity of pairs and analogies, from the files that
gensim ships.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ENOUGH = 0.5
"""Share of its pairs that must be covered; below it the measure is not taken, because it says
nothing.
"""
BATCH = 1000
"""Analogies that are answered at a time."""

Score = tuple[float, float]
"""A number, and the share of the pairs or questions that it rests on."""


def scores(vectors: Mapping[str, np.ndarray]) -> dict[str, Score]:
    """WordSim-353 (Finkelstein et al. 2002; Spearman's rho) and Google's analogies (Mikolov et al.
    2013; share answered).
    """
    spec = importlib.util.find_spec("gensim")
    if spec is None:
        return {}
    # Gensim ships both files for its own tests.
    folder = Path(spec.origin or "").parent / "test" / "test_data"
    scores_by_name = {}
    for name, file, measure in (
        ("WordSim-353 rho", "wordsim353.tsv", similarity),
        ("analogies", "questions-words.txt", analogies),
    ):
        path = folder / file
        if path.is_file():
            number, share = measure(vectors, path.read_text("utf-8").lower())
            if share:
                scores_by_name[name] = (number, share)
    return scores_by_name


def similarity(vectors: Mapping[str, np.ndarray], text: str) -> Score:
    """Spearman's rho between cosines and people's judgement, from lines of two words and a number,
    separated by tabs.
    """
    pairs = 0
    judged, cosines = [], []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        pairs += 1
        one, two, score = line.split("\t")
        if one in vectors and two in vectors:
            judged.append(float(score))
            cosines.append(float(_unit(vectors[one]) @ _unit(vectors[two])))
    share = len(judged) / max(1, pairs)
    if share < ENOUGH:
        return float("nan"), share
    from scipy.stats import spearmanr  # only here: it takes a second

    return float(spearmanr(cosines, judged).statistic), share


def analogies(vectors: Mapping[str, np.ndarray], text: str) -> Score:
    """The share of questions `a b c d` that `b - a + c` answers with d, a, b and c left out."""
    place = {word: row for row, word in enumerate(vectors)}
    questions = 0
    covered = []
    for line in text.splitlines():
        # A line that begins with a colon is the heading of a group.
        if not line or line.startswith(":"):
            continue
        questions += 1
        words = line.split()
        if all(word in place for word in words):
            covered.append([place[word] for word in words])
    share = len(covered) / max(1, questions)
    if share < ENOUGH:
        return float("nan"), share

    units = np.stack([_unit(vector) for vector in vectors.values()])
    right = 0
    for start in range(0, len(covered), BATCH):
        a, b, c, d = np.array(covered[start : start + BATCH], dtype=int).T
        cosines = (units[b] - units[a] + units[c]) @ units.T
        # The nearest words of all are often those of the question.
        np.put_along_axis(cosines, np.stack([a, b, c], axis=1), -np.inf, axis=1)
        right += int((cosines.argmax(1) == d).sum())
    return right / len(covered), share


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
