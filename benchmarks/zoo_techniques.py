"""What initializers and pretraining do to the example models: one line a model, and totals.

python benchmarks/zoo_techniques.py [NAME …]
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from models import measures, zoo

LIMIT = 3.0
"""A change of the output's deviation by more than this is a large one."""


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    unknown = [name for name in names if name not in zoo.CASES]
    if unknown:
        sys.exit(f"no model {', '.join(unknown)}; the models are {', '.join(zoo.CASES)}")
    cases = {name: case for name, case in zoo.CASES.items() if name in (names or zoo.CASES)}
    scaled(cases)
    pretrained(cases)
    grown(cases)


def scaled(cases: dict[str, zoo.Case]) -> None:
    """What LSUV does: layers that it scales, and those within its tolerance afterwards."""
    print(f"{'LSUV':48} {'layers':>7} {'scaled':>7} {'within':>7} {'seconds':>7}")
    measured = {name: measures.lsuv(case) for name, case in cases.items()}
    lines = []
    for name, one in measured.items():
        lines.append((name, one.layers, len(one.again), one.within, one.seconds))
    show(lines)
    print()
    show_reasons(one.why for one in measured.values())


def pretrained(cases: dict[str, zoo.Case]) -> None:
    """What denoising does: layers that it trains, and those that reconstruct better afterwards."""
    print(f"{'denoising':48} {'layers':>7} {'trained':>7} {'better':>7} {'seconds':>7}")
    measured = {name: measures.denoising(case) for name, case in cases.items()}
    lines = []
    for name, one in measured.items():
        lines.append((name, one.layers, len(one.losses), one.better, one.seconds))
    show(lines)
    broken = sum(not one.finite for one in measured.values())
    print(f"{broken} models are not finite afterwards\n")
    show_reasons(one.why for one in measured.values())


def show(lines: list[tuple[str, int, int, int, float]]) -> None:
    """Print a line for each model, with three counts and seconds, and their totals."""
    _, *columns = zip(*lines, strict=True)
    first, second, third, seconds = (sum(column) for column in columns)
    for line in (*lines, (f"{len(lines)} models", first, second, third, seconds)):
        print("{:48.48} {:7} {:7} {:7} {:7.2f}".format(*line))


def show_reasons(reasons: Iterable[Mapping[str, str]]) -> None:
    """Print why layers were left out, with the number of layers, most frequent first."""
    counts = Counter(reason for by_layer in reasons for reason in by_layer.values())
    for reason, count in counts.most_common():
        print(f"{count:5} {reason}")
    print()


def grown(cases: dict[str, zoo.Case]) -> None:
    """Models whose output's deviation He changes much, and whether it is then farther from 1."""
    print(f"{'He':48} {'before':>10} {'after':>10}")
    measured = {name: measures.growth(case) for name, case in cases.items()}
    large = away = 0
    for name, (before, after) in measured.items():
        if not is_far(after, before):
            continue
        large += 1
        is_farther = is_far(after) and distance(after) > distance(before)
        away += is_farther
        note = "   farther from 1" if is_farther else ""
        print(f"{name:48.48} {before:10.4g} {after:10.4g}{note}")
    print(f"{large} of {len(measured)} changed more than {LIMIT:g}x,")
    print(f"{away} of them away from 1 to beyond {LIMIT:g}x;")
    was_far = sum(is_far(before) for before, _ in measured.values())
    remains_far = sum(is_far(after) for _, after in measured.values())
    print(f"{was_far} outputs were more than {LIMIT:g}x from deviation 1 before,")
    print(f"{remains_far} are so afterwards")


def is_far(deviation: float, reference: float = 1.0) -> bool:
    """Whether two deviations differ by more than `LIMIT`."""
    if deviation <= 0 or reference <= 0:
        return True
    return not 1 / LIMIT <= deviation / reference <= LIMIT


def distance(deviation: float) -> float:
    """How far a deviation is from 1, in logarithms."""
    return abs(math.log(deviation)) if deviation > 0 else math.inf


if __name__ == "__main__":
    main(sys.argv[1:])
