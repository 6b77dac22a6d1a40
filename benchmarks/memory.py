"""Memory that a study's data take in the coordinator and in a worker, beyond what imports take.

    python benchmarks/memory.py [--rows 100000]

A small net is tuned with two workers on a table of so many rows and 20 columns, and on the first
200 rows of it, which take nothing: what is left is torch and the other imports. Every 0.1 seconds
each process is asked for its proportional set size: its own pages, and its share of those that
processes have in common; below it stands what is left without pages of files, such as torch's code,
whose share depends on what else the machine runs. The peaks are compared, and their difference is
what the data take. Needs the standard library beside advisor, and Linux, whose /proc says all this.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = 20
FEW_ROWS = 200
"""Rows of the table whose data take nothing."""
WORKERS = 2
MEASURES = {"Pss": "all pages", "Pss_Anon": "without files"}
"""Keys of /proc/PID/smaps_rollup, and what they count."""
INTERVAL = 0.1
"""Seconds between two samples."""
MODEL = """from torch import nn

class Net(nn.Sequential):
    def __init__(self, in_features: int, classes: int) -> None:
        super().__init__(nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, classes))
"""
OPTIONS = f"""--model net.py:Net --target target --trials 2 --epochs 1 --seeds 3 --workers {WORKERS}
    --storage sqlite:///study.db --quiet"""
"""What is asked of `advisor tune`, beside the data."""


@dataclass
class Process:
    """What /proc says about a process.

    Attributes:
        parent: its parent's number.
        ticks: its time on a processor so far.
        peak: the largest value of each of `MEASURES` that was seen, in MiB.
    """

    parent: int
    ticks: int
    peak: dict[str, float] = field(default_factory=dict)


def write_table(path: Path, rows: int) -> None:
    """A CSV file of normal numbers and a target of two classes."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        names = [f"x{i}" for i in range(COLUMNS)]
        print(*names, "target", sep=",", file=file)
        for _ in range(rows):
            x = [draw.gauss(0, 1) for _ in range(COLUMNS)]
            level = x[0] + x[1] * x[2] + draw.gauss(0, 0.5)
            print(
                *(f"{value:.6f}" for value in x), "yes" if level > 0 else "no", sep=",", file=file
            )


def descendants(root: int) -> dict[int, Process]:
    """The process `root` and all that come from it, by number."""
    processes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in brackets, may hold anything; state, parent and times come after it.
            _, _, rest = (folder / "stat").read_text().rpartition(")")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        ticks = int(fields[11]) + int(fields[12])
        processes[int(folder.name)] = Process(int(fields[1]), ticks)
    tree = {root}
    size = 0
    while len(tree) > size:
        size = len(tree)
        tree.update(number for number, each in processes.items() if each.parent in tree)
    return {number: processes[number] for number in tree if number in processes}


def set_sizes(number: int) -> dict[str, float]:
    """The proportional set sizes of a process in MiB; empty where it has ended."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return {}
    sizes = {}
    for line in lines:
        key, _, rest = line.partition(":")
        if key in MEASURES:
            sizes[key] = int(rest.split()[0]) / 1024
    return sizes


def peaks(table: Path) -> dict[tuple[str, str], float]:
    """The peaks in MiB, by role and measure, of a study on a table."""
    command = [sys.executable, "-m", "advisor.cli", "tune", "--data", str(table), *OPTIONS.split()]
    seen: dict[int, Process] = {}
    with subprocess.Popen(
        [*command, "--name", table.stem], cwd=table.parent, stdout=subprocess.DEVNULL
    ) as study:
        while study.poll() is None:
            for number, process in descendants(study.pid).items():
                latest = seen.setdefault(number, process)
                latest.ticks = process.ticks
                for measure, size in set_sizes(number).items():
                    latest.peak[measure] = max(latest.peak.get(measure, 0.0), size)
            time.sleep(INTERVAL)
    if study.returncode:
        raise SystemExit(f"advisor tune failed on {table}: exit code {study.returncode}")

    # Workers have no children and work; multiprocessing's own processes have some, or do nothing.
    parents = {process.parent for process in seen.values()}
    leaves = [process for number, process in seen.items() if number not in {*parents, study.pid}]
    leaves.sort(key=lambda process: process.ticks)
    coordinator, workers = seen[study.pid], leaves[-WORKERS:]
    found = {}
    for measure in MEASURES:
        found["coordinator", measure] = coordinator.peak[measure]
        found["worker", measure] = max(each.peak[measure] for each in workers)
        # Their peaks are added up, whether they came together or not.
        found["all three", measure] = sum(each.peak[measure] for each in (coordinator, *workers))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the table")
    rows = parser.parse_args().rows
    if not sys.platform.startswith("linux"):
        sys.exit("benchmarks/memory.py reads /proc, which only Linux has; nothing was measured.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.py").write_text(MODEL, encoding="utf-8")
        few, many = folder / "few.csv", folder / "many.csv"
        write_table(few, FEW_ROWS)
        write_table(many, rows)
        imports, both = peaks(few), peaks(many)
        text = many.stat().st_size / 2**20
    numbers = rows * COLUMNS * 4 / 2**20
    print(
        f"{rows:,} rows of {COLUMNS} columns: {text:.1f} MiB of text, {numbers:.1f} MiB as float32"
    )
    print(f"{'MiB at most':26} {'imports':>10} {'with data':>10} {'the data':>10}")
    for (role, measure), size in imports.items():
        name, total = f"{role}, {MEASURES[measure]}", both[role, measure]
        print(f"{name:26} {size:10.1f} {total:10.1f} {total - size:10.1f}")


if __name__ == "__main__":
    main()
