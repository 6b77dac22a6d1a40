"""Does a study of many tiny trials grow in memory?

    python benchmarks/tiny_trials.py [--trials 500] [--workers 2]

A net of 4-8-2 is tuned on some 70 rows, an epoch or two each, in one study. After every 100th
trial the process that asks and each worker are asked for the memory that is theirs: resident,
without pages of files. A worker has imported all it needs by its first trial, so what comes later
is kept by something. Printed are MiB, the growth from the first measurement to the last, and KiB a
trial of the straight line through all of them. A process that grew by more than 5 % ends this with
1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from memory import descendants
from torch import nn

import advisor

EVERY = 100
"""Trials between two measurements."""
FLAT = 0.05
"""Growth that is flat."""


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """120 rows of two classes that overlap; some 70 are left to train on."""
    x = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).long()


@dataclass
class Memory:
    """What processes hold as a study goes on: told of each event, measures every so many trials.

    Attributes:
        sizes: resident MiB without files, by process and by the number of trials that had ended.
    """

    ended: int = 0
    sizes: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def __call__(self, event: advisor.Event) -> None:
        if not isinstance(event, advisor.TrialEnded):
            return
        self.ended += 1
        if self.ended % EVERY == 0:
            self.measure()

    def measure(self) -> None:
        """Note what each process holds now."""
        own = Path("/proc/self").resolve().name
        tree = descendants(int(own))
        # Workers have no children; the server that forks them has, and its tracker does nothing.
        parents = {each.parent for each in tree.values()}
        names = {own: "the command"}
        workers = [n for n, each in tree.items() if n not in parents and is_worker(n, each.parent)]
        names.update({str(number): f"worker {number}" for number in sorted(workers)})
        for number, name in names.items():
            self.sizes[name][self.ended] = resident(int(number))


def is_worker(number: int, parent: int) -> bool:
    """Whether a process was forked by a server: both have one command line."""
    return commands_of(number) == commands_of(parent) and "forkserver" in commands_of(number)


def commands_of(number: int) -> str:
    """The command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{number}/cmdline").read_text()
    except OSError:
        return ""


def resident(number: int) -> float:
    """Resident MiB of a process, without pages of files."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def growth(sizes: Mapping[int, float]) -> float:
    """The share by which a process has grown from the first measurement to the last."""
    first, *_, last = sizes.values()
    return last / first - 1


def slope(sizes: Mapping[int, float]) -> float:
    """KiB a trial of the straight line through the measurements."""
    line = statistics.linear_regression(list(sizes), list(sizes.values()))
    return 1024 * line.slope


def show(found: Mapping[str, Mapping[int, float]], trials: Sequence[int]) -> bool:
    """Print the table; whether all processes that lived all along are flat."""
    heads = "".join(f"{number:>9}" for number in trials)
    print(f"{'MiB after trials':<18}{heads}{'growth':>9}{'KiB a trial':>13}")
    is_flat = True
    for name, sizes in found.items():
        cells = "".join(f"{sizes[n]:>9.1f}" if n in sizes else f"{'':>9}" for n in trials)
        words = ""
        if len(sizes) > 2:
            words = f"{growth(sizes):>+9.1%}{slope(sizes):>13.2f}"
            is_flat &= growth(sizes) <= FLAT
        print(f"{name:<18}{cells}{words}")
    return is_flat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("benchmarks/tiny_trials.py reads /proc, which only Linux has.")
    memory = Memory()
    task = advisor.Task(net, rows, batch=32)
    study = advisor.Study("tiny", task, trials=given.trials, epochs=2, seeds=3)
    with tempfile.TemporaryDirectory() as folder:
        advisor.tune(study, storage=f"{folder}/tiny.db", workers=given.workers, on=memory)
    trials = range(EVERY, memory.ended + 1, EVERY)
    sys.exit(0 if show(memory.sizes, trials) else 1)


if __name__ == "__main__":
    main()
