"""The real search and confirmation beside the vectorised formulas, on the same worlds.

    python -m benchmarks.referee.agreement --studies 100 --workers 2

Each line is a world: how often `change` comes and how often the 95 % interval covers, in real
studies (`simulated.py`) and in the formulas (`rules.py`), and their difference in standard errors.
A study costs about a second of one core; learning rates cost nothing here, as in the formulas.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from advisor.verdict.records import Verdict
from benchmarks.referee.drawn import Drawn
from benchmarks.referee.kinds import World
from benchmarks.referee.rules import Answers, ours
from benchmarks.referee.simulated import Answer, simulate
from benchmarks.referee.worlds import draw_studies

PLAIN = World("8 arms", test=200, pool=600, share=1 / 3, choosing=200)
"""1,000 rows, divided as `advisor` divides them."""
GIVEN = replace(PLAIN, pool=800, share=0.25, gave_valid=True)
"""1,000 rows to train and test on, beside 200 validation rows that the user gave."""
COMPARED = (
    (0.0, PLAIN),
    (2.0, PLAIN),
    (1.0, PLAIN),
    (4.0, PLAIN),
    (0.0, replace(PLAIN, name="5 % of trainings break", collapse=0.05)),
    (0.0, replace(GIVEN, name="validation rows given")),
    (0.0, replace(PLAIN, name="groups of 10", group=10)),
    (0.0, replace(PLAIN, name="60 test rows", test=60, pool=180, choosing=60)),
    (0.0, replace(GIVEN, name="validation and test given", gave_test=True)),
    (0.0, replace(PLAIN, name="training rows favour arms", favour=1.0, tied=0.5)),
    (2.0, replace(PLAIN, name="5 % of trainings break", collapse=0.05)),
    (2.0, replace(GIVEN, name="validation rows given")),
)
"""Gains, in deviations between seeds, and worlds."""
MOST_ERRORS = 2.6
"""Standard errors by which shares may differ: 1 % of pairs of equal shares differ by more."""


@dataclass(frozen=True)
class Share:
    """How many hits there are.

    Attributes:
        hits, count: of so many.
    """

    hits: int
    count: int

    @classmethod
    def of(cls, hits: np.ndarray) -> Share:
        """That of an array of truth values."""
        return cls(int(hits.sum()), len(hits))

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.count

    def errors_from(self, other: Share) -> float:
        """By how many standard errors of the difference it is larger than another share."""
        both = (self.hits + other.hits) / (self.count + other.count)
        error = math.sqrt(both * (1 - both) * (1 / self.count + 1 / other.count))
        return (self.value - other.value) / error if error else 0.0

    def __str__(self) -> str:
        error = math.sqrt(self.value * (1 - self.value) / self.count)
        return f"{100 * self.value:5.1f} ± {100 * error:3.1f}"


def line(gain: float, world: World, real: list[Answer], twin: Answers, seconds: float) -> str:
    """What one world and gain gave."""
    changes = Share.of(np.array([each.verdict == Verdict.CHANGE for each in real]))
    covers = Share.of(np.array([each.covers for each in real]))
    shares = ((changes, Share.of(twin.change)), (covers, Share.of(twin.covers)))
    told = "  ".join(f"{one} {other} {one.errors_from(other):+5.1f}" for one, other in shares)
    pairs = f"{np.mean([each.pairs for each in real]):4.1f} {twin.pairs.mean():4.1f}"
    spent = f"{np.mean([each.trainings for each in real]):6.1f}"
    off = np.array([each.gain - each.truth for each in real])
    bias = f"{off.mean():+.4f} {np.mean(twin.gain - twin.truth):+.4f}"
    agree = all(abs(one.errors_from(other)) <= MOST_ERRORS for one, other in shares)
    return f"{world.name:<26} {gain:.0f} sd  {told}  {pairs}  {spent}  {bias}  " + (
        f"{'yes' if agree else 'NO':<4}{seconds:.0f} s"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--studies", type=int, default=100, help="real studies of each world")
    parser.add_argument("--twin", type=int, default=4000, help="studies by the formulas")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--first", type=int, default=0, help="number of the first real study")
    parser.add_argument("--only", default="", help="worlds with this in their name")
    parser.add_argument("--skip", type=int, default=0, help="so many of the first lines")
    options = parser.parse_args()
    print(
        f"{'':32} {'change: real, formulas, off':30} {'covers: real, formulas, off':30}"
        "pairs      trainings bias             agree"
    )
    with ProcessPoolExecutor(options.workers) as pool:
        for number, (gain, world) in enumerate(COMPARED):
            if options.only not in world.name or number < options.skip:
                continue
            began = time.perf_counter()
            first = 1000 * number + options.first
            drawn = [Drawn(first + i, gain, world, 0.0) for i in range(options.studies)]
            real = list(pool.map(simulate, drawn, chunksize=4))
            rng = np.random.default_rng([0, number])
            twin = ours(draw_studies(world, gain, options.twin, rng), rng)
            print(line(gain, world, real, twin, time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
