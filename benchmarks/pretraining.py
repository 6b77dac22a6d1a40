"""What pretraining gives and costs on scikit-learn's digits, over five seeds. `python benchmarks/pretraining.py [SEEDS]`

Deep: six sigmoid layers of width 64, 1,200 labels. Few: four layers of width 128, 30 labels and 1,170 unlabeled rows, against
the same net without pretraining, in pairs. Accuracy on the remaining 597 rows; every arm has its own learning rate of three,
chosen on a tenth of the training rows (deep) or on three other seeds (few).
"""

from __future__ import annotations

import copy
import sys
import time
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
SEEDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
RATES = (1e-3, 3e-3, 1e-2)
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


def net(width: int, depth: int, act: type[nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), act())]
    return nn.Sequential(nn.Linear(64, width), act(), *hidden, nn.Linear(width, 10))


def digits(seed: int) -> tuple[Tensor, Tensor]:
    x, y = (torch.tensor(column) for column in load_digits(return_X_y=True))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return ((x - x.mean()) / x.std()).float()[order], y[order]


def started(model: nn.Module, x: Tensor, y: Tensor, rest: Tensor | None, seed: int, choices: dict[str, str]) -> float:
    """Apply techniques; returns their seconds."""
    run = run_of(model, x, targets=10, unlabeled=rest, seed=seed)
    run.data.train.target = y
    begun = time.perf_counter()
    put(HOST, run, **choices)
    return time.perf_counter() - begun


def trained(model: nn.Module, x: Tensor, y: Tensor, lr: float, epochs: int, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def deep(choices: dict[str, str], seed: int) -> tuple[float, float]:
    """Test accuracy of the rate that is best on held training rows, and the techniques' seconds."""
    x, y = digits(seed)
    found = []
    for lr in RATES:
        model = net(64, 6, nn.Sigmoid, seed)
        seconds = started(model, x[:1080], y[:1080], None, seed, choices)
        trained(model, x[:1080], y[:1080], lr, 12, seed)
        found.append((accuracy(model, x[1080:1200], y[1080:1200]), accuracy(model, x[1200:], y[1200:]), seconds))
    return max(found)[1:]


def few(name: str | None, act: type[nn.Module], seed: int) -> list[float]:
    """Test accuracy after training on 30 labels, for each rate."""
    x, y = digits(seed)
    model = net(128, 4, act, seed)
    if name:
        started(model, x[:30], y[:30], x[30:1200], seed, {"pretraining": name})
    found = []
    for lr in RATES:
        one = copy.deepcopy(model)
        trained(one, x[:30], y[:30], lr, 400, seed)
        found.append(accuracy(one, x[1200:], y[1200:]))
    return found


def few_scores(name: str | None, act: type[nn.Module]) -> list[float]:
    """Accuracies by seed at the rate that is best on three other seeds."""
    others = zip(*(few(name, act, 1000 + seed) for seed in range(3)), strict=True)
    means = [mean(scores) for scores in others]
    return [few(name, act, seed)[means.index(max(means))] for seed in range(SEEDS)]


def gain(pairs: list[float]) -> str:
    half = t.ppf(0.975, len(pairs) - 1) * stdev(pairs) / len(pairs) ** 0.5
    return f"gain {100 * mean(pairs):+.1f} points [{100 * (mean(pairs) - half):+.1f}, {100 * (mean(pairs) + half):+.1f}]"


def main() -> None:
    torch.set_num_threads(1)
    print(f"deep: 6x64 sigmoid, {SEEDS} seeds")
    for name, choices in DEEP.items():
        if not all(HOST.find(*choice) for choice in choices.items()):
            print(f"  {name}: not loaded")
            continue
        scores, seconds = zip(*(deep(choices, seed) for seed in range(SEEDS)), strict=True)
        print(
            f"  {name:20s} {mean(scores):.3f} ± {stdev(scores):.3f}, lowest {min(scores):.3f}, {mean(seconds):.2f} s", flush=True
        )
    for act in (nn.Sigmoid, nn.ReLU):
        print(f"few: 4x128 {act.__name__}, 30 labels and 1,170 unlabeled rows, {SEEDS} seeds")
        plain = few_scores(None, act)
        print(f"  {'default':20s} {mean(plain):.3f} ± {stdev(plain):.3f}")
        for name in ("rbm", "denoising"):
            scores = few_scores(name, act)
            pairs = [new - old for new, old in zip(scores, plain, strict=True)]
            print(f"  {name:20s} {mean(scores):.3f} ± {stdev(scores):.3f}, {gain(pairs)}", flush=True)


if __name__ == "__main__":
    main()
