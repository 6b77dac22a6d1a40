"""What masked modelling gives and costs where few rows have a label.

    ADVISOR_DATA=DATA python benchmarks/masked.py [adult] [bag] [attention] [--seeds 10]
        [--labels 100] [--passes 10]

Adult: a census of 5,000 rows, two layers of 128. Bag and attention: 6,920 sentences of film reviews
(SST-2), read as the mean of word vectors with a hidden layer, or by a layer of attention. A seed
draws the weights and the rows that have a label (all others are unlabeled); the test rows are 2,000
others (1,821 sentences). Every arm has the learning rate of three that is best on three other
seeds. Gains are in points, in pairs of seeds, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).with_name("five")))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import rows
from models.runs import put, run_of
from nets import TOKENS, SentenceNet, adult_net
from pretraining import accuracy, gain, trained

from advisor.host.host import load
from advisor.work.threads import one_thread

RATES = (3e-4, 1e-3, 3e-3)
TUNING = range(1000, 1003)
"""Seeds on which rates are chosen."""
WORDS = {"skipgram": {"embedding": "skipgram"}}
GREEDY = {"denoising": {"pretraining": "denoising"}}


class Attention(nn.Module):
    """Words with their places, a layer of attention, and the mean of what is there."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(TOKENS, width, padding_idx=0)
        self.places = nn.Parameter(0.02 * torch.randn(rows.LONGEST, width))
        self.layer = nn.TransformerEncoderLayer(width, 4, 128, 0.1, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        there = x != 0
        seen = self.layer(self.words(x) + self.places, src_key_padding_mask=~there)
        kept = seen * there.unsqueeze(-1)
        return self.head(kept.sum(1) / there.sum(1, keepdim=True).clamp(min=1))


@dataclass
class Asked:
    """One net and its rows.

    Attributes:
        build: makes the net.
        x, y, test_x, test_y: the rows.
        others: arms besides that without anything and that of masked modelling.
    """

    build: Callable[[], nn.Module]
    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    others: dict[str, dict[str, str]]


def asked(name: str) -> Asked:
    """The net and the rows of a name."""
    data = Path(os.environ["ADVISOR_DATA"])
    parts = rows.adult(data) if name == "adult" else rows.sst(data)
    given = [torch.as_tensor(parts[key]) for key in ("train_x", "train_y", "test_x", "test_y")]
    builds = {"adult": partial(adult_net, given[0].shape[1])}
    build = {**builds, "bag": SentenceNet, "attention": Attention}[name]
    return Asked(build, *given, GREEDY if name == "adult" else WORDS)


def one(
    about: Asked, choices: dict[str, object], seed: int, rates: tuple[float, ...], labels: int
) -> tuple[list[float], float]:
    """Test accuracy at each rate after training on a seed's rows, and seconds of the start."""
    order = torch.randperm(len(about.x), generator=torch.Generator().manual_seed(seed))
    x, y = about.x[order], about.y[order]
    torch.manual_seed(seed)
    run = run_of(about.build(), x[:labels], unlabeled=x[labels:], seed=seed)
    run.data.train.target = y[:labels]
    began = time.process_time()
    put(load(), run, **choices)
    seconds = time.process_time() - began
    epochs = max(5, 6000 // labels)
    fitted = (trained(run.model, x[:labels], y[:labels], lr, epochs, seed) for lr in rates)
    return [accuracy(model.eval(), about.test_x, about.test_y) for model in fitted], seconds


def show(name: str, seeds: int, labels: int, passes: int) -> None:
    """Print a line for each arm."""
    about = asked(name)
    hidden = {"masked": {"pretraining": ("masked", {"epochs": passes})}}
    without = len(about.x) - labels
    print(f"{name}: {labels} labels, {without:,} rows without, {seeds} seeds, {passes} passes")
    plain: list[float] = []
    for arm, choices in {"plain": {}, **about.others, **hidden}.items():
        tried = [one(about, choices, seed, RATES, labels)[0] for seed in TUNING]
        best = max((mean(found), rate) for *found, rate in zip(*tried, RATES, strict=True))[1]
        found = [one(about, choices, seed, (best,), labels) for seed in range(seeds)]
        scores = [each[0] for each, _ in found]
        plain = plain or scores
        cost = f"{mean(seconds for _, seconds in found):.1f} s of a processor"
        over = gain(scores, plain)
        print(f"  {arm:10s} {mean(scores):.3f}, lr {best:g}, {cost}, {over}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    names = ["adult", "bag", "attention"]
    parser.add_argument("nets", nargs="*", default=names, metavar="|".join(names))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--passes", type=int, default=10)
    options = parser.parse_args()
    one_thread()
    for name in options.nets:
        show(name, options.seeds, options.labels, options.passes)


if __name__ == "__main__":
    main()
