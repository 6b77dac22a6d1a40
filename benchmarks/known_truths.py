"""What is true of the known answers that were measured, by plain PyTorch and without `advisor`.

    python benchmarks/known_truths.py [--seeds 20] [--workers 2] [--save] [CASE …]

Every arm, the model as it is among them, chooses its learning rate on seeds of its own. The
measuring seeds are others: each draws its training rows anew and scores all other rows, for the
model as it is and for the arm, from the same first weights where shapes allow and in the same order
of rows. A training is broken that is no better than the best constant answer. The interval is
Student's over the paired differences: it speaks of seeds and training sets drawn from these data.
The columns: the two rates, the score of the model as it is, the gain, the deviation of the paired
differences, the gain over pairs in which neither training broke, and how many broke of the model as
it is and of the arm.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from known_problems import KEEP, NULLS, Problem, measured_cases, problem_of
from scipy.stats import t as student

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""The learning rates from which every arm has its best."""
CHOOSING = (1000, 1001, 1002)
"""The seeds that choose a rate."""
SEEDS = 20
"""Seeds that measure, if not said otherwise."""
RESULTS = Path(__file__).with_suffix(".json")
"""The table as data, for `benchmarks/referee`."""
COLUMNS = "{:<23} {:<11} {:>13} {:>7} {:>26} {:>8} {:>7} {}"
"""A line of the table, at most 110 columns wide."""


@dataclass(frozen=True)
class Truth:
    """What paired trainings say of an arm.

    Attributes:
        rate, rate_of_keep: the learning rates that were chosen.
        level: the mean score of the model as it is.
        gain, low, high: the mean paired difference and its 95 % interval.
        sound: the gain over the pairs in which neither training broke; None where there is none.
        sd: the deviation of the paired differences.
        broken, broken_of_keep: how many trainings were no better than a constant answer.
    """

    rate: float
    rate_of_keep: float
    level: float
    gain: float
    low: float
    high: float
    sound: float | None
    sd: float
    broken: int
    broken_of_keep: int


def score(name: str, arm: str, rate: float, seed: int) -> float:
    """One training of a problem by name, in a process of its own."""
    torch.set_num_threads(1)
    return problem_of(name).train(arm, {"rate": rate}, seed)


def truths(name: str, seeds: int, pool: ProcessPoolExecutor) -> Iterator[tuple[str, Truth]]:
    """The truth of every arm of a problem."""
    problem = problem_of(name)
    arms = (KEEP, *problem.arms)
    asked = [(arm, rate, seed) for arm in arms for rate in RATES for seed in CHOOSING]
    chosen = iter(pool.map(partial(score, name), *zip(*asked, strict=True)))
    rates = {}
    for arm in arms:
        means = {rate: statistics.fmean(islice(chosen, len(CHOOSING))) for rate in RATES}
        rates[arm] = max(means, key=lambda rate: means[rate])

    asked = [(arm, rates[arm], seed) for arm in arms for seed in range(seeds)]
    scored = iter(pool.map(partial(score, name), *zip(*asked, strict=True)))
    scores = {arm: list(islice(scored, seeds)) for arm in arms}
    for arm in problem.arms:
        yield arm, _truth(problem, scores[KEEP], scores[arm], rates[KEEP], rates[arm])


def _truth(
    problem: Problem, keep: list[float], arm: list[float], rate_of_keep: float, rate: float
) -> Truth:
    """What the paired scores of an arm and of the model as it is say."""
    differences = [b - a for a, b in zip(keep, arm, strict=True)]
    mean, sd = statistics.fmean(differences), statistics.stdev(differences)
    half = float(student.ppf(0.975, len(differences) - 1)) * sd / math.sqrt(len(differences))
    limit = problem.constant() + 0.01
    sound = [b - a for a, b in zip(keep, arm, strict=True) if min(a, b) > limit]
    return Truth(
        rate=rate,
        rate_of_keep=rate_of_keep,
        level=statistics.fmean(keep),
        gain=mean,
        low=mean - half,
        high=mean + half,
        sound=statistics.fmean(sound) if sound else None,
        sd=sd,
        broken=sum(b <= limit for b in arm),
        broken_of_keep=sum(a <= limit for a in keep),
    )


def line(name: str, arm: str, truth: Truth) -> str:
    """A line of the table."""
    sound = "none" if truth.sound is None else f"{truth.sound:+.3f}"
    return COLUMNS.format(
        name,
        arm,
        f"{truth.rate_of_keep:g} {truth.rate:g}",
        f"{truth.level:.3f}",
        f"{truth.gain:+.4f} [{truth.low:+.4f}, {truth.high:+.4f}]",
        f"{truth.sd:.4f}",
        sound,
        f"{truth.broken_of_keep} {truth.broken}",
    ).rstrip()


def rounded(number: float | None) -> float | None:
    """A number as it is kept."""
    return None if number is None else round(number, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all that were measured if none")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds that measure")
    parser.add_argument("--workers", type=int, default=2, help="processes that train")
    parser.add_argument("--save", action="store_true", help=f"write the truths to {RESULTS.name}")
    options = parser.parse_args()
    began = time.perf_counter()
    results: dict[str, dict[str, Any]] = {}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    heads = ("case", "arm", "rates", "level", "gain [95 %]", "sd", "sound", "broken")
    print(COLUMNS.format(*heads), flush=True)
    with ProcessPoolExecutor(options.workers) as pool:
        for name in options.cases or [*measured_cases(), *NULLS]:
            results[name] = {}
            for arm, truth in truths(name, options.seeds, pool):
                print(line(name, arm, truth), flush=True)
                results[name][arm] = {key: rounded(n) for key, n in asdict(truth).items()}
            if options.save:
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"\n{options.seeds} seeds each; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
