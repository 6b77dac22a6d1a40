"""Studies that are killed again and again: does one lose, double or change anything?

    python benchmarks/kills.py [--kills 60] [--workers 1 2] [--seed 0]

A small study is asked once in peace. Then it is asked again and again with the same command, and
SIGKILL comes at random moments of the search, of the seeds that choose and of those that measure
(trained together, as a stack, where the table says so): to a worker, to the command, or to all of
them at once. In the end there must be each trial, each epoch and each fresh seed once, with the
numbers that they have in peace, and the same JSON but for its seconds. Where they are not, what
differs is told, and the exit code is 1. What the processes are at is known by looking at them, as
benchmarks/timeline.py does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timeline import STACKS, looks_of, phase_of, seconds_by

from advisor.store.query import read

OWN = Path(sys.executable).with_name("advisor")
SAMPLED = Path(__file__).parent / "sampled"
STUDY = """
import advisor
from sklearn.datasets import load_digits
from torch import nn

def net():
    first = (nn.Linear(64, 32), nn.ReLU())
    return nn.Sequential(*first, nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))

def data():
    x, y = load_digits(return_X_y=True)
    return ((x - x.mean()) / x.std()).astype("float32"), y

only = {"activation": ["elu", "tanh"], "initializer": ["he", "orthogonal"], "pretraining": []}
study = advisor.Study("killed", advisor.Task(net, data), trials=24, epochs=10, seeds=10, only=only)
"""
MOMENTS = ("pilot", "search", "choosing", "measuring")
"""What the command may be at when a kill is due; a study's kills come in this order."""
VICTIMS = ("worker", "command", "all")
KILLS = 6
"""Kills of one study at most."""
WORKER_KILLS = 2
"""Kills of workers alone in one study at most: advisor judges a job at the third death over it."""
LATEST = 2**15
"""Bytes of the latest looks that say what a command is at."""
LONGEST = 600.0
"""Seconds after which a command is given up."""
TABLES = {
    "trials": "SELECT number, arm, state, score, stage, why, lr, weight_decay FROM advisor_trials",
    "epochs": "SELECT number, epoch, score, loss FROM advisor_curves",
    "seeds": "SELECT phase, arm, params, seed, score, test, why FROM advisor_confirmations",
}
"""What there must be once. The first columns name a row; the score and what follows do not."""
NAMED_BY = {"trials": 1, "epochs": 2, "seeds": 4}
"""How many of the columns name a row."""


@dataclass(frozen=True)
class Peace:
    """The study that nothing disturbed.

    Attributes:
        answer: its JSON without seconds.
        rows: what its database holds, by table.
        lasts: how long it was at each moment, in seconds.
        stacked: whether trainings were computed as one.
    """

    answer: Any
    rows: Mapping[str, Counter[tuple[Any, ...]]]
    lasts: Mapping[str, float]
    stacked: bool


@dataclass
class Killed:
    """Studies that were killed, with one number of workers.

    Attributes:
        kills: how many struck, by moment and victim.
        studies: that came to their end.
        lost, doubled: rows that are missing, and that are there twice.
        differences: what else is not as in peace, one sentence each.
    """

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    studies: int = 0
    lost: int = 0
    doubled: int = 0
    differences: list[str] = field(default_factory=list)


class Command:
    """`advisor tune` of the study, which is looked at."""

    def __init__(self, folder: Path, storage: Path, workers: int) -> None:
        self.looks = Path(tempfile.mkdtemp(dir=folder))
        self.out = self.looks.with_suffix(".json")
        self.err = self.looks.with_suffix(".err")
        words = [OWN, "tune", folder / "study.py", "--storage", f"sqlite:///{storage}"]
        words += ["--workers", str(workers), "--json", "--quiet"]
        more = {"PYTHONPATH": str(SAMPLED), "ADVISOR_SAMPLES": str(self.looks)}
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [str(word) for word in words],
                cwd=folder,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **more},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def moment(self) -> str:
        """What the command is at, by the last look that says so."""
        for look in reversed(looks_of(self.looks / f"{self.process.pid}.txt", LATEST)):
            found = phase_of(look)
            if found is not None:
                return found
        return "start"

    def workers(self) -> list[int]:
        """Its workers that live."""
        found = [int(path.stem) for path in self.looks.glob("*.txt")]
        return [number for number in found if number != self.process.pid and lives(number)]

    def strike(self, victim: str, draw: random.Random) -> str | None:
        """Kill a worker, the command, or all; what was killed, None where nothing is left."""
        workers = self.workers()
        if self.is_over:
            return None
        if victim == "worker" and workers:
            kill(draw.choice(workers))
            return victim
        kill(self.process.pid)
        for worker in workers if victim == "all" else ():
            kill(worker)
        self.process.wait()
        return "all" if victim == "all" else "command"

    def answer(self) -> Any:
        """Its JSON without seconds. Raises `SystemExit` where it failed."""
        code = self.process.wait(LONGEST)
        if code:
            raise SystemExit(f"exit code {code}: {self.err.read_text()[-2000:]}")
        return timeless(json.loads(self.out.read_text()))


def lives(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        _, _, rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    except OSError:
        return False
    return rest.split()[0] not in "ZX"


def kill(process: int) -> None:
    """Kill a process that may have ended by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def timeless(plain: Any) -> Any:
    """An answer without its seconds."""
    if isinstance(plain, dict):
        return {key: timeless(each) for key, each in plain.items() if key != "seconds"}
    return [timeless(each) for each in plain] if isinstance(plain, list) else plain


def rows_of(storage: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """What the database of a study holds, by table."""
    return {
        name: Counter(tuple(row) for row in read(f"sqlite:///{storage}", query)[1])
        for name, query in TABLES.items()
    }


# --- one study ----------------------------------------------------------------------------------


def in_peace(folder: Path, workers: int) -> Peace:
    """Ask the study once, and do not disturb it."""
    storage = folder / "peace.db"
    command = Command(folder, storage, workers)
    answer = command.answer()
    lasts = seconds_by()
    for look in looks_of(command.looks / f"{command.process.pid}.txt"):
        lasts[phase_of(look) or "start"] += look.seconds
    looks = (look for path in command.looks.glob("*.txt") for look in looks_of(path))
    stacked = any(STACKS in call for look in looks for call in look.calls)
    return Peace(answer, rows_of(storage), lasts, stacked)


def plan_of(draw: random.Random, kills: int) -> list[tuple[str, str]]:
    """Moments and victims of a study's kills, in the order of the moments."""
    moments = sorted((draw.choice(MOMENTS) for _ in range(kills)), key=MOMENTS.index)
    victims = [draw.choice(VICTIMS) for _ in range(kills)]
    others = [place for place, victim in enumerate(victims) if victim == "worker"][WORKER_KILLS:]
    for place in others:
        victims[place] = "command"
    return list(zip(moments, victims, strict=True))


def kill_study(
    folder: Path, workers: int, peace: Peace, found: Killed, draw: random.Random, kills: int
) -> None:
    """Ask a study, kill it so often, and compare what it comes to with that in peace."""
    storage = folder / f"killed-{workers}-{found.studies}.db"
    command = Command(folder, storage, workers)
    struck = []
    for moment, victim in plan_of(draw, kills):
        if command.is_over:
            break
        wait_for(command, moment)
        time.sleep(draw.uniform(0, max(0.1, peace.lasts.get(moment, 0.0))))
        at, killed = command.moment(), command.strike(victim, draw)
        if killed is None:
            break
        found.kills[at, killed] += 1
        struck.append(f"{killed} ({at})")
        if killed != "worker":
            command = Command(folder, storage, workers)
    found.differences += differences(peace.answer, command.answer(), f"study {found.studies}")
    compare(peace, rows_of(storage), found)
    found.studies += 1
    print(f"{workers} workers, study {found.studies}: {', '.join(struck)}", file=sys.stderr)


def wait_for(command: Command, moment: str) -> None:
    """Wait until a command is at a moment or past it, or over."""
    until = time.monotonic() + LONGEST
    while not command.is_over and time.monotonic() < until:
        at = command.moment()
        if at in MOMENTS and MOMENTS.index(at) >= MOMENTS.index(moment):
            return
        time.sleep(0.02)


def compare(peace: Peace, rows: Mapping[str, Counter[tuple[Any, ...]]], found: Killed) -> None:
    """Count rows that are lost and doubled, and note those that have other numbers."""
    for name, own in rows.items():
        width = NAMED_BY[name]
        here, there = (keys_of(each, width) for each in (own, peace.rows[name]))
        found.lost += sum((there - here).values())
        found.doubled += sum((here - there).values())
        if here == there and own != peace.rows[name]:
            row = next(iter(own - peace.rows[name]))
            found.differences.append(f"study {found.studies}: other numbers in {name}: {row}")


def keys_of(rows: Counter[tuple[Any, ...]], width: int) -> Counter[tuple[Any, ...]]:
    """How often each row is there, by the columns that name it."""
    found: Counter[tuple[Any, ...]] = Counter()
    for row, count in rows.items():
        found[row[:width]] += count
    return found


def differences(peace: Any, killed: Any, place: str) -> Iterator[str]:
    """Where two answers differ, one sentence each."""
    if isinstance(peace, dict) and isinstance(killed, dict) and peace.keys() == killed.keys():
        for key, value in peace.items():
            yield from differences(value, killed[key], f"{place}.{key}")
    elif peace != killed:
        yield f"{place}: {json.dumps(killed)[:200]}, in peace {json.dumps(peace)[:200]}"


# --- what is printed ----------------------------------------------------------------------------


def report(workers: int, peace: Peace, found: Killed) -> None:
    """Print what the kills of one number of workers have shown."""
    together = "trained together" if peace.stacked else "trained one by one"
    print(f"\n{workers} workers; seeds that measure are {together}")
    print(f"{'kills of':<12}" + "".join(f"{moment:>11}" for moment in ("start", *MOMENTS)))
    for victim in VICTIMS:
        counts = (found.kills[moment, victim] for moment in ("start", *MOMENTS))
        print(f"{victim:<12}" + "".join(f"{count:>11}" for count in counts))
    print(
        f"{found.kills.total()} kills of {found.studies} studies: {found.lost} rows lost, "
        f"{found.doubled} doubled, {len(found.differences)} differences"
    )
    for sentence in found.differences:
        print(f"  {sentence}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=60, help="in all")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0, help="draws moments and victims")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("benchmarks/kills.py needs Linux, where workers are forked.")
    draw = random.Random(given.seed)
    shares = divided(given.kills, given.workers)
    is_right = True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "study.py").write_text(STUDY, encoding="utf-8")
        peace = in_peace(folder, given.workers[0])
        for workers, kills in shares.items():
            found = Killed()
            while found.kills.total() < kills:
                left = kills - found.kills.total()
                kill_study(folder, workers, peace, found, draw, min(KILLS, left))
            report(workers, peace, found)
            is_right &= not (found.lost or found.doubled or found.differences)
    sys.exit(0 if is_right else 1)


def divided(kills: int, workers: Sequence[int]) -> dict[int, int]:
    """How many kills each number of workers gets."""
    return {each: len(range(i, kills, len(workers))) for i, each in enumerate(workers)}


if __name__ == "__main__":
    main()
