"""What a swap costs: microseconds per site and forward pass, and seconds to trace a model once.

    python benchmarks/swap_overhead.py

Compared is the same small network, unmodified and swapped to the same function (ReLU), in
interleaved rounds of processor time; the best round of each counts, because a busy machine only
adds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from models import conv

from advisor.model import select, swap, trace

SITES = 2
"""Activations of each network."""


class Functions(nn.Module):
    """A network that calls its activations as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 250), nn.Linear(250, 100), nn.Linear(100, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.a(x))
        x = F.relu(self.b(x))
        return self.c(x)


class Modules(nn.Module):
    """The same network with its activations as modules."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, 250), nn.ReLU(), nn.Linear(250, 100), nn.ReLU(), nn.Linear(100, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Trained(nn.Module):
    """As much work as nn.ReLU, and a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x)


ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "torch.relu": lambda: torch.relu,
    "F.relu": lambda: F.relu,
    "nn.ReLU()": nn.ReLU,
    "trained module": Trained,
}
"""What is put in the place of an activation; all of it computes ReLU."""


def resnet18(classes: int = 10) -> nn.Module:
    """Its true widths: 11 million parameters."""

    def stage(inplanes: int, planes: int, stride: int) -> nn.Sequential:
        same = stride == 1 and inplanes == planes
        down = None
        if not same:
            projection = nn.Conv2d(inplanes, planes, 1, stride, bias=False)
            down = nn.Sequential(projection, nn.BatchNorm2d(planes))
        first = conv.BasicBlock(inplanes, planes, stride, down)
        return nn.Sequential(first, conv.BasicBlock(planes, planes))

    stem = nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    )
    stages = [stage(64, 64, 1), stage(64, 128, 2), stage(128, 256, 2), stage(256, 512, 2)]
    return nn.Sequential(
        stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)
    )


def overheads(rounds: int = 400, calls: int = 10) -> dict[tuple[str, str], float]:
    """Microseconds per site and forward pass, by (network, activation); "unmodified" is the whole
    forward pass.
    """
    x = torch.randn(32, 64)
    models: dict[tuple[str, str], nn.Module] = {}
    for network in (Functions, Modules):
        models[network.__name__, "unmodified"] = network()
        for name, make in ACTIVATIONS.items():
            model = models[network.__name__, name] = network()
            swap(model, trace(model, (x,)), lambda _, make=make: make(), inputs=(x,))
    best = dict.fromkeys(models, float("inf"))
    for _ in range(rounds):
        for key, model in models.items():
            started = time.thread_time()  # without the time in which others had the processor
            for _ in range(calls):
                model(x)
            best[key] = min(best[key], (time.thread_time() - started) / calls * 1e6)
    microseconds = {}
    for (network, name), least in best.items():
        plain = best[network, "unmodified"]
        added = (least - plain) / SITES
        microseconds[network, name] = plain if name == "unmodified" else added
    return microseconds


def seconds_to_select(rounds: int = 5) -> float:
    """The best time of trace and select on a ResNet-18."""
    model, x = resnet18(), torch.randn(2, 3, 64, 64)
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        assert len(select(trace(model, (x,)))) == 9
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    torch.set_num_threads(1)
    print("64-250-100-10, batch 32, two sites")
    print("µs per forward pass (unmodified), and µs that each site adds (swapped):")
    for (network, name), microseconds in overheads().items():
        print(f"  {network:10} {name:15} {microseconds:8.2f}")
    model, x = resnet18(), torch.randn(2, 3, 64, 64)
    started = time.perf_counter()
    model(x)
    plain = time.perf_counter() - started
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"ResNet-18 ({size:.1f} M parameters), batch 2x3x64x64, seconds:")
    print(f"  one forward {plain:.3f}, trace and select {seconds_to_select():.3f}")


if __name__ == "__main__":
    main()
