"""Five whole studies: seconds, processor seconds, trainings and score, beside a script by hand.

    ADVISOR_DATA=DATA python benchmarks/five_studies.py [--study NAME …] [--folder FOLDER]
        [--command OTHER/bin/advisor] [--json FILE] [--small]

Each study is asked by `advisor tune` in a fresh process, and beside it runs five/by_hand.py, which
is what a careful person writes: Optuna with 20 trials on three seeds, rows in memory, fused AdamW,
channels last for images, the median pruner, and two forked processes. Its space is what a person
thinks of (seven activations, five initializers, learning rate, weight decay), its epochs are usual
ones (`--epochs pilot` gives it those that advisor has found). Both answers are then trained on the
same rows with fresh seeds and scored on test rows that neither has seen. Another installation of
advisor is asked in the same run with `--command`: that is `before`.

`digits` is studies/digits.py, thirty layers that do not learn; the others are in five/. Their rows
are written into a folder once: kept with `--folder`, and thrown away without.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clocked import Took, take

FIVE = Path(__file__).parent / "five"
sys.path.insert(0, str(FIVE))
from rows import NEED_DATA, STUDIES, make_ready  # noqa: E402  # beside the studies

OWN = Path(sys.executable).with_name("advisor")
SMALL_TUNE = ("--trials", "6", "--epochs", "2", "--seeds", "3")
SMALL_SCRIPT = ("--trials", "3", "--seeds", "2", "--epochs", "2")
SMALL_ROWS = 600
"""What `--small` asks: whether all works, and nothing about time."""
COLUMNS = "{:<11} {:<7} {:>7} {:>6} {:>7} {:>6} {:>10} {:>18} {:>16}  {}"
"""A line of the table, 98 columns wide."""


@dataclass(frozen=True)
class Asked:
    """What one way of asking a study took, and brought.

    Attributes:
        clock, processor: seconds.
        trainings: in all, also those that were ended early.
        epochs: of the search, of the seeds that choose, and of those that measure.
        verdict: of advisor; what was chosen, of the script.
        answer: as JSON.
        scores: of the answer, on fresh seeds.
    """

    clock: float
    processor: float
    trainings: int
    epochs: tuple[int, ...]
    verdict: str
    answer: Mapping[str, Any]
    scores: list[float] = field(default_factory=list)


def asked_advisor(command: Path, name: str, folder: Path, small: bool) -> Asked:
    """Ask a study by a command of advisor."""
    with tempfile.TemporaryDirectory() as place:
        storage = Path(place) / "study.db"
        options = ("--workers", "2", "--quiet", "--json", *(SMALL_TUNE if small else ()))
        words = (command, "tune", f"{name}.py", "--storage", f"sqlite:///{storage}", *options)
        took = take(words, folder)
        answer = json.loads(took.out)
        trainings, epochs = counted(storage, answer["epochs"])
    changed = [each for each in answer["choices"].values() if each != "keep"]
    verdict = " ".join([answer["verdict"], *changed])
    return Asked(took.clock, took.processor, trainings, epochs, verdict, answer)


def counted(storage: Path, epochs: int) -> tuple[int, tuple[int, int, int]]:
    """Trainings and epochs in a study's database; a fresh seed has so many epochs."""
    connection = sqlite3.connect(storage)
    try:
        ((trials, searched),) = connection.execute(
            "SELECT COUNT(DISTINCT number), COUNT(*) FROM advisor_curves"
        )
        fresh = dict(
            connection.execute("SELECT phase, COUNT(*) FROM advisor_confirmations GROUP BY phase")
        )
    finally:
        connection.close()
    choose, measure = fresh.get("choose", 0), fresh.get("measure", 0)
    return trials + choose + measure, (searched, choose * epochs, measure * epochs)


def asked_script(name: str, folder: Path, given: argparse.Namespace, epochs: int | None) -> Asked:
    """Ask a study by the script; `epochs` of a training are its own where None is given."""
    words: list[str | Path] = [sys.executable, FIVE / "by_hand.py", name, folder / f"{name}.npz"]
    words += ["--processes", str(given.processes), "--pruner", given.pruner]
    if epochs is not None:
        words += ["--epochs", str(epochs)]
    took: Took = take([*words, *(SMALL_SCRIPT if given.small else ())])
    answer = json.loads(took.out)
    chosen = f"{answer['params']['activation']} {answer['params']['initializer']}"
    counts = answer["trainings"], (answer["trained_epochs"],)
    return Asked(took.clock, took.processor, *counts, chosen, answer)


def with_scores(ways: Mapping[str, Asked], name: str, folder: Path, seeds: int) -> dict[str, Asked]:
    """The same with the scores of their answers on fresh seeds."""
    answers = folder / f"{name}-answers.json"
    answers.write_text(json.dumps({way: asked.answer for way, asked in ways.items()}))
    words = (sys.executable, FIVE / "scored.py", folder, name, answers, "--seeds", str(seeds))
    scores = json.loads(take(words).out)
    return {way: replace(asked, scores=scores[way]) for way, asked in ways.items()}


def ask(name: str, folder: Path, given: argparse.Namespace) -> dict[str, Asked]:
    """Ask a study in all ways, one after the other."""
    ways = {}
    if given.command is not None:
        ways["before"] = asked_advisor(given.command.absolute(), name, folder, given.small)
    ways["ours"] = asked_advisor(OWN, name, folder, given.small)
    epochs = ways["ours"].answer["epochs"] if given.epochs == "pilot" else None
    ways["script"] = asked_script(name, folder, given, epochs)
    return with_scores(ways, name, folder, 2 if given.small else given.seeds)


# --- what is printed ----------------------------------------------------------------------------


def lines(name: str, ways: Mapping[str, Asked]) -> Iterator[str]:
    """The lines of a study."""
    for way, asked in ways.items():
        mean, error = mean_and_error(asked.scores)
        cells = times(asked, ways["ours"])
        epochs = "+".join(map(str, asked.epochs))
        score = f"{mean:.4f} ± {error:.4f}"
        yield COLUMNS.format(name, way, *cells, asked.trainings, epochs, score, asked.verdict)


def times(asked: Asked, ours: Asked) -> Iterator[str]:
    """Seconds and processor seconds, and the ratio of ours to each."""
    for kind in ("clock", "processor"):
        its, own = getattr(asked, kind), getattr(ours, kind)
        yield f"{its:.1f}"
        yield "" if asked is ours else f"{own / its:.2f}"


def mean_and_error(scores: Sequence[float]) -> tuple[float, float]:
    """The mean of scores and its standard error."""
    return statistics.mean(scores), statistics.stdev(scores) / len(scores) ** 0.5


def totals(found: Mapping[str, Mapping[str, Asked]]) -> Iterator[str]:
    """The lines of all studies together."""
    ways = next(iter(found.values()))
    sums = {way: sum_of([each[way] for each in found.values()]) for way in ways}
    for way, asked in sums.items():
        counts = asked.trainings, sum(asked.epochs)
        yield COLUMNS.format("all", way, *times(asked, sums["ours"]), *counts, "", "").rstrip()


def sum_of(parts: Sequence[Asked]) -> Asked:
    """What several studies took together."""
    clock = sum(each.clock for each in parts)
    processor = sum(each.processor for each in parts)
    epochs = tuple(sum(each.epochs) for each in parts)
    return Asked(clock, processor, sum(each.trainings for each in parts), epochs, "", {})


def plain(found: Mapping[str, Mapping[str, Asked]]) -> dict[str, Any]:
    """All that was found, as JSON has it."""
    return {
        name: {way: asdict(asked) for way, asked in ways.items()} for name, ways in found.items()
    }


def chosen_studies(given: argparse.Namespace, data: Path | None) -> list[str]:
    """The studies that can be asked; what is left out is told."""
    chosen = given.study or list(STUDIES)
    left_out = [name for name in chosen if name in NEED_DATA and data is None]
    if left_out:
        print(f"without {', '.join(left_out)}: ADVISOR_DATA names no folder of data sets")
    return [name for name in chosen if name not in left_out]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--study", nargs="+", choices=list(STUDIES), help="all if not given")
    parser.add_argument("--command", type=Path, help="another `advisor`, which is asked before")
    parser.add_argument("--folder", type=Path, help="where rows are kept; none if not given")
    parser.add_argument("--json", type=Path, help="a file for all numbers and answers")
    parser.add_argument("--seeds", type=int, default=10, help="fresh seeds that score an answer")
    parser.add_argument("--epochs", choices=("usual", "pilot"), default="usual", help="of a script")
    parser.add_argument("--processes", type=int, default=2, help="of the script")
    parser.add_argument("--pruner", choices=("median", "none"), default="median", help="its pruner")
    parser.add_argument("--small", action="store_true", help="few rows and trials: does it work?")
    given = parser.parse_args()
    place = os.environ.get("ADVISOR_DATA")
    data = Path(place).resolve() if place else None
    head = (
        "study",
        "way",
        "s",
        "ratio",
        "CPU s",
        "ratio",
        "trainings",
        "epochs",
        "score",
        "answer",
    )
    print(COLUMNS.format(*head))
    found: dict[str, dict[str, Asked]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder = folder / "small" if given.small else folder
        for name in chosen_studies(given, data):
            make_ready(name, folder, data, SMALL_ROWS if given.small else None)
            found[name] = ask(name, folder, given)
            for line in lines(name, found[name]):
                print(line, flush=True)
            if given.json is not None:
                plain = {
                    name: {way: asdict(each) for way, each in ways.items()}
                    for name, ways in found.items()
                }
                given.json.write_text(json.dumps(plain, indent=1))
    if len(found) > 1:
        for line in totals(found):
            print(line)


if __name__ == "__main__":
    main()
