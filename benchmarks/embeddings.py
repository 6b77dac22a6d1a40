"""Word embeddings on film reviews: speed next to plain gensim, coverage and similarity, and what
vectors bring with few labels.

    ADVISOR_DATA=DATA python benchmarks/embeddings.py [speed] [labels] [skipgram] [cbow]

DATA holds imdb-sample/imdb-sample.tar.gz. Speed: one pass over the training text, words seen five
times or more, width 100; plain gensim and the technique in turn, thrice. Labels: 200 labelled
reviews drawn anew for each of 5 seeds, 4,800 other training reviews and 8,000 unlabelled ones as
text; a mean of word vectors and a linear layer, 30 epochs; each arm's learning rate is its best of
four on 500 validation rows; scores are of 2,000 test rows. Needs 10 to 20 minutes.
"""

import os
import random
import re
import statistics
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pandas as pd
import torch
from gensim.models import Word2Vec
from torch import nn

import advisor
from advisor.host.host import load
from advisor.training.loop import Fit, evaluate, train
from advisor.training.run import apply
from advisor.verdict.statistics import paired_gain
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

SEEDS, LABELS, WIDTH, EPOCHS, TURNS = 5, 200, 100, 30, 3
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
ARMS = {
    "random start": ("", ""),
    "skipgram tuned": ("skipgram", "tuned"),
    "skipgram frozen": ("skipgram", "frozen"),
    "skipgram frozen-then-tuned": ("skipgram", "frozen-then-tuned"),
    "cbow tuned": ("cbow", "tuned"),
    "cbow frozen": ("cbow", "frozen"),
}
"""What is compared, each arm with the best of its own rates: a technique, and how its rows train.
"""
METHODS = {"skipgram": 1, "cbow": 0}
"""Techniques, and what gensim calls them."""
NAMED = [word for word in sys.argv[1:] if word in METHODS] or list(METHODS)
Texts = list[tuple[str, str]]  # a text and the name of its folder


class Mean(nn.Module):
    """The mean of a text's words, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(20_000, WIDTH, padding_idx=0), nn.Linear(WIDTH, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.last(self.words(ids).sum(1) / ids.ne(0).sum(1, keepdim=True).clamp(min=1))


def reviews(split: str) -> Texts:
    path = Path(os.environ["ADVISOR_DATA"]) / "imdb-sample" / "imdb-sample.tar.gz"
    with tarfile.open(path) as archive:
        files = sorted(
            (m for m in archive if m.isfile() and f"/{split}/" in m.name), key=lambda m: m.name
        )
        return [
            (archive.extractfile(m).read().decode().replace("<br />", " "), m.name.split("/")[-2])
            for m in files
        ]


def speed(texts: Texts) -> None:
    words = [re.findall(r"[a-z0-9']+", text.lower()) for text, _ in texts]
    counts = Counter(word for text in words for word in text)
    number = {
        word: i for i, word in enumerate(word for word, times in counts.most_common() if times >= 5)
    }
    plain = [[word for word in text if word in number] for text in words]
    ids = [[number[word] for word in text] for text in plain]
    tokens = sum(map(len, plain))
    print(
        f"{counts.total():,} tokens, {tokens:,} of {len(number):,} words seen 5 times or more; one pass, width {WIDTH}"
    )
    for name in NAMED:
        skip_gram = METHODS[name]
        technique = load().find("embedding", name)
        taken: dict[str, list[tuple[float, float]]] = {"gensim": [], "advisor": []}
        for turn in range(TURNS):
            taken["gensim"].append(timed(Word2Vec, plain, **settings(skip_gram, turn)))
            taken["advisor"].append(timed(technique.vectors, ids, WIDTH, turn, epochs=1))
        for clock, unit in enumerate(("CPU second", "second of wall time")):
            rates = {who: [tokens / pair[clock] for pair in found] for who, found in taken.items()}
            ratios = [
                ours / theirs
                for ours, theirs in zip(rates["advisor"], rates["gensim"], strict=True)
            ]
            both = ", ".join(
                f"{who} {' '.join(f'{rate:,.0f}' for rate in found)}"
                for who, found in rates.items()
            )
            print(
                f"{name}, words per {unit}: {both}; ratio {min(ratios):.2f}–{max(ratios):.2f}",
                flush=True,
            )


def settings(skip_gram: int, seed: int) -> dict:
    return {
        "sg": skip_gram,
        "vector_size": WIDTH,
        "window": 5,
        "epochs": 1,
        "min_count": 1,
        "workers": 1,
        "seed": seed,
    }


def timed(do, *given, **named) -> tuple[float, float]:
    """Seconds of CPU time, gensim's threads with it, which a busy machine hardly moves, and of wall
    time.
    """
    started = time.process_time(), time.perf_counter()
    do(*given, **named)
    return time.process_time() - started[0], time.perf_counter() - started[1]


def labels(texts: Texts, test: Texts) -> None:
    arms = [arm for arm, (name, _) in ARMS.items() if name in ("", *NAMED)]
    valid_scores, test_scores = (
        {(arm, rate): [] for arm in arms for rate in RATES} for _ in range(2)
    )
    with tempfile.TemporaryDirectory() as cache:
        for seed in range(SEEDS):
            prepared = prepare(StudyRef.of(study(texts, test, seed)))
            for arm, rate in valid_scores:
                valid_score, test_score = score(prepared, arm, rate, seed, Path(cache))
                valid_scores[arm, rate].append(valid_score)
                test_scores[arm, rate].append(test_score)
    best = {
        arm: max(RATES, key=lambda rate, arm=arm: statistics.fmean(valid_scores[arm, rate]))
        for arm in arms
    }
    first = arms[0]
    start = test_scores[first, best[first]]
    for arm in arms:
        found = test_scores[arm, best[arm]]
        gain = paired_gain(start, found)
        against = (
            ""
            if arm == first
            else f", gain {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {gain.p:.2g}"
        )
        print(
            f"{arm:26} lr {best[arm]:g}: {statistics.fmean(found):.3f} ({' '.join(f'{x:.3f}' for x in found)}){against}"
        )


def study(texts: Texts, test: Texts, seed: int) -> advisor.Study:
    draw = random.Random(seed)
    labelled = draw.sample([row for row in texts if row[1] != "unsup"], 5_000)
    rows = labelled[:LABELS], labelled[LABELS : LABELS + 500], draw.sample(test, 2_000)
    frames = [pd.DataFrame(part, columns=["text", "label"]) for part in rows]
    rest = labelled[LABELS + 500 :] + [row for row in texts if row[1] == "unsup"]
    unlabeled = pd.DataFrame({"text": [text for text, _ in rest]})
    task = advisor.Task(
        build=Mean,
        train=frames[0],
        valid=frames[1],
        test=frames[2],
        unlabeled=unlabeled,
        target="label",
    )
    return advisor.Study(f"imdb-{seed}", task, seed=seed)


def score(prepared, arm: str, rate: float, seed: int, cache: Path) -> tuple[float, float]:
    splits = prepared.splits(seed)
    run = prepared.run(seed, splits, cache)
    name, rows = ARMS[arm]
    if name:
        told = apply(run, [(load().find("embedding", name), {"rows": rows, "epochs": 5})])
        if rows == "tuned" and rate == RATES[0]:
            print(
                f"seed {seed} {name}: {told['embedding']}; {run.costs['embedding']:.0f} s",
                flush=True,
            )
    *_, last = train(run, Fit(rate, 0.0, 32, 0, EPOCHS), splits.valid)
    return last.score, evaluate(run, splits.test, 256)


def main() -> None:
    torch.set_num_threads(1)
    wanted = [word for word in sys.argv[1:] if word in ("speed", "labels")] or ["speed", "labels"]
    texts = reviews("train")
    if "speed" in wanted:
        speed(texts)
    if "labels" in wanted:
        labels(texts, reviews("test"))


if __name__ == "__main__":
    main()
