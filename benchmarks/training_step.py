"""What a training costs beside the same training written by hand, in four ways.

    python benchmarks/training_step.py [ROUNDS]

For each net: a DataLoader with AdamW as it comes, the same with fused AdamW, rows resident in
memory, and (for convolutions) the channels last. All train as many epochs on as many rows, and
score the validation rows after each epoch. Given are processor seconds of the median round, and
the ratio of each way to ours: above 1, ours is faster. All are done in one process that keeps what
it has freed, as workers do; a script of one's own does not, and takes longer on images.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import advisor
from advisor.training.loop import TrainingSettings
from advisor.training.stacks.alone import trained
from advisor.work.kept_memory import keep_freed_memory
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

CLASSES = 10


class LastOfLstm(nn.Module):
    """An LSTM whose last state says the class."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(16, 64, batch_first=True), nn.Linear(64, CLASSES)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    """A residual block of ResNet-18."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inside, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        fits = stride == 1 and inside == out
        self.short = nn.Identity() if fits else nn.Conv2d(inside, out, 1, stride, bias=False)

    def forward(self, x):
        return torch.relu(self.path(x) + self.short(x))


def chain(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, out in pairwise(widths):
        layers += [nn.Linear(inside, out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))


def small_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, CLASSES),
    )


def resnet18() -> nn.Sequential:
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
    blocks = [Block(inside, out, 1 + (out > inside)) for inside, out in pairwise(widths)]
    stem = (nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(
        *stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES)
    )


@dataclass(frozen=True)
class Case:
    """A net, the shape of a row, rows in all, rows in a mini-batch, epochs."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rows: int
    batch: int
    epochs: int


CASES = {
    "digits 64-128-128": Case(partial(chain, 64, 128, 128), (64,), 1797, 64, 8),
    "MLP 784-256-256": Case(partial(chain, 784, 256, 256), (784,), 5000, 128, 3),
    "30 layers of 64": Case(partial(chain, 64, *[64] * 30), (64,), 1797, 64, 3),
    "small CNN 28x28": Case(small_cnn, (1, 28, 28), 1500, 64, 2),
    "LSTM 64, 20 steps": Case(LastOfLstm, (20, 16), 2000, 64, 3),
    "ResNet-18 32x32": Case(resnet18, (3, 32, 32), 320, 32, 1),
}
"""Nets with data that take about a second each."""
CONVOLUTIONS = ("small CNN 28x28", "ResNet-18 32x32")


def opened(case: Case) -> Prepared:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(case.rows, *case.shape, generator=generator)
    task = advisor.Task(case.build, (x, torch.arange(case.rows) % CLASSES), batch=case.batch)
    return prepare(StudyRef.of(advisor.Study("step", task, epochs=case.epochs)))


def ours(prepared: Prepared, case: Case) -> float:
    run, valid = prepared.run(0, 0), prepared.splits(0).valid
    started = time.process_time()
    for _ in trained(run, TrainingSettings(1e-3, 1e-4, case.batch, 0, case.epochs), valid):
        pass
    return time.process_time() - started


def by_hand(
    prepared: Prepared, case: Case, resident: bool, fused: bool, last: bool = False
) -> float:
    run, valid = prepared.run(0, 0), prepared.splits(0).valid
    model = run.model.to(memory_format=torch.channels_last) if last else run.model
    (x,), y = run.data.train.take(torch.arange(len(run.data.train)))
    (valid_x,), valid_y = valid.take(torch.arange(len(valid)))
    if last:
        x, valid_x = (each.to(memory_format=torch.channels_last) for each in (x, valid_x))
    started = time.process_time()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=fused)
    loader = DataLoader(TensorDataset(x, y), case.batch, shuffle=True)
    for _ in range(case.epochs):
        model.train()
        order = torch.randperm(len(x)).split(case.batch)
        batches = ((x[at], y[at]) for at in order) if resident else loader
        for inputs, target in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), target).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            parts = zip(valid_x.split(case.batch), valid_y.split(case.batch), strict=True)
            right = [model(a).argmax(1) == b for a, b in parts]
        float(torch.cat(right).double().mean())
    return time.process_time() - started


def ways_of(name: str) -> dict[str, Callable[[Prepared, Case], float]]:
    """The ways to train a net, ours first."""
    ways: dict[str, Callable[[Prepared, Case], float]] = {
        "ours": ours,
        "DataLoader": partial(by_hand, resident=False, fused=False),
        "fused": partial(by_hand, resident=False, fused=True),
        "resident": partial(by_hand, resident=True, fused=True),
    }
    if name in CONVOLUTIONS:
        ways["channels_last"] = partial(by_hand, resident=True, fused=True, last=True)
    return ways


def main(rounds: int) -> None:
    one_thread()
    keep_freed_memory()
    for name, case in CASES.items():
        prepared, ways = opened(case), ways_of(name)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, train_by in ways.items():
                spent = train_by(prepared, case)
                if number:  # the first round warms up
                    seconds[way].append(spent)
        own = statistics.median(seconds["ours"])
        cells = [f"ours {own:.2f} s"]
        for way in list(ways)[1:]:
            ratios = [a / b for a, b in zip(seconds[way], seconds["ours"], strict=True)]
            cells.append(f"{way} {statistics.median(ratios):.2f}")
        print(f"{name:18s} {' · '.join(cells)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
