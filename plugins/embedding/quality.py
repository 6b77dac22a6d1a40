"""How good word vectors are by themselves: similarity of pairs and analogies, from the files that
gensim ships.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

ENOUGH = 0.5
"""Share of its pairs that must be covered; below it the measure is not taken, because it says
nothing.
"""
BATCH = 1000

Score = tuple[float, float]
"""A number, and the share of the pairs or questions that it rests on."""


def scores(vectors: Mapping[str, np.ndarray]) -> dict[str, Score]:
    """WordSim-353 (Finkelstein et al. 2002; Spearman's rho) and Google's analogies (Mikolov et al.
    2013; share answered).
    """
    spec = importlib.util.find_spec("gensim")
    folder = Path(spec.origin or "").parent / "test" / "test_data" if spec else Path()
    found = {}
    for name, file, measure in (
        ("WordSim-353 rho", "wordsim353.tsv", similarity),
        ("analogies", "questions-words.txt", analogies),
    ):
        if (folder / file).is_file():
            found[name] = measure(vectors, (folder / file).read_text("utf-8").lower())
    return {name: score for name, score in found.items() if score[1]}


def similarity(vectors: Mapping[str, np.ndarray], text: str) -> Score:
    """Spearman's rho between cosines and people's judgement, from lines of two words and a number,
    separated by tabs.
    """
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    known = [
        (one, two, float(score)) for one, two, score in rows if one in vectors and two in vectors
    ]
    share = len(known) / max(1, len(rows))
    if share < ENOUGH:
        return float("nan"), share
    units = {word: _unit(vectors[word]) for one, two, _ in known for word in (one, two)}
    cosines = [float(units[one] @ units[two]) for one, two, _ in known]
    return float(spearmanr(cosines, [score for *_, score in known]).statistic), share


def analogies(vectors: Mapping[str, np.ndarray], text: str) -> Score:
    """The share of questions `a b c d` that `b - a + c` answers with d, its three words left out."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith(":")]
    place = {word: row for row, word in enumerate(vectors)}
    known = np.array(
        [[place[word] for word in row] for row in rows if all(word in place for word in row)],
        dtype=int,
    )
    share = len(known) / max(1, len(rows))
    if share < ENOUGH:
        return float("nan"), share
    units = np.stack([_unit(vector) for vector in vectors.values()])
    right = sum(
        _right(units, known[start : start + BATCH]) for start in range(0, len(known), BATCH)
    )
    return right / len(known), share


def _right(units: np.ndarray, asked: np.ndarray) -> int:
    near = (units[asked[:, 1]] - units[asked[:, 0]] + units[asked[:, 2]]) @ units.T
    np.put_along_axis(near, asked[:, :3], -np.inf, axis=1)
    return int((near.argmax(1) == asked[:, 3]).sum())


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
