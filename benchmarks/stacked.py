"""What trainings of one structure cost as one computation, beside one after the other.

    python benchmarks/stacked.py [ROUNDS] [NET …]
    python benchmarks/stacked.py study TRIALS [NET]

The second form tunes a study of the digits with stacks and without, in processes of its own without
workers, and prints the processor time of both, and what they answer.

For each net and number of copies: processor time of trainings one by one over that of the stack
(median of the rounds, which are interleaved in one process on one thread), first by the plain loop
with autograd, then as a study trains one by itself; how far the curves are apart at most, and
whether a study would stack them. The trainings are those of measuring seeds: rows, initial
draws, order and dropout of their own, scored after each epoch. Eight trials of a rung, with rates
of their own, come last: with one activation, with four, and each with another one.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from multiprocessing import get_context

import torch
from sklearn.datasets import load_digits
from torch import nn

import advisor
from advisor.search import search
from advisor.training.epoch import Epoch
from advisor.training.loop import TrainingSettings, train
from advisor.training.stacks.alone import trained
from advisor.training.stacks.fits import reason_of, why_not_faster
from advisor.training.stacks.member import Member
from advisor.training.stacks.stack import Stack
from advisor.training.stacks.traced import NotStackable
from advisor.verdict import fresh_seeds
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

COPIES = (2, 3, 5, 8, 10, 16)
EPOCHS = 6


def chain(
    *widths: int, between: tuple[Callable[[int], nn.Module], ...] = ()
) -> Callable[[], nn.Module]:
    """A net of linear layers with rectifiers, and other layers before these."""

    def net() -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths[:-1]):
            layers += [nn.Linear(inputs, outputs), *(make(outputs) for make in between), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(*widths[-2:]))

    return net


class Attention(nn.Module):
    """A residual net with a forward pass of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.norm = nn.LayerNorm(64)

    def forward(self, x):
        x = torch.tanh(self.first(x))
        return self.last(x + torch.nn.functional.gelu(self.second(self.norm(x))))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.last = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        return self.last(self.cells(x.view(-1, 8, 8))[0][:, -1])


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3)
        self.last = nn.Linear(256, 10)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x.view(-1, 1, 8, 8)))))
        return self.last(x.flatten(1))


class Words(nn.Module):
    """A bag of words: 64 ids of 2,000."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.EmbeddingBag(2000, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.last(torch.relu(self.words(x)))


NETS: dict[str, Callable[[], nn.Module]] = {
    "64-32-32-10": chain(64, 32, 32, 10),
    "64-128-128-10": chain(64, 128, 128, 10),
    "64-256-256-10": chain(64, 256, 256, 10),
    "64-512-512-10": chain(64, 512, 512, 10),
    "30 layers of 64": chain(*[64] * 30, 10),
    "batch norm": chain(64, 64, 64, 10, between=(nn.BatchNorm1d,)),
    "dropout": chain(64, 64, 64, 10, between=(lambda width: nn.Dropout(0.3),)),
    "residual": Attention,
    "784-64-64-10": chain(784, 64, 64, 10),
    "784-256-256-10": chain(784, 256, 256, 10),
    "bag of words": Words,
    "LSTM": Recurrent,
    "CNN": Convolutions,
}


def rows(net: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The digits, as they are, wider, or as ids of words."""
    x, y = load_digits(return_X_y=True)
    inputs, target = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    if net == "bag of words":
        return (16 * inputs + torch.arange(64) * 31).long(), target
    return (inputs.repeat(1, 13)[:, :784] if net.startswith("784") else inputs), target


def members(prepared: Prepared, copies: int) -> list[Member]:
    settings = TrainingSettings(1e-3, 1e-4, prepared.batch, 0, EPOCHS)
    found = []
    for seed in range(copies):
        splits = prepared.measuring_splits(seed)
        found.append(Member(prepared.run(seed, splits), settings, splits.valid))
    return found


def by_autograd(given: list[Member]) -> list[list[Epoch]]:
    return [list(train(each.run, each.settings, each.valid)) for each in given]


def alone(given: list[Member]) -> list[list[Epoch]]:
    return [list(trained(each.run, each.settings, each.valid)) for each in given]


def together(given: list[Member]) -> list[list[Epoch]]:
    curves: dict[int, list[Epoch]] = {id(each): [] for each in given}
    for member, epoch in Stack(given).train():
        curves[id(member)].append(epoch)
    return list(curves.values())


def timed(work: Callable[[list[Member]], list[list[Epoch]]], given: list[Member]):
    started = time.process_time()
    curves = work(given)
    return time.process_time() - started, curves


def compared(make: Callable[[], list[Member]], rounds: int) -> str:
    """One line: the ratios, the spread of the last, and how far the curves are apart."""
    plain, ratios, apart = [], [], 0.0
    for _ in range(rounds):
        autograd, curves = timed(by_autograd, make())
        one_by_one, _ = timed(alone, make())
        stacked, others = timed(together, make())
        plain.append(autograd / stacked)
        ratios.append(one_by_one / stacked)
        for own, other in zip(curves, others, strict=True):
            for a, b in zip(own, other, strict=True):
                apart = max(apart, abs(a.loss - b.loss), abs(a.score - b.score))
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    medians = f"{statistics.median(plain):5.2f} {statistics.median(ratios):5.2f}"
    return f"{medians} ({spread})  curves {apart:.1e} apart"


ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    *(nn.ReLU, nn.Tanh, nn.GELU, nn.ELU, nn.SiLU, nn.Mish, nn.LeakyReLU),
    partial(nn.ELU, 0.5),
)
TRIALS = 8


def trials(prepared: Prepared, kinds: int) -> list[Member]:
    """Trials of one seed and split, with so many activations in the places of the rectifiers."""
    splits, found = prepared.splits(0), []
    for number in range(TRIALS):
        run = prepared.run(0, splits)
        for name, layer in run.model.named_children():
            if isinstance(layer, nn.ReLU):
                setattr(run.model, name, ACTIVATIONS[number % kinds]())
        settings = TrainingSettings(1e-3 * (1 + number), 1e-4, prepared.batch, 0, EPOCHS)
        found.append(Member(run, settings, splits.valid))
    return found


def study(name: str, count: int, is_stacked: bool) -> None:
    """Tune a study of the digits and print what it took."""
    if not is_stacked:
        fresh_seeds.why_no_stack = search.why_no_stack = lambda *_, **__: "it is compared"
    asked = advisor.Study("stacked", advisor.Task(NETS[name], rows(name)), trials=count)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        found = advisor.tune(asked, storage=f"{folder}/a.db", workers=0)
        seconds = time.process_time() - started
    answer = f"{found.verdict} {dict(found.choices)}, {found.trials}, {found.gain}"
    print(f"{'with' if is_stacked else 'without'} stacks: {seconds:.1f} s; {answer}", flush=True)


def both(name: str, count: int) -> None:
    one_thread()
    for is_stacked in (True, False):
        process = get_context("fork").Process(target=study, args=(name, count, is_stacked))
        process.start()
        process.join()


def main() -> None:
    if sys.argv[1:2] == ["study"]:
        both(sys.argv[3] if len(sys.argv) > 3 else "64-32-32-10", int(sys.argv[2]))
        return
    one_thread()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name in sys.argv[2:] or NETS:
        task = advisor.Task(NETS[name], rows(name))
        prepared = prepare(StudyRef.of(advisor.Study("stacked", task, epochs=EPOCHS)))
        run = prepared.run(0, 0)
        for copies in COPIES:
            reason = reason_of(partial(why_not_faster, run, copies, prepared.batch))
            chosen = "stacked" if reason is None else f"alone: {reason}"
            try:
                line = compared(partial(members, prepared, copies), rounds)
            except NotStackable as problem:
                line = f"falls back: {problem}"
            print(f"{name:16} {copies:3} copies  {line}  [{chosen}]", flush=True)
        for kinds in (1, 4, TRIALS) if isinstance(run.model, nn.Sequential) else ():
            line = compared(partial(trials, prepared, kinds), rounds)
            print(f"{name:16} {TRIALS} trials, {kinds} activations  {line}", flush=True)


if __name__ == "__main__":
    main()
