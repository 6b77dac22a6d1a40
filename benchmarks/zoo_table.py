"""Which properties hold for which example models: ✓ it holds, – the unmodified model does not have
it either, ✗ it does not hold.

    python benchmarks/zoo_table.py [PROPERTY …]

`tests/model/test_zoo.py` asserts the same table.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from models import handling, properties, zoo


def mark(case: zoo.Case, prop: str) -> str:
    """The sign for one model and one property."""
    try:
        properties.PROPERTIES[prop](case)
    except handling.BaseCannot:
        return "–"
    except Exception:  # whatever an example model raises
        return "✗"
    return "✓"


def main(names: list[str]) -> int:
    started = time.perf_counter()
    totals = {prop: Counter[str]() for prop in names or properties.PROPERTIES}
    for prop in totals:
        print(f"  {prop:10} {(properties.PROPERTIES[prop].__doc__ or '').splitlines()[0]}")
    print("\n" + " " * 54 + " ".join(f"{prop:>10}" for prop in totals))
    for name, case in zoo.CASES.items():
        signs = {prop: mark(case, prop) for prop in totals}
        for prop, sign in signs.items():
            totals[prop][sign] += 1
        print(f"{name:54}" + " ".join(f"{sign:>10}" for sign in signs.values()), flush=True)
    for sign in "✓–✗":
        print(
            f"{sign + f' of {len(zoo.CASES)} models':54}"
            + " ".join(f"{count[sign]:>10}" for count in totals.values())
        )
    print(f"{time.perf_counter() - started:.0f} s")
    return int(any(count["✗"] for count in totals.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
