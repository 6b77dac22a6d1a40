"""How right a tuner is: on worlds by formula, and on real trainings whose truth was measured.

    python benchmarks/referee/run.py [--tuner NAME …] [--worlds N] [--known] [--budget N]

The tuners are advisor, optuna_script, best_of_n and greedy; `--tuner module:function` is one of
your own. README.md, beside this file, says what it is asked and shows one in ten lines.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
"""The folder of the referee."""
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE), os.getcwd()]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from problems import known, opened, problems  # noqa: E402  # the folders are known by now
from protocol import Judgement, Tuner, judge  # noqa: E402

TUNERS = {
    "advisor": "ours:advisor_tuner",
    "optuna_script": "tuners:optuna_script",
    "best_of_n": "tuners:best_of_n",
    "greedy": "tuners:greedy",
}
"""The tuners by name, each as module and function."""
BUDGET = 60
"""Trainings that a tuner may ask for: 20 trials of three seeds."""
COLUMNS = "{:<24} {:>9} {:>13} {:>9} {:>9} {:>10} {:>9} {:>10} {:>8}"
"""A line of the table, at most 110 columns wide."""
HEADS = (
    "tuner",
    "right",
    "false changes",
    "power",
    "bias",
    "kept nulls",
    "coverage",
    "trainings",
    "seconds",
)
"""The heads of its columns."""


def tuner_of(name: str) -> Tuner:
    """A tuner by its name, or as `module:function`."""
    module, _, function = TUNERS.get(name, name).partition(":")
    tuner: Tuner = getattr(importlib.import_module(module), function)
    return tuner


def ask(tuner: str, kind: str, name: str | int, budget: int, seed: int) -> Judgement:
    """Ask a tuner about a problem, in a process of its own."""
    return judge(tuner_of(tuner), opened(kind, name), budget, seed)


def share(hits: Sequence[bool]) -> str:
    """How many hits there are."""
    return f"{sum(hits)}/{len(hits)}" if hits else "-"


def row(tuner: str, judged: Sequence[Judgement]) -> str:
    """The line of a tuner."""
    helps = [each for each in judged if not each.is_null]
    nulls = [each for each in judged if each.is_null]
    bias = [each.bias for each in judged if each.bias is not None]
    covers = [each.covers for each in judged if each.covers is not None]
    return COLUMNS.format(
        tuner[-24:],
        share([each.right for each in judged]),
        share([each.false_change for each in judged]),
        share([each.right for each in helps]),
        f"{statistics.fmean(bias):+.4f}" if bias else "-",
        share([each.right for each in nulls]),
        share(covers),
        f"{statistics.fmean(each.trainings for each in judged):.0f}",
        f"{statistics.fmean(each.seconds for each in judged):.1f}",
    )


def details(tuner: str, judged: Sequence[Judgement]) -> Iterator[str]:
    """A line for each answer."""
    for each in judged:
        gain = "" if each.claim.gain is None else f"{each.claim.gain:+.4f}"
        mark = "✓" if each.right else "✗"
        yield (
            f"{mark} {tuner:<14} {each.problem[:34]:<34} {each.claim.choice[:14]:<14} "
            f"claims {gain:>8} true {each.truth:+.4f}"
        )


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument(
        "--tuner", nargs="+", default=list(TUNERS), help="names, or module:function"
    )
    parser.add_argument("--worlds", type=int, default=0, help="worlds by formula")
    parser.add_argument("--known", action="store_true", help="the known answers, really trained")
    parser.add_argument("--only", nargs="+", default=[], help="names of known answers")
    parser.add_argument("--seeds", type=int, default=1, help="how often each known answer is asked")
    parser.add_argument("--budget", type=int, default=BUDGET, help="trainings a tuner may ask for")
    parser.add_argument("--workers", type=int, default=2, help="processes that ask")
    parser.add_argument("--details", action="store_true", help="a line for each answer")
    options = parser.parse_args()
    if unknown := set(options.only) - set(known()):
        parser.error(
            f"no known answer {', '.join(sorted(unknown))}; there are {', '.join(known())}"
        )
    if not (options.worlds or options.known or options.only):
        parser.error("nothing to ask: give --worlds N, --known, or --only NAME")
    for name in options.tuner:
        if name not in TUNERS and ":" not in name:
            parser.error(f"no tuner {name}; there are {', '.join(TUNERS)}, and module:function")
    return options


def main() -> None:
    options = parsed()
    asked = [(kind, name, 0) for kind, name in problems(options.worlds, False)]
    names = options.only or (known() if options.known else [])
    asked += [("known", name, seed) for name in names for seed in range(options.seeds)]
    kinds, which, seeds = zip(*asked, strict=True)
    print(COLUMNS.format(*HEADS), flush=True)
    with ProcessPoolExecutor(options.workers) as pool:
        for tuner in options.tuner:
            count = len(asked)
            judged = list(
                pool.map(ask, [tuner] * count, kinds, which, [options.budget] * count, seeds)
            )
            print(row(tuner, judged), flush=True)
            if options.details:
                print("\n".join(details(tuner, judged)), flush=True)


if __name__ == "__main__":
    main()
