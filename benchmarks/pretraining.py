"""What pretraining gives and costs on scikit-learn's digits.

    python benchmarks/pretraining.py [deep] [few] [SEEDS]

Deep: six sigmoid layers of width 64, 1,200 labels, 5 seeds; every arm's learning rate of three is
chosen on a tenth of the training rows. Few: layers of width 128, 30 labels and 1,170 unlabeled
rows, 12 seeds, in pairs; every arm has the learning rate of four and the weight decay of two that
are best on three other seeds. Accuracy on the remaining 597 rows; a seed draws rows and weights. An
arm of few labels stands against the same start without pretraining and against starts that cost
nothing, because a start that loses the signal with depth leaves pretraining something to mend.
About ten minutes.
"""

from __future__ import annotations

import copy
import sys
import time
from itertools import product
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
PARTS_ASKED = [word for word in sys.argv[1:] if not word.isdigit()] or ["deep", "few"]
SEEDS = {"deep": 5, "few": 12}
"""Seeds of each part; a number on the command line, at least 2, stands for both."""
for word in sys.argv[1:]:
    if word.isdigit():
        SEEDS = dict.fromkeys(SEEDS, int(word))
RATES, FEW_RATES, DECAYS = (1e-3, 3e-3, 1e-2), (3e-4, 1e-3, 3e-3, 1e-2), (0.0, 0.1)
DEEP = {
    "default": {},
    "lsuv": {"initializer": "lsuv"},
    "centred": {"initializer": "centred"},
    "rbm": {"pretraining": "rbm"},
    "denoising": {"pretraining": "denoising"},
    "autoencoder": {"pretraining": "autoencoder"},
    "sparse_autoencoder": {"pretraining": "sparse_autoencoder"},
    "contractive": {"pretraining": "contractive"},
    "supervised": {"pretraining": "supervised"},
}
"""Arms with all labels."""
CHOICES = {
    "default": {},
    "he": {"initializer": "he"},
    "centred": {"initializer": "centred"},
    "rbm": {"pretraining": "rbm"},
    "denoising": {"pretraining": "denoising"},
    "he, denoising": {"initializer": "he", "pretraining": "denoising"},
    "he, denoising 30 rows": {"initializer": "he", "pretraining": "denoising"},
}
"""Arms with few labels."""
AGAINST = {
    "he": ["default"],
    "centred": ["default"],
    "rbm": ["default", "centred"],
    "denoising": ["default", "centred", "he"],
    "he, denoising": ["he"],
    "he, denoising 30 rows": ["he"],
}
"""The arms that an arm with few labels stands against."""
RELU = ["default", "he", "denoising", "he, denoising"]
NETS = (
    (4, nn.ReLU, [*RELU, "he, denoising 30 rows"]),
    (2, nn.ReLU, RELU),
    (4, nn.Sigmoid, ["default", "centred", "rbm", "denoising"]),
)
"""Depth, activation and arms of each net with few labels."""


def net(width: int, depth: int, act: type[nn.Module], seed: int) -> nn.Module:
    """Plain layers on 64 pixels, with the initial draws of a seed."""
    torch.manual_seed(seed)
    hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), act())]
    return nn.Sequential(nn.Linear(64, width), act(), *hidden, nn.Linear(width, 10))


def digits(seed: int) -> tuple[Tensor, Tensor]:
    """The images and their digits, in an order that a seed draws."""
    x, y = (torch.tensor(column) for column in load_digits(return_X_y=True))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return ((x - x.mean()) / x.std()).float()[order], y[order]


def started(
    model: nn.Module, x: Tensor, y: Tensor, rest: Tensor | None, seed: int, choices: dict[str, str]
) -> float:
    """Apply techniques to a model and return their seconds."""
    run = run_of(model, x, targets=10, unlabeled=rest, seed=seed)
    run.data.train.target = y
    began = time.perf_counter()
    put(HOST, run, **choices)
    return time.perf_counter() - began


def trained(
    model: nn.Module, x: Tensor, y: Tensor, lr: float, epochs: int, seed: int, decay: float = 0.0
) -> nn.Module:
    """A trained copy of `model`."""
    model = copy.deepcopy(model)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=decay, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    return model


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of rows whose digit a model gets right."""
    return float((model(x).argmax(1) == y).float().mean())


def deep(choices: dict[str, str], seed: int) -> tuple[float, float]:
    """Test accuracy of the rate that is best on held training rows, and the techniques' seconds."""
    x, y = digits(seed)
    model = net(64, 6, nn.Sigmoid, seed)
    seconds = started(model, x[:1080], y[:1080], None, seed, choices)
    scores = []
    for lr in RATES:
        model_at_rate = trained(model, x[:1080], y[:1080], lr, 12, seed)
        held = accuracy(model_at_rate, x[1080:1200], y[1080:1200])
        scores.append((held, accuracy(model_at_rate, x[1200:], y[1200:])))
    return max(scores)[1], seconds


def few(
    arm: str, depth: int, act: type[nn.Module], seed: int, fits: list[tuple[float, float]]
) -> list[float]:
    """Test accuracy after training on 30 labels, for each learning rate and weight decay."""
    x, y = digits(seed)
    model = net(128, depth, act, seed)
    rest = None if "30 rows" in arm else x[30:1200]
    started(model, x[:30], y[:30], rest, seed, CHOICES[arm])
    scores = []
    for lr, decay in fits:
        fitted = trained(model, x[:30], y[:30], lr, 400, seed, decay)
        scores.append(accuracy(fitted, x[1200:], y[1200:]))
    return scores


def few_scores(arm: str, depth: int, act: type[nn.Module]) -> tuple[list[float], str]:
    """Accuracies by seed with the rate and decay that are best on three other seeds, and these."""
    fits = list(product(FEW_RATES, DECAYS))
    others = zip(*(few(arm, depth, act, 1000 + seed, fits) for seed in range(3)), strict=True)
    _, best = max((mean(scores), fit) for scores, fit in zip(others, fits, strict=True))
    scores = [few(arm, depth, act, seed, [best])[0] for seed in range(SEEDS["few"])]
    return scores, f"lr {best[0]:g}, decay {best[1]:g}"


def gain(new: list[float], old: list[float]) -> str:
    """The paired gain in points, with its 95 % interval."""
    pairs = [100 * (a - b) for a, b in zip(new, old, strict=True)]
    middle = mean(pairs)
    half = t.ppf(0.975, len(pairs) - 1) * stdev(pairs) / len(pairs) ** 0.5
    return f"{middle:+.1f} points [{middle - half:+.1f}, {middle + half:+.1f}]"


def show_deep() -> None:
    """Print a line for each arm with all labels."""
    print(f"deep: 6x64 Sigmoid, {SEEDS['deep']} seeds")
    for name, choices in DEEP.items():
        scores, seconds = zip(*(deep(choices, seed) for seed in range(SEEDS["deep"])), strict=True)
        spread = f"{mean(scores):.3f} ± {stdev(scores):.3f}, lowest {min(scores):.3f}"
        print(f"  {name:20s} {spread}, {mean(seconds):.2f} s", flush=True)


def show_few(depth: int, act: type[nn.Module], arms: list[str]) -> None:
    """Print a line for each arm with few labels, and below it what it stands against."""
    about = f"{depth}x128 {act.__name__}, 30 labels and 1,170 unlabeled rows"
    print(f"few: {about}, {SEEDS['few']} seeds")
    by_arm: dict[str, list[float]] = {}
    for arm in arms:
        scores, fit = few_scores(arm, depth, act)
        print(f"  {arm:22s} {mean(scores):.3f} ± {stdev(scores):.3f} ({fit})", flush=True)
        for other in AGAINST.get(arm, []):
            if other in by_arm:
                print(f"    against {other}: {gain(scores, by_arm[other])}", flush=True)
        by_arm[arm] = scores


def main() -> None:
    one_thread()
    if "deep" in PARTS_ASKED:
        show_deep()
    if "few" in PARTS_ASKED:
        for each in NETS:
            show_few(*each)


if __name__ == "__main__":
    main()
