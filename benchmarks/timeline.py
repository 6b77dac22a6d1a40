"""How a study spends the time of its workers: what trains, what prepares, and what waits.

    python benchmarks/timeline.py [STUDY.py] [--workers 2] [--command OTHER/bin/advisor]
        [--options "--trials 8"] [--calls 8]

The command and its workers are looked at every 10 ms (sampled/sitecustomize.py notes the calls that
the main thread is in), so that nothing of advisor has to be changed for it, and an older
installation can be looked at. The time of a worker's core counts from the start of the command to
its end. Its shares are given by what the worker does and by what the command is at; below them is
what the command itself does, which takes its processor time from the same cores, and a bar for each
worker over time. `--calls` lists the longest calls of the command before its first training and
after its last one, when its workers have nothing to do.
"""

from __future__ import annotations

import argparse
import bisect
import shlex
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clocked import take

ROOT = Path(__file__).parents[1]
OWN = Path(sys.executable).with_name("advisor")
WIDTH = 90
"""Characters of a bar."""

STACKS = "training/stacks/"
"""Part of the calls of trainings whose steps are written out."""
WORK = (
    ("techniques", ("work/job.py:applied",)),
    ("building", ("work/job.py:built_run", "work/job.py:made_ready")),
    ("preparing", ("work/opened.py:",)),
    ("trained together", ("work/stacked.py:follow",)),
    ("training", ("advisor/training/", STACKS)),
)
"""What a worker does, by calls; the outermost one that is known says it."""
TRAINS = ("training", "trained together")
LETTERS = {
    "training": "█",
    "trained together": "▓",
    "techniques": "t",
    "building": "b",
    "preparing": "p",
    "other": "o",
    "waiting": "·",
    "no process": " ",
}
"""What a worker does in a bar; `other` is keeping states, sending results and imports."""
PHASES = (
    ("pilot", ("search/pilot.py:",)),
    ("choosing", ("verdict/choosing.py:",)),
    ("measuring", ("verdict/confirm.py:", "verdict/measuring.py:", "verdict/racing.py:")),
    ("search", ("search/search.py:",)),
)
"""What the command is at, by calls, of which the first that is there says it."""
ORDER = ("start", "pilot", "search", "choosing", "measuring", "end")
"""Columns of the table: before the first phase the command starts, after the last one it ends."""
IMPORTING = "<frozen importlib._bootstrap>"
COMMANDS = (
    ("waiting for workers", ("work/executors.py:_wait", "work/executors.py:result_of")),
    ("imports", (IMPORTING,)),
    ("database", ("advisor/store/", "sqlalchemy/", "optuna/storages/")),
    ("suggesting", ("optuna/samplers/",)),
    ("preparing", ("work/prepare.py:", "work/opened.py:")),
    ("statistics", ("advisor/verdict/",)),
)
"""What the command does, by calls; here the innermost one that is known says it."""


@dataclass(frozen=True)
class Look:
    """One look at a process.

    Attributes:
        at: when, by `time.monotonic`.
        seconds: until the next one.
        processor: seconds on a processor in between.
        calls: from the outermost one inwards.
    """

    at: float
    seconds: float
    processor: float
    calls: Sequence[str]


def looks_of(path: Path, latest: int | None = None) -> list[Look]:
    """All looks at a process but the last, or those in so many of the latest bytes; none where it
    has not been looked at.
    """
    if not path.exists():
        return []
    skipped = 0 if latest is None else max(0, path.stat().st_size - latest)
    with path.open("rb") as file:
        file.seek(skipped)
        read = file.read().decode(errors="replace").splitlines()
    # The first line may have no beginning, and the last one no end.
    whole = read[1:] if skipped else read
    lines = [line.split("\t") for line in whole if line.count("\t") == 2]
    times = [(float(at), float(used), calls.split(";")) for at, used, calls in lines]
    return [
        Look(at, later - at, used_later - used, calls)
        for (at, used, calls), (later, used_later, _) in pairwise(times)
    ]


def named(calls: Sequence[str], rules: Sequence[tuple[str, Sequence[str]]]) -> str | None:
    """The name of the first call that a rule knows."""
    for call in calls:
        for name, parts in rules:
            if any(part in call for part in parts):
                return name
    return None


def work_of(look: Look) -> str:
    """What a worker does."""
    known = named(look.calls, WORK)
    if known is not None:
        return known
    return "waiting" if "multiprocessing/connection.py:" in look.calls[-1] else "other"


def phase_of(look: Look) -> str | None:
    """What the command is at, where its calls say that; those of imports do not."""
    if any(IMPORTING in call for call in look.calls):
        return None
    for name, parts in PHASES:
        if any(part in call for part in parts for call in look.calls):
            return name
    return None


def phases_of(looks: Sequence[Look]) -> list[tuple[float, str]]:
    """What the command is at from when on; calls in between that say nothing change nothing."""
    found: list[tuple[float, str]] = [(looks[0].at, "start")]
    last = looks[0].at
    for look in looks:
        phase = phase_of(look)
        if phase is not None:
            last = look.at + look.seconds
            if phase != found[-1][1]:
                found.append((look.at, phase))
    return [*found, (last, "end")]


@dataclass(frozen=True)
class Timeline:
    """A command with its workers.

    Attributes:
        began, ended: by `time.monotonic`.
        command: looks at the command.
        workers: looks at each worker, in the order in which they began.
    """

    began: float
    ended: float
    command: Sequence[Look]
    workers: Sequence[Sequence[Look]]

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def followed(words: Sequence[str | Path]) -> Timeline:
    """Run a command to its end and look at it. It writes no other study's database."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "looks"
        place.mkdir()
        more = {
            "PYTHONPATH": str(Path(__file__).parent / "sampled"),
            "ADVISOR_SAMPLES": str(place),
        }
        began = time.monotonic()
        took = take([*words, "--storage", f"sqlite:///{folder}/study.db"], ROOT, more)
        found = [looks for path in place.iterdir() if (looks := looks_of(path))]
    found.sort(key=lambda looks: looks[0].at)
    return Timeline(began, began + took.clock, found[0], found[1:])


def lanes_of(timeline: Timeline) -> list[list[Look]]:
    """Looks at the workers by core: a process that comes when another has ended takes its place."""
    lanes: list[list[Look]] = []
    for looks in timeline.workers:
        free = [lane for lane in lanes if lane[-1].at <= looks[0].at]
        if free:
            free[0].extend(looks)
        else:
            lanes.append(list(looks))
    return lanes


Seconds = dict[str, float]


def seconds_by() -> Seconds:
    """Seconds by name, of which none are spent yet."""
    return defaultdict(float)


# --- what is printed ----------------------------------------------------------------------------


def shares(timeline: Timeline, lanes: Sequence[Sequence[Look]], workers: int) -> Iterator[str]:
    """The table of what workers do, in seconds of all cores, by what the command is at."""
    phases = phases_of(timeline.command)
    spent: dict[str, Seconds] = defaultdict(seconds_by)
    processor = seconds_by()
    for look in (look for lane in lanes for look in lane):
        kind = work_of(look)
        spent[kind][phase_at(look.at, phases)] += look.seconds
        processor[kind] += look.processor
    for phase, seconds in lasted(phases, timeline).items():
        with_process = sum(row[phase] for row in spent.values())
        spent["no process"][phase] = max(0.0, seconds * workers - with_process)
    whole = timeline.seconds * workers
    heads = "".join(f"{name:>10}" for name in ORDER)
    yield f"{'seconds of workers':<20}{heads}{'all':>8}{'share':>7}{'processor':>10}"
    for kind in LETTERS:
        row = spent[kind]
        total = sum(row.values())
        cells = "".join(f"{row[name]:>10.1f}" for name in ORDER)
        yield f"{kind:<20}{cells}{total:>8.1f}{total / whole:>7.0%}{processor[kind] / whole:>10.0%}"
    trains = sum(sum(spent[kind].values()) for kind in TRAINS) / whole
    yield f"{trains:.0%} of {workers} cores train"


def phase_at(at: float, phases: Sequence[tuple[float, str]]) -> str:
    """What the command is at at a time; before its first look it starts."""
    place = bisect.bisect_right(phases, at, key=lambda phase: phase[0])
    return phases[max(0, place - 1)][1]


def lasted(phases: Sequence[tuple[float, str]], timeline: Timeline) -> Seconds:
    """How many seconds each phase lasted, on the clock."""
    edges = [timeline.began, *(at for at, _ in phases[1:]), timeline.ended]
    found = seconds_by()
    for (_, name), (begins, ends) in zip(phases, pairwise(edges), strict=True):
        found[name] += ends - begins
    return found


def of_command(looks: Sequence[Look]) -> Iterator[str]:
    """The table of what the command itself does."""
    clock, processor = seconds_by(), seconds_by()
    for look in looks:
        known = named(list(reversed(look.calls)), COMMANDS) or "other"
        clock[known] += look.seconds
        processor[known] += look.processor
    yield f"{'the command itself':<20}{'seconds':>10}{'processor':>10}"
    for name, seconds in sorted(clock.items(), key=lambda item: -item[1]):
        yield f"{name:<20}{seconds:>10.1f}{processor[name]:>10.1f}"


def longest_calls(timeline: Timeline, most: int) -> Iterator[str]:
    """The calls in advisor that last longest at the start and at the end, with what they call."""
    phases = phases_of(timeline.command)
    for edge in ("start", "end"):
        spent = seconds_by()
        for look in timeline.command:
            if phase_at(look.at, phases) == edge:
                for call in {each for each in look.calls if "advisor/" in each}:
                    spent[call] += look.seconds
        yield f"at the {edge}, {lasted(phases, timeline)[edge]:.1f} s:"
        for call, seconds in sorted(spent.items(), key=lambda item: -item[1])[:most]:
            yield f"{seconds:>8.2f} s  {call}"


def bar(looks: Sequence[Look], timeline: Timeline, letter: Callable[[Look], str]) -> str:
    """What most of each part of the time went to, a character for each part."""
    step = timeline.seconds / WIDTH
    cells = [seconds_by() for _ in range(WIDTH)]
    for look in looks:
        place = min(WIDTH - 1, int((look.at - timeline.began) / step))
        cells[place][letter(look)] += look.seconds
    return "".join(max(cell, key=cell.__getitem__, default=" ") for cell in cells)


def bars(timeline: Timeline, lanes: Sequence[Sequence[Look]]) -> Iterator[str]:
    """A bar for what the command is at, and one for each worker."""
    phases = phases_of(timeline.command)
    letters = dict(zip(ORDER, "sPSCMe", strict=True))

    def phase(look: Look) -> str:
        return letters[phase_at(look.at, phases)]

    yield f"{'command':<9}|{bar(timeline.command, timeline, phase)}|"
    for number, lane in enumerate(lanes, start=1):
        yield f"worker {number:<2}|{bar(lane, timeline, lambda look: LETTERS[work_of(look)])}|"
    for title, known in (("command", letters), ("worker", LETTERS)):
        words = ", ".join(f"{letter} {name}" for name, letter in known.items() if letter != " ")
        yield f"{title}: {words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", nargs="?", default=str(ROOT / "studies" / "digits.py"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--command", type=Path, default=OWN, help="another `advisor`")
    parser.add_argument("--options", default="", help="further options of `advisor tune`")
    parser.add_argument("--calls", type=int, default=0, help="so many of the longest are listed")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("benchmarks/timeline.py needs Linux, where workers are forked.")
    study = Path(given.study).resolve()
    words = [
        given.command.absolute(),
        "tune",
        study,
        "--workers",
        str(given.workers),
        "--quiet",
        "--json",
    ]
    timeline = followed([*words, *shlex.split(given.options)])
    lanes = lanes_of(timeline)
    print(f"{study.name}: {timeline.seconds:.1f} s on the clock, {given.workers} workers\n")
    for line in shares(timeline, lanes, given.workers):
        print(line)
    print()
    for line in of_command(timeline.command):
        print(line)
    for line in longest_calls(timeline, given.calls) if given.calls else ():
        print(line)
    print()
    for line in bars(timeline, lanes):
        print(line)


if __name__ == "__main__":
    main()
