"""What a training costs before its first step: milliseconds of the processor, one thread.

    python benchmarks/before_training.py [ROUNDS] [NET …]

For each net: to build it, to apply an activation, an initializer, and both, and to check the signal
of what came out. The nets are those of `stacked.py` and two of some depth; the median of the rounds
counts, and their mean is beside it, which has the collections of garbage that fall into them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from stacked import NETS, rows
from torch import nn

import advisor
from advisor.diagnosis.diagnose import glance
from advisor.training.run import apply
from advisor.work.in_order import techniques_in_order
from advisor.work.opened import in_this_process
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

CHOICES: tuple[Mapping[str, str], ...] = (
    {"activation": "elu"},
    {"activation": "prelu"},
    {"initializer": "he"},
    {"initializer": "lsuv"},
    {"activation": "elu", "initializer": "lsuv"},
)


class Block(nn.Module):
    """Two convolutions with a shortcut past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.other = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm, self.other_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.act(self.norm(self.one(x)))
        return self.act(x + self.other_norm(self.other(y)))


class Residual(nn.Module):
    """Eight blocks, as a ResNet-18 has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(16) for _ in range(8)))
        self.last = nn.Linear(16, 10)

    def forward(self, x):
        return self.last(self.blocks(self.first(x.view(-1, 1, 8, 8))).mean((2, 3)))


class Encoder(nn.Module):
    """Four of torch's transformer layers."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.first, self.layers = nn.Linear(8, 32), nn.TransformerEncoder(layer, 4)
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        return self.last(self.layers(self.first(x.view(-1, 8, 8))).mean(1))


DEEP: dict[str, Callable[[], nn.Module]] = {
    **{name: NETS[name] for name in ("30 layers of 64", "CNN", "LSTM")},
    "8 residual blocks": Residual,
    "4 transformer layers": Encoder,
}


def shown(times: Sequence[float]) -> str:
    return f"{1e3 * statistics.median(times):6.1f} (mean {1e3 * statistics.mean(times):6.1f})"


def costs(prepared: Prepared, choices: Mapping[str, str], seed: int) -> tuple[float, float, float]:
    """Seconds to build a model, to apply techniques to it, and to check it."""
    splits = prepared.splits(0)
    techniques = techniques_in_order(prepared.host, choices)
    started = time.process_time()
    run = prepared.run(seed, splits)
    built = time.process_time()
    apply(run, techniques)
    applied = time.process_time()
    glance(run)
    return built - started, applied - built, time.process_time() - applied


def main() -> None:
    one_thread()
    torch.manual_seed(0)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name in sys.argv[2:] or DEEP:
        task = advisor.Task(DEEP[name], rows(name))
        prepared = prepare(StudyRef.of(advisor.Study("before", task, epochs=1)))
        with in_this_process(prepared):
            for choices in CHOICES:
                # The first one fills caches.
                rounds_of = [costs(prepared, choices, seed) for seed in range(rounds + 1)][1:]
                times = zip(("build", "apply", "check"), zip(*rounds_of, strict=True), strict=True)
                steps = "  ".join(f"{step} {shown(each)}" for step, each in times)
                print(f"{name:20} {' + '.join(choices.values()):12} {steps}", flush=True)


if __name__ == "__main__":
    main()
