"""Which start trains a plain net of fifty layers: accuracy, and what each start costs.

    python benchmarks/deep_plain.py [--seeds 10] [--depth 50] [--width 64] [--epochs 20]
        [--activation relu] [--rates 1e-4 3e-4 1e-3 3e-3] [--only trelu,lsuv]

A net of linear layers and activations, without normalization and shortcuts, on scikit-learn's
digits (1,200 rows to train, 597 to score). Every arm has the learning rate that is best on three
other seeds, as mean of held training rows. Then a line for each arm: the mean of the test accuracy
over the seeds with its 95 % interval, the gain over the start that PyTorch gives and over the best
of the others in pairs of seeds, the worst seed, the correlation of the rows after the last hidden
layer at the start, and seconds of the start and of an epoch.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from models.runs import put, run_of
from scipy.stats import t
from sklearn.datasets import load_digits

from advisor.host.host import load
from advisor.work.threads import one_thread

HOST = load()
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}
ARMS: dict[str, dict[str, object]] = {
    "default": {},
    "he": {"initializer": "he"},
    "orthogonal": {"initializer": "orthogonal"},
    "lsuv": {"initializer": "lsuv"},
    "autoinit": {"initializer": "autoinit"},
    "trelu": {"activation": "trelu"},
    "tat": {"activation": "tat"},
    "tat softplus": {"activation": ("tat", {"function": "softplus"})},
    "dks": {"activation": "dks"},
    "dks softplus": {"activation": ("dks", {"function": "softplus"})},
}
"""Techniques by the name of an arm."""
TRAIN, HELD, BATCH = 1200, 200, 64
"""Rows to train on, those of them that are held out while a rate is chosen, and of a mini-batch."""
TUNING_SEEDS = 3
"""Seeds on which rates are chosen; the others measure."""


@dataclass
class Measured:
    """An arm on all seeds."""

    rate: float
    scores: list[float] = field(default_factory=list)
    alike: list[float] = field(default_factory=list)
    starting: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)


def net(options: argparse.Namespace, seed: int) -> nn.Sequential:
    """`depth` hidden layers, with the initial draws of a seed."""
    torch.manual_seed(seed)
    sizes = [64, *[options.width] * options.depth]
    hidden: list[nn.Module] = []
    for one, other in pairwise(sizes):
        hidden += [nn.Linear(one, other), ACTIVATIONS[options.activation]()]
    return nn.Sequential(*hidden, nn.Linear(options.width, 10))


def digits(seed: int) -> tuple[Tensor, Tensor]:
    """The images and their digits, in an order that a seed draws."""
    x, y = (torch.tensor(column) for column in load_digits(return_X_y=True))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return ((x - x.mean()) / x.std()).float()[order], y[order]


def started(options: argparse.Namespace, arm: str, seed: int) -> tuple[nn.Module, float]:
    """A net with an arm's techniques, and their processor seconds."""
    x, y = digits(seed)
    run = run_of(net(options, seed), x[:TRAIN], targets=10, seed=seed)
    run.data.train.target = y[:TRAIN]
    began = time.process_time()
    put(HOST, run, **ARMS[arm])
    return run.model, time.process_time() - began


def score(
    model: nn.Module, rows: int, against: slice, rate: float, epochs: int, seed: int
) -> tuple[float, float]:
    """Accuracy of a trained copy on some rows, and processor seconds of an epoch."""
    x, y = digits(seed)
    model = copy.deepcopy(model)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-4, fused=True)
    began = time.process_time()
    for _ in range(epochs):
        for index in torch.randperm(rows).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    seconds = (time.process_time() - began) / epochs
    with torch.no_grad():
        right = model(x[against]).argmax(1) == y[against]
    return float(right.float().mean()), seconds


def best_rate(options: argparse.Namespace, arm: str) -> float:
    """The rate with the best mean on held training rows of the tuning seeds."""
    held = slice(TRAIN - HELD, TRAIN)
    means = []
    for rate in options.rates:
        scores = []
        for seed in range(1000, 1000 + TUNING_SEEDS):
            model, _ = started(options, arm, seed)
            scores.append(score(model, TRAIN - HELD, held, rate, options.epochs, seed)[0])
        means.append((mean(scores), rate))
    return max(means)[1]


def alike(model: nn.Module, seed: int) -> float:
    """The mean cosine between rows after the last hidden layer."""
    assert isinstance(model, nn.Sequential)
    with torch.no_grad():
        signal = model[:-1](digits(seed)[0][:128])
    return float(F.cosine_similarity(signal[:, None], signal[None], dim=2).mean())


def measured(options: argparse.Namespace, arm: str) -> Measured:
    """An arm on all seeds, at its best rate."""
    found = Measured(best_rate(options, arm))
    for seed in range(options.seeds):
        model, seconds = started(options, arm, seed)
        found.starting.append(seconds)
        found.alike.append(alike(model, seed))
        got = score(model, TRAIN, slice(TRAIN, None), found.rate, options.epochs, seed)
        found.scores.append(got[0])
        found.epochs.append(got[1])
    return found


def interval(numbers: list[float]) -> float:
    """Half of the 95 % interval of a mean."""
    if len(numbers) < 2:
        return float("nan")
    return float(t.ppf(0.975, len(numbers) - 1) * stdev(numbers) / len(numbers) ** 0.5)


def gain(new: Measured, old: Measured) -> str:
    """The paired gain in points."""
    pairs = [100 * (a - b) for a, b in zip(new.scores, old.scores, strict=True)]
    return f"{mean(pairs):+.1f} ± {interval(pairs):.1f}"


def line(arm: str, found: Measured) -> str:
    """What is printed of an arm."""
    accuracy = f"{mean(found.scores):.3f} ± {interval(found.scores):.3f}"
    worst = f"worst {min(found.scores):.3f}, lr {found.rate:g}"
    cost = f"start {mean(found.starting):.2f} s, epoch {mean(found.epochs):.2f} s"
    return f"{arm:13s} {accuracy}, {worst}, rows alike {mean(found.alike):.3f}, {cost}"


def options_given() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--activation", choices=list(ACTIVATIONS), default="relu")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 3e-4, 1e-3, 3e-3])
    parser.add_argument("--only", default="", help="arms, with commas")
    return parser.parse_args()


def main() -> None:
    options = options_given()
    one_thread()
    print(
        f"{options.depth}x{options.width} {options.activation}, {options.seeds} seeds", flush=True
    )
    by_arm: dict[str, Measured] = {}
    for arm in [each for each in options.only.split(",") if each] or ARMS:
        by_arm[arm] = measured(options, arm)
        print(line(arm, by_arm[arm]), flush=True)
    best = max(by_arm, key=lambda arm: mean(by_arm[arm].scores))
    print(f"\ngains in points, in pairs of seeds, against PyTorch's start and against {best}")
    for arm, found in by_arm.items():
        against = [by_arm[other] for other in ("default", best) if other in by_arm]
        print(f"{arm:13s} " + ", ".join(gain(found, other) for other in against))


if __name__ == "__main__":
    main()
