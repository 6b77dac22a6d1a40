"""Word embeddings on film reviews: speed next to plain gensim, and what vectors bring with few
labels.

    ADVISOR_DATA=DATA python benchmarks/embeddings.py [speed] [labels] [skipgram] [cbow]

DATA holds imdb-sample/imdb-sample.tar.gz. Speed: one pass over the training text, words seen five
times or more, width 100; plain gensim and the technique in turn, thrice. Labels: 200 labelled
reviews drawn anew for each of 5 seeds, 4,800 other training reviews and 8,000 unlabelled ones as
text; a mean of word vectors and a linear layer, 30 epochs; each arm's learning rate is its best of
four on 500 validation rows; scores are of 2,000 test rows. What each technique covers is printed
with the first rate. Needs 10 to 20 minutes.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import torch
from gensim.models import Word2Vec
from torch import nn

import advisor
from advisor.host.host import load
from advisor.training.loop import TrainingSettings, evaluate, train
from advisor.training.run import apply
from advisor.verdict.crossed import gain_of_scores
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

SEEDS, LABELS, WIDTH, EPOCHS, TURNS = 5, 200, 100, 30, 3
FEWEST = 5
"""How often a word must be seen to have a vector."""
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
ARMS = {
    "random start": ("", ""),
    "skipgram tuned": ("skipgram", "tuned"),
    "skipgram frozen": ("skipgram", "frozen"),
    "skipgram frozen-then-tuned": ("skipgram", "frozen-then-tuned"),
    "cbow tuned": ("cbow", "tuned"),
    "cbow frozen": ("cbow", "frozen"),
}
"""What is compared, each arm at the best of its own rates: a technique, and how its rows train."""
METHODS = {"skipgram": 1, "cbow": 0}
"""Techniques, and gensim's number for them."""
PARTS = ("speed", "labels")
"""The parts of the benchmark."""
METHODS_ASKED = [word for word in sys.argv[1:] if word in METHODS] or list(METHODS)
PARTS_ASKED = [word for word in sys.argv[1:] if word in PARTS] or list(PARTS)

Texts = list[tuple[str, str]]
"""Texts with the names of their folders: `neg`, `pos`, or `unsup` for those without a label."""


class Mean(nn.Module):
    """The mean of a text's words, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20_000, WIDTH, padding_idx=0)
        self.last = nn.Linear(WIDTH, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        count = ids.ne(0).sum(1, keepdim=True).clamp(min=1)
        output: torch.Tensor = self.last(self.words(ids).sum(1) / count)
        return output


def reviews(split: str) -> Texts:
    """The texts of `train` or `test`, in the order of their files' names."""
    path = Path(os.environ["ADVISOR_DATA"]) / "imdb-sample" / "imdb-sample.tar.gz"
    texts = []
    with tarfile.open(path) as archive:
        files = [file for file in archive if file.isfile() and f"/{split}/" in file.name]
        for file in sorted(files, key=lambda file: file.name):
            content = archive.extractfile(file)
            assert content is not None  # as it is a file
            text = content.read().decode().replace("<br />", " ")
            texts.append((text, file.name.split("/")[-2]))
    return texts


# --- speed --------------------------------------------------------------------------------------


def speed(texts: Texts) -> None:
    """Words per second of gensim and of the technique."""
    words = [re.findall(r"[a-z0-9']+", text.lower()) for text, _ in texts]
    counts = Counter(word for text in words for word in text)
    often = [word for word, times in counts.most_common() if times >= FEWEST]
    number = {word: i for i, word in enumerate(often)}
    plain = [[word for word in text if word in number] for text in words]
    ids = [[number[word] for word in text] for text in plain]
    tokens = sum(map(len, plain))
    print(f"{counts.total():,} words of text, one pass, width {WIDTH}")
    print(f"{tokens:,} are one of the {len(number):,} that occur {FEWEST} times or more")
    for name in METHODS_ASKED:
        # Seconds of CPU and of wall time for each turn.
        technique: Any = load().find("embedding", name)
        gensim, ours = [], []
        for turn in range(TURNS):
            gensim.append(timed(Word2Vec, plain, **settings(METHODS[name], turn)))
            ours.append(timed(technique.vectors, ids, WIDTH, turn, epochs=1))
        for clock, unit in enumerate(("CPU second", "second of wall time")):
            ratios = [one[clock] / other[clock] for one, other in zip(gensim, ours, strict=True)]
            print(f"{name}, words per {unit}")
            for who, turns in (("gensim", gensim), ("advisor", ours)):
                rates = [f"{tokens / seconds[clock]:,.0f}" for seconds in turns]
                print(f"  {who:8} {' '.join(rates)}")
            print(f"  ratio    {min(ratios):.2f}–{max(ratios):.2f}", flush=True)


def settings(skip_gram: int, seed: int) -> dict[str, int]:
    """What gensim is asked for: the technique's own settings."""
    return {
        "sg": skip_gram,
        "vector_size": WIDTH,
        "window": 5,
        "epochs": 1,
        "min_count": 1,
        "workers": 1,
        "seed": seed,
    }


def timed(do: Callable[..., object], *values: object, **named: object) -> tuple[float, float]:
    """Seconds of CPU time, with that of gensim's threads, and of wall time.

    A busy machine hardly moves the first.
    """
    cpu, wall = time.process_time(), time.perf_counter()
    do(*values, **named)
    return time.process_time() - cpu, time.perf_counter() - wall


# --- few labels ---------------------------------------------------------------------------------


def labels(texts: Texts, test: Texts) -> None:
    """What vectors bring to a model with few labels."""
    arms = [arm for arm, (method, _) in ARMS.items() if method in ("", *METHODS_ASKED)]
    valid_scores: dict[tuple[str, float], list[float]] = defaultdict(list)
    test_scores: dict[tuple[str, float], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as cache:
        for seed in range(SEEDS):
            prepared = prepare(StudyRef.of(study(texts, test, seed)))
            for arm in arms:
                for rate in RATES:
                    valid_score, test_score = score(prepared, arm, rate, seed, Path(cache))
                    valid_scores[arm, rate].append(valid_score)
                    test_scores[arm, rate].append(test_score)

    # Every arm is compared at the rate that is best on the validation rows.
    start: list[float] = []
    for arm in arms:
        means = {rate: statistics.fmean(valid_scores[arm, rate]) for rate in RATES}
        best = max(RATES, key=means.__getitem__)
        scores = test_scores[arm, best]
        each = " ".join(f"{score:.3f}" for score in scores)
        print(f"{arm:26} lr {best:g}: {statistics.fmean(scores):.3f} ({each})")
        if not start:
            start = scores
            continue
        gain = gain_of_scores(np.subtract(scores, start))
        low, high = gain.interval()
        interval = f"{gain.mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"{'':26} gain over a random start {interval}, p {gain.p:.2g}")


def study(texts: Texts, test: Texts, seed: int) -> advisor.Study:
    """A study with few labels, which a seed draws."""
    draw = random.Random(seed)
    with_label = [row for row in texts if row[1] != "unsup"]
    without = [row for row in texts if row[1] == "unsup"]
    drawn = draw.sample(with_label, min(5_000, len(with_label)))
    train_rows, valid_rows = drawn[:LABELS], drawn[LABELS : LABELS + 500]
    test_rows = draw.sample(test, min(2_000, len(test)))
    rest = [text for text, _ in drawn[LABELS + 500 :] + without]
    columns = ["text", "label"]
    task = advisor.Task(
        build=Mean,
        train=pd.DataFrame(train_rows, columns=columns),
        valid=pd.DataFrame(valid_rows, columns=columns),
        test=pd.DataFrame(test_rows, columns=columns),
        unlabeled=pd.DataFrame({"text": rest}),
        target="label",
    )
    return advisor.Study(f"imdb-{seed}", task, seed=seed)


def score(prepared: Prepared, arm: str, rate: float, seed: int, cache: Path) -> tuple[float, float]:
    """The scores of one training on the validation and the test rows."""
    run = prepared.run(seed, seed, cache)
    method, rows = ARMS[arm]
    technique = prepared.host.find("embedding", method)
    if technique is not None:
        actions = apply(run, [(technique, {"rows": rows, "epochs": 5})])
        if rows == "tuned" and rate == RATES[0]:
            print(f"seed {seed} {method}, {run.costs['embedding']:.0f} s:")
            print(f"  {actions['embedding']}", flush=True)
    splits = prepared.splits(seed)
    *_, last = train(run, TrainingSettings(rate, 0.0, 32, 0, EPOCHS), splits.valid)
    return last.score, evaluate(run, splits.test, 256)


def main() -> None:
    one_thread()
    texts = reviews("train")
    if "speed" in PARTS_ASKED:
        speed(texts)
    if "labels" in PARTS_ASKED:
        labels(texts, reviews("test"))


if __name__ == "__main__":
    main()
