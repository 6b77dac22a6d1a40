"""What a training loop of the user's own costs beside the same code by hand.

    python benchmarks/own_training.py [SECONDS]

Both are run by turns in one process, in processor time, on the same rows from the same weights; the
training by hand scores the validation rows after each epoch, too. Given are the ratios of each
pair, whose median counts, and their spread.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from sklearn.datasets import load_digits
from torch import nn

import advisor
from advisor.randomness import mix, start_from
from advisor.training.by_loop import train_by_loop
from advisor.training.loop import TrainingSettings
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

PAIRS = 5
BATCH = 64


def net() -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(8):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def an_epoch(model, batches, optimizer) -> None:
    model.train()
    for x, y in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def fit(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr, momentum=0.9)
    for _ in range(run.epochs):
        an_epoch(run.model, run.loader(run.train), optimizer)
        yield


def by_hand(prepared: Prepared, epochs: int) -> float:
    """The same code as a script has it, with tensors in memory."""
    run = prepared.run(0, 0)
    train, valid = run.data.train, prepared.splits(0).valid
    (x,), y = train.take(torch.arange(len(train)))
    (valid_x,), valid_y = valid.take(torch.arange(len(valid)))
    started = time.process_time()
    optimizer = torch.optim.SGD(run.model.parameters(), lr=0.1, momentum=0.9)
    start_from(mix(0, "fit"))
    for _ in range(epochs):
        order = torch.randperm(len(x)).split(BATCH)
        an_epoch(run.model, ((x[at], y[at]) for at in order), optimizer)
        run.model.eval()
        with torch.no_grad():
            right = [
                run.model(a).argmax(1) == b
                for a, b in zip(valid_x.split(BATCH), valid_y.split(BATCH), strict=True)
            ]
        float(torch.cat(right).double().mean())
    return time.process_time() - started


def by_advisor(prepared: Prepared, epochs: int) -> float:
    run = prepared.run(0, 0)
    valid = prepared.splits(0).valid
    assert prepared.loop is not None
    started = time.process_time()
    train_by_loop(
        run,
        prepared.loop,
        TrainingSettings(0.1, 0.0, BATCH, 0, epochs),
        valid,
        lambda *_: None,
    )
    return time.process_time() - started


def main(seconds: float) -> None:
    one_thread()
    x, y = load_digits(return_X_y=True)
    task = advisor.Task(net, (x.astype("float32") / 16, y), fit=fit, lr=0.1, batch=BATCH)
    prepared = prepare(StudyRef.of(advisor.Study("own", task, epochs=5)))
    by_hand(prepared, 5)  # what is slow the first time
    epochs = max(5, round(5 * seconds / by_hand(prepared, 5)))
    ratios = []
    for _ in range(PAIRS):
        hand, ours = by_hand(prepared, epochs), by_advisor(prepared, epochs)
        ratios.append(ours / hand)
        print(f"{epochs} epochs, by hand {hand:.2f} s, as fit {ours:.2f} s, {ratios[-1]:.3f}")
    print(f"ratio {statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
