"""What the slots of training bring on small nets: answers, what is due to what, and their cost.

    ADVISOR_DATA=DATA python benchmarks/slots_of_training.py QUESTION … [--trials N] [--epochs N]

Each question is a study of its own in a new database, trained in this process on one thread:

    muon-digits, muon-adult, muon-fashion   does Muon help this small model?
    start-or-schedule                       a deep tanh net: is it the start or the schedule?
    realmlp-adult, realmlp-housing          RealMLP's recipe beside a plain MLP
    digits                                  three slots more in a search of digits

Given are the verdict, the gain with its interval, what leaving each change out costs, the first of
the reasons, the trials of each technique, and seconds, those of the processor, too.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).with_name("five")))

import rows
from nets import adult_net, digits_net, fashion_net

import advisor
from advisor.events import Event
from advisor.work.threads import one_thread

ONLY_NAMED: Mapping[str, Sequence[str]] = {"activation": [], "initializer": [], "pretraining": []}
"""The slots of every search, with nothing to try in them."""
RECIPE = {
    "features": ["scaling", "periodic"],
    "activation": ["parametric"],
    "initializer": ["hull_bias"],
    "schedule": ["cosine_cycles"],
    "regularization": ["label_smoothing"],
    "pretraining": [],
}
"""The parts of RealMLP."""
SCHEDULES = ["constant_rate", "linear_decay", "cosine_decay", "one_cycle"]
PICTURES = 2500
"""Rows of Fashion-MNIST; a fifth as many to test."""
HOUSES = 5000
"""Rows of the housing data, each a block of houses."""


def data() -> Path:
    """The folder of data sets."""
    return Path(os.environ["ADVISOR_DATA"])


def task(build: Callable[[], nn.Module], parts: rows.Arrays) -> advisor.Task:
    """A task of rows that are divided already."""
    train, test = ((parts[f"{part}_x"], parts[f"{part}_y"]) for part in ("train", "test"))
    return advisor.Task(build, train=train, test=test)


def adult() -> advisor.Task:
    """5,000 rows of a census."""
    parts = rows.adult(data())
    return task(partial(adult_net, parts["train_x"].shape[1]), parts)


def fashion() -> advisor.Task:
    """2,500 pictures of clothes."""
    parts = rows.fashion(data())
    counts = {"train": PICTURES, "test": PICTURES // 5}
    return task(fashion_net, {name: each[: counts[name[:-2]]] for name, each in parts.items()})


def digits() -> advisor.Task:
    """1,797 digits, two layers of 128."""
    return task(digits_net, rows.digits(None))


def deep_tanh(depth: int = 50) -> nn.Module:
    """Fifty plain layers of 64 with tanh, at PyTorch's start."""
    hidden: list[nn.Module] = []
    for one, other in pairwise([64, *[64] * depth]):
        hidden += [nn.Linear(one, other), nn.Tanh()]
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def every_digit() -> advisor.Task:
    """The deep net on all digits."""
    parts = rows.digits(None)
    x, y = (np.concatenate([parts[f"train_{each}"], parts[f"test_{each}"]]) for each in "xy")
    return advisor.Task(deep_tanh, (x, y))


def housing_net(columns: int) -> nn.Module:
    """Two layers of 128 on the columns of a table, and one number."""
    hidden = (nn.Linear(columns, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(128, 1))


def housing() -> advisor.Task:
    """5,000 blocks of houses in California: eight numbers, and where they lie by the ocean."""
    with tarfile.open(data() / "california-housing" / "housing.tgz") as archive:
        file = archive.extractfile("housing/housing.csv")
        assert file is not None
        table = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    order = np.random.default_rng(0).permutation(len(table))[:HOUSES]
    chosen = [table[i] for i in order]
    names = [name for name in table[0] if name not in ("median_house_value", "ocean_proximity")]
    numbers = np.array([[float(row[name] or "nan") for name in names] for row in chosen])
    numbers = np.where(np.isnan(numbers), np.nanmedian(numbers, 0), numbers)
    places = [row["ocean_proximity"] for row in chosen]
    coded = np.array([[place == each for each in sorted(set(places))] for place in places])
    x = np.concatenate([(numbers - numbers.mean(0)) / numbers.std(0), coded], 1).astype("float32")
    y = np.array([float(row["median_house_value"]) for row in chosen], "float32") / 1e5
    return advisor.Task(partial(housing_net, x.shape[1]), (x, y))


MUON = {"only": {**ONLY_NAMED, "optimizer": ["muon"]}}
STARTS = {**ONLY_NAMED, "initializer": ["orthogonal", "lsuv"], "schedule": SCHEDULES}
QUESTIONS: Mapping[str, tuple[Callable[[], advisor.Task], Mapping[str, Any]]] = {
    "muon-digits": (digits, MUON),
    "muon-adult": (adult, MUON),
    "muon-fashion": (fashion, MUON),
    "start-or-schedule": (every_digit, {"only": STARTS}),
    "realmlp-adult": (adult, {"only": RECIPE}),
    "realmlp-housing": (housing, {"only": RECIPE}),
    "digits": (digits, {"also": ["optimizer", "schedule", "averaging"]}),
}
"""By the name of a question, the task and what its study searches."""


def answer(name: str, settings: dict[str, Any]) -> tuple[advisor.Recommendation, Counter[str]]:
    """The answer to a question, and how many trials each technique had."""
    trials: Counter[str] = Counter()

    def count(event: Event) -> None:
        """A trial counts for each of its techniques, or for the model as it is."""
        if isinstance(event, advisor.TrialEnded):
            changed = {f"{slot}={how}" for slot, how in event.choices.items() if how != "keep"}
            trials.update(changed or {"your model"})

    given, searched = QUESTIONS[name]
    study = advisor.Study(name, given(), **searched, **settings)
    with tempfile.TemporaryDirectory() as folder:
        found = advisor.tune(study, storage=f"{folder}/advisor.db", workers=0, on=count)
    return found, trials


def told(found: advisor.Recommendation, trials: Counter[str]) -> None:
    """Print an answer."""
    gain = found.gain
    print(f"{found.verdict} ({found.evidence}): {dict(found.changed) or 'keep'}")
    print(
        f"  {found.metric} {found.baseline.mean:.4f}, gain {gain.mean:+.4f} "
        f"[{gain.low:+.4f}, {gain.high:+.4f}], {gain.seeds} pairs, "
        f"test {found.baseline.test} -> {found.recommended.test}, {found.epochs} epochs"
    )
    for slot, cost in found.importance.items():
        print(f"  without {slot}: {-cost:+.4f}")
    for text in (*found.reasons[:8], *found.warnings):
        print(f"  - {text}")
    for each in found.alternatives[:6]:
        print(f"  other: {each.choices} {each.gain and round(each.gain.mean, 4)} {each.why_not}")
    print("  trials: " + ", ".join(f"{each} {count}" for each, count in trials.most_common()))
    for each in found.skipped:
        print(f"  not tried: {each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("questions", nargs="+", choices=list(QUESTIONS))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--seeds", type=int, default=None)
    options = parser.parse_args()
    one_thread()
    torch.set_num_threads(1)
    settings = {name: getattr(options, name) for name in ("trials", "epochs", "seeds")}
    for name in options.questions:
        wall, used = time.perf_counter(), time.process_time()
        print(f"{name}, load {os.getloadavg()[0]:.1f}", flush=True)
        told(*answer(name, settings))
        wall, used = time.perf_counter() - wall, time.process_time() - used
        print(f"  {wall:.0f} s, {used:.0f} s of a processor\n", flush=True)


if __name__ == "__main__":
    main()
