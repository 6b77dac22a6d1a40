"""What initializers and pretraining do to the example models: one line a model, and totals.

python benchmarks/zoo_techniques.py [NAME …]
"""

import math
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from models import measures, zoo  # from the folder that was just added

LIMIT = 3.0
"""A change of the output's deviation by more than this is a large one."""


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    cases = {name: case for name, case in zoo.CASES.items() if name in (names or zoo.CASES)}
    scaled(cases)
    pretrained(cases)
    grown(cases)


def scaled(cases: dict[str, zoo.Case]) -> None:
    print(f"{'LSUV':50} {'layers':>7} {'scaled':>7} {'within':>7} {'seconds':>8}")
    found = {name: measures.lsuv(case) for name, case in cases.items()}
    for name, one in found.items():
        print(f"{name[:50]:50} {one.layers:7} {len(one.again):7} {one.within:7} {one.seconds:8.2f}")
    columns = ([one.layers, len(one.again), one.within, one.seconds] for one in found.values())
    totals = [sum(column) for column in zip(*columns, strict=True)]
    print(
        f"{f'{len(found)} models':50} {totals[0]:7} {totals[1]:7} {totals[2]:7} {totals[3]:8.2f}\n"
    )
    tell(one.why for one in found.values())


def pretrained(cases: dict[str, zoo.Case]) -> None:
    print(f"{'denoising':50} {'layers':>7} {'trained':>7} {'better':>7} {'seconds':>8}")
    found = {name: measures.denoising(case) for name, case in cases.items()}
    for name, one in found.items():
        print(
            f"{name[:50]:50} {one.layers:7} {len(one.losses):7} {one.better:7} {one.seconds:8.2f}"
        )
    columns = ([one.layers, len(one.losses), one.better, one.seconds] for one in found.values())
    totals = [sum(column) for column in zip(*columns, strict=True)]
    print(f"{f'{len(found)} models':50} {totals[0]:7} {totals[1]:7} {totals[2]:7} {totals[3]:8.2f}")
    print(f"{sum(not one.finite for one in found.values())} models are not finite afterwards\n")
    tell(one.why for one in found.values())


def tell(reasons) -> None:
    counts: dict[str, int] = {}
    for why in reasons:
        for reason in why.values():
            counts[reason] = counts.get(reason, 0) + 1
    for reason, number in sorted(counts.items(), key=lambda pair: -pair[1]):
        print(f"{number:5} {reason}")
    print()


def grown(cases: dict[str, zoo.Case]) -> None:
    """Models whose output's deviation He changes much, and whether it is then farther from 1 than
    before.
    """
    print(f"{'He':50} {'before':>10} {'after':>10}")
    found = {name: measures.growth(case) for name, case in cases.items()}
    large = {name: pair for name, pair in found.items() if far(pair[1], pair[0])}
    for name, (before, after) in large.items():
        farther = far(after) and distance(after) > distance(before)
        print(
            f"{name[:50]:50} {before:10.4g} {after:10.4g}{'   farther from 1' if farther else ''}"
        )
    outside = [sum(far(pair[i]) for pair in found.values()) for i in (0, 1)]
    farther = sum(far(pair[1]) and distance(pair[1]) > distance(pair[0]) for pair in large.values())
    print(
        f"{len(large)} of {len(found)} changed more than {LIMIT:g}x, {farther} of them away from 1 to beyond {LIMIT:g}x;"
    )
    print(
        f"{outside[0]} outputs were more than {LIMIT:g}x from deviation 1 before, {outside[1]} after"
    )


def far(size: float, reference: float = 1.0) -> bool:
    return not (size > 0 and reference > 0 and 1 / LIMIT <= size / reference <= LIMIT)


def distance(size: float) -> float:
    return abs(math.log(size)) if size > 0 else math.inf


if __name__ == "__main__":
    main(sys.argv[1:])
