"""Problems whose truth can be measured by plain PyTorch: models and data of study files, and what
techniques do to them.

Of a study file only the model, the data, the number of epochs, the batch, the loss and the metric
are read; what a technique does is written again here, at its usual parameters. AdamW trains at a
constant rate. Each seed draws its training rows anew (as many as a study has) and scores all other
rows.
"""

from __future__ import annotations

import math
import re
import runpy
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).parents[1] / "studies" / "known_answers"
"""Where the study files are."""
TRAIN_SHARE = 0.6
"""The share of rows that train, as in a study that draws its own splits."""
DECAY = 1e-4
"""Weight decay of the weights; biases have none."""
KEEP = "keep"
"""The model as it is."""


# --- what the techniques do ---------------------------------------------------------------------

Edit = Callable[[nn.Module, "Problem", Tensor, int], nn.Module]
"""A technique: `(model, problem, inputs of the training rows, seed) -> model`."""
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
"""Activations by name."""


def swap(act: Callable[[], nn.Module], model: nn.Module, *_: object) -> nn.Module:
    """Put an activation in the place of every other one."""
    old = tuple(kind for kind in ACTIVATIONS.values() if isinstance(kind, type))
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, old):
                setattr(parent, name, act())
    return model


def start(fill: Callable[[Tensor, float], object], model: nn.Module, *_: object) -> nn.Module:
    """Fill the weights of linear layers, with the gain of the activation, and biases with zero."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    has_relu = any(isinstance(module, nn.ReLU) for module in model.modules())
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else math.sqrt(2) if has_relu else 1.59
        fill(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return model


def normal(weight: Tensor, gain: float) -> Tensor:
    """N(0, gain² / fan_in)."""
    return nn.init.normal_(weight, std=gain / math.sqrt(weight.shape[1]))


def uniform(weight: Tensor, gain: float) -> Tensor:
    """The same variance, uniform."""
    bound = gain * math.sqrt(3 / weight.shape[1])
    return nn.init.uniform_(weight, -bound, bound)


def denoising(model: nn.Module, problem: Problem, x: Tensor, seed: int) -> nn.Module:
    """Train each hidden layer in turn to restore its input from a noisy one."""
    modules = list(model)
    generator = torch.Generator().manual_seed(seed)
    for i in range(0, len(modules) - 1, 2):
        layer, act = modules[i], modules[i + 1]
        decoder = nn.Linear(layer.out_features, layer.in_features)
        parameters = [*layer.parameters(), *decoder.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=3e-3)
        for _ in range(15):
            for rows in torch.randperm(len(x), generator=generator).split(problem.batch):
                noisy = x[rows] + 0.3 * torch.randn(x[rows].shape, generator=generator)
                loss = F.mse_loss(decoder(act(layer(noisy))), x[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            x = act(layer(x))
    return model


def skipgram(model: nn.Module, problem: Problem, _x: Tensor, _seed: int) -> nn.Module:
    """Begin with word2vec's vectors of the texts without a label, as large as the model's own."""
    vectors = _word_vectors(problem.name, model.words.embedding_dim)
    table = model.words.weight.data
    size = table[1:].std()
    table[1:] = torch.from_numpy(vectors) * (size / vectors.std())
    return model


@lru_cache
def _word_vectors(name: str, width: int) -> np.ndarray:
    """A vector for each word of a problem."""
    from gensim.models import Word2Vec  # an optional dependency, for two cases

    texts = problem_of(name).unlabeled
    model = Word2Vec(
        texts, vector_size=width, window=5, sg=1, min_count=1, epochs=15, seed=1, workers=1
    )
    words = _vocabulary(name)
    return np.stack([model.wv[word] for word in words]).astype("float32")


EDITS: dict[str, Edit] = {
    KEEP: lambda model, *_: model,
    "denoising": denoising,
    "skipgram": skipgram,
    "he": partial(start, normal),
    "he_uniform": partial(start, uniform),
    "lecun": partial(start, lambda weight, _: normal(weight, 1.0)),
    "xavier": partial(start, lambda weight, gain: nn.init.xavier_normal_(weight, gain)),
    "orthogonal": partial(start, lambda weight, gain: nn.init.orthogonal_(weight, gain)),
    **{name: partial(swap, act) for name, act in ACTIVATIONS.items()},
}
"""What each technique does."""


# --- the problems -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A model and data of a study, and the arms that it offers.

    Attributes:
        name: of the study file, or `null_rate:` and a data set.
        build: gives a new model.
        x, y: the labelled rows; texts are rows of word numbers.
        train_rows: how many of them train.
        epochs, batch: of a training.
        loss: `(output, target) -> Tensor`.
        metric: `accuracy`, `macro_f1` or `r2`; higher is better.
        min_gain: the smallest gain worth having.
        arms: names of the techniques.
        unlabeled: texts as words, where a technique reads them.
    """

    name: str
    build: Callable[[], nn.Module]
    x: Tensor
    y: Tensor
    train_rows: int
    epochs: int
    batch: int
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: str
    min_gain: float
    arms: tuple[str, ...]
    unlabeled: list[list[str]]

    def train(self, arm: str, params: Mapping[str, float], seed: int) -> float:
        """The score of one training at `params["rate"]`: the mean of its last epochs'."""
        train, others = self._split(seed)
        torch.manual_seed(seed)
        model = EDITS[arm](self.build(), self, self.x[train], seed)
        weights = [p for p in model.parameters() if p.ndim >= 2]
        biases = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=params["rate"], weight_decay=DECAY, fused=True)

        order = torch.Generator().manual_seed(seed)
        last = max(1, min(3, self.epochs // 3))
        scores = []
        for epoch in range(self.epochs):
            model.train()
            for rows in train[torch.randperm(len(train), generator=order)].split(self.batch):
                optimizer.zero_grad()
                self.loss(model(self.x[rows]), self.y[rows]).backward()
                optimizer.step()
            if epoch >= self.epochs - last:
                scores.append(self._score(model, others))
        return statistics.fmean(scores)

    def constant(self) -> float:
        """The score of the best answer that is the same for all rows."""
        if self.metric == "r2":
            return 0.0
        counts = torch.bincount(self.y)
        share = float(counts.max() / counts.sum())
        return share if self.metric == "accuracy" else 2 * share / (1 + share) / len(counts)

    def _split(self, seed: int) -> tuple[Tensor, Tensor]:
        """The rows that train, and all others."""
        classes = None if self.metric == "r2" else self.y
        train, others = train_test_split(
            np.arange(len(self.y)), train_size=self.train_rows, random_state=seed, stratify=classes
        )
        return torch.from_numpy(train), torch.from_numpy(others)

    def _score(self, model: nn.Module, rows: Tensor) -> float:
        model.eval()
        with torch.no_grad():
            output = model(self.x[rows])
        truth = self.y[rows]
        if not bool(torch.isfinite(output).all()):
            return self.constant()
        if self.metric == "r2":
            residual = ((output.reshape(-1) - truth) ** 2).sum()
            return max(-1.0, float(1 - residual / ((truth - truth.mean()) ** 2).sum()))
        guess = output.argmax(1)
        if self.metric == "accuracy":
            return float((guess == truth).double().mean())
        return float(f1_score(truth, guess, average="macro", zero_division=0))


SETS = {
    "digits": load_digits,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "diabetes": load_diabetes,
}
"""Data sets on which `benchmarks/null_rate.py` asks real studies without a difference."""
NULLS = [f"null_rate:{name}" for name in SETS]
"""Their names as problems: one hidden layer of 128 rectifiers, and other rectifiers."""
NULL_ARMS = ("leaky_relu", "gelu")
"""What these offer. SiLU is not among it: it gains .02 on iris and .006 on breast_cancer."""


@lru_cache
def problem_of(name: str) -> Problem:
    """A problem by name."""
    return _null(name) if name in NULLS else _of_study(name)


def _null(name: str) -> Problem:
    """A problem of `benchmarks/null_rate.py`."""
    data_set = name.partition(":")[2]
    x, y = SETS[data_set](return_X_y=True)
    x = ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype("float32")
    is_regression = data_set == "diabetes"
    outputs = 1 if is_regression else len(np.unique(y))
    if is_regression:
        y = ((y - y.mean()) / y.std()).astype("float32")

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, outputs))

    def squared_error(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output.reshape(-1), target)

    return Problem(
        name=name,
        build=build,
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        train_rows=round(TRAIN_SHARE * len(y)),
        epochs=24,
        batch=64 if len(y) > 1000 else 32,
        loss=squared_error if is_regression else F.cross_entropy,
        metric="r2" if is_regression else "accuracy",
        min_gain=0.01 if is_regression else 0.005,
        arms=NULL_ARMS,
        unlabeled=[],
    )


def _of_study(name: str) -> Problem:
    """The problem of a study file."""
    study = _study(name)
    task, data = study.task, study.task.data()
    unlabeled: list[list[str]] = []
    if isinstance(data, dict):
        parts = [data[part] for part in ("train", "valid", "test")]
        texts = [text for part in parts for text in part[0]]
        labels = [label for part in parts for label in part[1]]
        unlabeled = [_words(text) for text in [*data["train"][0], *data["unlabeled"]]]
        x, y = _numbers(name, texts), np.unique(labels, return_inverse=True)[1]
        train_rows = len(data["train"][0])
        classes = len(set(labels))
        build = partial(task.build, len(_vocabulary(name)) + 1, classes)
    else:
        x, y = torch.from_numpy(data[0]), data[1]
        train_rows, build = round(TRAIN_SHARE * len(y)), task.build
    return Problem(
        name=name,
        build=build,
        x=x,
        y=torch.from_numpy(np.asarray(y)),
        train_rows=train_rows,
        epochs=study.epochs,
        batch=task.batch,
        loss=task.loss,
        metric=task.metric,
        min_gain=study.min_gain,
        arms=tuple(arm for names in study.only.values() for arm in names),
        unlabeled=unlabeled,
    )


@lru_cache
def _study(name: str) -> Any:
    """The study of a file, of which only the parts are read that say what is trained."""
    return _names_in(name)["study"]


@lru_cache
def _names_in(name: str) -> dict[str, Any]:
    """What a study file defines."""
    sys.path.insert(0, str(FOLDER))
    try:
        return runpy.run_path(str(FOLDER / f"{name}.py"))
    finally:
        sys.path.remove(str(FOLDER))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


@lru_cache
def _vocabulary(name: str) -> dict[str, int]:
    """A number from 1 for each word of the texts without a label and of those that train."""
    data = _study(name).task.data()
    words = {word for text in [*data["train"][0], *data["unlabeled"]] for word in _words(text)}
    return {word: number for number, word in enumerate(sorted(words), 1)}


def _numbers(name: str, texts: Sequence[str]) -> Tensor:
    """Texts as rows of word numbers, filled up with 0; words that are not known are left out."""
    known = _vocabulary(name)
    rows = [torch.tensor([known[w] for w in _words(text) if w in known] or [0]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def measured_cases() -> list[str]:
    """The study files whose truth was measured here: they say so."""
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    texts = {name: (FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in names}
    return [name for name, text in texts.items() if "benchmarks/known_truths.py" in text]
