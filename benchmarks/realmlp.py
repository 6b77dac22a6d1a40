"""RealMLP's recipe beside a plain MLP on tables: its gain, and what of it is due to which part.

    ADVISOR_DATA=DATA python benchmarks/realmlp.py adult|housing [--seeds 10] [--epochs 20]
        [--rates 3e-4 1e-3 3e-3 1e-2 3e-2]

Arms are the plain net, the recipe, the recipe with waves (PLR) in the place of scales, the recipe
without each of its parts, and each part alone. Every arm has the learning rate that is best on
three other seeds, whose rows are not those that measure. A seed draws rows, weights and batches;
the score is that of the rows which it holds out. Gains are in pairs of seeds, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

from scipy.stats import t
from slots_of_training import adult, housing

import advisor
from advisor.host.host import load
from advisor.technique import DECAY, KEEP, RATE
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import train_once
from advisor.work.study_ref import StudyRef

PARTS = {
    "features": "scaling",
    "activation": "parametric",
    "initializer": "hull_bias",
    "schedule": "cosine_cycles",
    "regularization": "label_smoothing",
}
"""The recipe: its technique by slot."""
TUNING = range(1000, 1003)
"""Seeds on which rates are chosen."""
DECAYED = 1e-4
"""Weight decay of all arms."""
TABLES = {"adult": adult, "housing": housing}


def arms(parts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Techniques by the name of an arm."""
    found = {"plain": {}, "recipe": dict(parts), "PLR": {"features": "periodic"}}
    found["recipe, PLR"] = {**parts, "features": "periodic"}
    for slot, name in parts.items():
        found[f"without {name}"] = {other: each for other, each in parts.items() if other != slot}
    for slot, name in parts.items():
        found[f"only {name}"] = {slot: name}
    return found


def scores(
    prepared: Prepared, chosen: Mapping[str, str], rate: float, epochs: int, seeds: range
) -> list[float]:
    """The score of an arm on each seed."""
    host = load()
    params: dict[str, Any] = {**dict.fromkeys(host.slots, KEEP), RATE: rate, DECAY: DECAYED}
    for slot, name in chosen.items():
        params[slot] = name
        numbers = host.find(slot, name).defaults()
        params |= {f"{slot}.{name}.{number}": value for number, value in numbers.items()}
    return [train_once(prepared, params, prepared.batch, epochs, seed).score for seed in seeds]


def gain(new: list[float], old: list[float]) -> str:
    """The paired gain with half of its interval."""
    pairs = [a - b for a, b in zip(new, old, strict=True)]
    half = t.ppf(0.975, len(pairs) - 1) * stdev(pairs) / len(pairs) ** 0.5
    return f"{mean(pairs):+.4f} ± {half:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3, 1e-2, 3e-2])
    options = parser.parse_args()
    study = advisor.Study(options.table, TABLES[options.table](), epochs=options.epochs)
    prepared = prepare(StudyRef.of(study))
    is_classes = prepared.objective.kind == "classification"
    parts = {slot: name for slot, name in PARTS.items() if is_classes or slot != "regularization"}
    metric = prepared.objective.metric.name
    print(f"{options.table}, {metric}, {options.seeds} seeds, load {os.getloadavg()[0]:.1f}")
    found: dict[str, list[float]] = {}
    for arm, chosen in arms(parts).items():
        began = time.process_time()
        tried = [
            (mean(scores(prepared, chosen, rate, options.epochs, TUNING)), rate)
            for rate in options.rates
        ]
        rate = max(tried)[1]
        found[arm] = scores(prepared, chosen, rate, options.epochs, range(options.seeds))
        trainings = len(TUNING) * len(options.rates) + options.seeds
        seconds = (time.process_time() - began) / trainings
        line = f"{arm:24s} {mean(found[arm]):.4f}, lr {rate:g}, {seconds:.2f} s a training"
        print(f"{line}, over plain {gain(found[arm], found['plain'])}", flush=True)
    print("\nwhat the recipe gains by each part: the recipe over itself without it")
    for name in parts.values():
        print(f"{name:24s} {gain(found['recipe'], found[f'without {name}'])}")


if __name__ == "__main__":
    main()
