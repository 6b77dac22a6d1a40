"""What pretraining gives and costs on scikit-learn's digits. `python benchmarks/pretraining.py
[deep] [few] [SEEDS]`

Deep: six sigmoid layers of width 64, 1,200 labels, 5 seeds; every arm's learning rate of three is
    chosen on a tenth of the
training rows. Few: layers of width 128, 30 labels and 1,170 unlabeled rows, 12 seeds, in pairs;
    every arm has the learning rate
of four and the weight decay of two that are best on three other seeds. Accuracy on the remaining
597 rows; a seed draws rows and weights. An arm of few labels stands against the same start without
pretraining and against starts that cost nothing, because a start that loses the signal with depth
leaves pretraining something to mend. About ten minutes.
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

HOST = load()
WANTED = [word for word in sys.argv[1:] if not word.isdigit()] or ["deep", "few"]
SEEDS = {"deep": 5, "few": 12} | {
    part: int(word) for word in sys.argv[1:] if word.isdigit() for part in ("deep", "few")
}
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
CHOICES = {
    "default": {},
    "he": {"initializer": "he"},
    "centred": {"initializer": "centred"},
    "rbm": {"pretraining": "rbm"},
    "denoising": {"pretraining": "denoising"},
    "he, denoising": {"initializer": "he", "pretraining": "denoising"},
    "he, denoising 30 rows": {"initializer": "he", "pretraining": "denoising"},
}
AGAINST = {
    "he": ["default"],
    "centred": ["default"],
    "rbm": ["default", "centred"],
    "denoising": ["default", "centred", "he"],
    "he, denoising": ["he"],
    "he, denoising 30 rows": ["he"],
}
"""Arms with few labels, each after the arms that it stands against."""
RELU = ["default", "he", "denoising", "he, denoising"]
NETS = (
    (4, nn.ReLU, [*RELU, "he, denoising 30 rows"]),
    (2, nn.ReLU, RELU),
    (4, nn.Sigmoid, ["default", "centred", "rbm", "denoising"]),
)


def net(width: int, depth: int, act: type[nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), act())]
    return nn.Sequential(nn.Linear(64, width), act(), *hidden, nn.Linear(width, 10))


def digits(seed: int) -> tuple[Tensor, Tensor]:
    x, y = (torch.tensor(column) for column in load_digits(return_X_y=True))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return ((x - x.mean()) / x.std()).float()[order], y[order]


def started(
    model: nn.Module, x: Tensor, y: Tensor, rest: Tensor | None, seed: int, choices: dict[str, str]
) -> float:
    """Apply techniques; returns their seconds."""
    run = run_of(model, x, targets=10, unlabeled=rest, seed=seed)
    run.data.train.target = y
    begun = time.perf_counter()
    put(HOST, run, **choices)
    return time.perf_counter() - begun


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
    return float((model(x).argmax(1) == y).float().mean())


def deep(choices: dict[str, str], seed: int) -> tuple[float, float]:
    """Test accuracy of the rate that is best on held training rows, and the techniques' seconds."""
    x, y = digits(seed)
    model = net(64, 6, nn.Sigmoid, seed)
    seconds = started(model, x[:1080], y[:1080], None, seed, choices)
    models = [trained(model, x[:1080], y[:1080], lr, 12, seed) for lr in RATES]
    found = [
        (accuracy(each, x[1080:1200], y[1080:1200]), accuracy(each, x[1200:], y[1200:]))
        for each in models
    ]
    return max(found)[1], seconds


def few(
    arm: str, depth: int, act: type[nn.Module], seed: int, fits: list[tuple[float, float]]
) -> list[float]:
    """Test accuracy after training on 30 labels, for each learning rate and weight decay."""
    x, y = digits(seed)
    model = net(128, depth, act, seed)
    started(model, x[:30], y[:30], None if "30 rows" in arm else x[30:1200], seed, CHOICES[arm])
    return [
        accuracy(trained(model, x[:30], y[:30], lr, 400, seed, decay), x[1200:], y[1200:])
        for lr, decay in fits
    ]


def few_scores(arm: str, depth: int, act: type[nn.Module]) -> tuple[list[float], str]:
    """Accuracies by seed with the rate and decay that are best on three other seeds, and these."""
    fits = list(product(FEW_RATES, DECAYS))
    others = zip(*(few(arm, depth, act, 1000 + seed, fits) for seed in range(3)), strict=True)
    _, best = max((mean(scores), fit) for scores, fit in zip(others, fits, strict=True))
    scores = [few(arm, depth, act, seed, [best])[0] for seed in range(SEEDS["few"])]
    return scores, f"lr {best[0]:g}, decay {best[1]:g}"


def gain(new: list[float], old: list[float]) -> str:
    pairs = [100 * (a - b) for a, b in zip(new, old, strict=True)]
    half = t.ppf(0.975, len(pairs) - 1) * stdev(pairs) / len(pairs) ** 0.5
    return f"{mean(pairs):+.1f} points [{mean(pairs) - half:+.1f}, {mean(pairs) + half:+.1f}]"


def show_deep() -> None:
    print(f"deep: 6x64 Sigmoid, {SEEDS['deep']} seeds")
    for name, choices in DEEP.items():
        scores, seconds = zip(*(deep(choices, seed) for seed in range(SEEDS["deep"])), strict=True)
        spread = f"{mean(scores):.3f} ± {stdev(scores):.3f}, lowest {min(scores):.3f}"
        print(f"  {name:20s} {spread}, {mean(seconds):.2f} s", flush=True)


def show_few(depth: int, act: type[nn.Module], arms: list[str]) -> None:
    print(
        f"few: {depth}x128 {act.__name__}, 30 labels and 1,170 unlabeled rows, {SEEDS['few']} seeds"
    )
    found: dict[str, list[float]] = {}
    for arm in arms:
        found[arm], fit = few_scores(arm, depth, act)
        against = "; ".join(
            f"against {other} {gain(found[arm], found[other])}"
            for other in AGAINST.get(arm, [])
            if other in found
        )
        print(
            f"  {arm:22s} {mean(found[arm]):.3f} ± {stdev(found[arm]):.3f} ({fit}) {against}",
            flush=True,
        )


def main() -> None:
    torch.set_num_threads(1)
    if "deep" in WANTED:
        show_deep()
    if "few" in WANTED:
        for each in NETS:
            show_few(*each)


if __name__ == "__main__":
    main()
