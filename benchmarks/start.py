"""How long a command takes to begin, against what torch itself takes.

    python benchmarks/start.py [--rounds 5] [--study studies/digits.py]

In each round one after the other: a fresh Python that imports torch and builds its first optimizer;
`advisor tune` of a study, until the first optimizer step of a worker; `advisor plugins` and
`advisor techniques`, which a first call has loaded. Printed are medians of seconds on the clock,
and of their ratio to the first within a round; and the same of processor seconds, of `advisor tune`
those of the command itself, which its worker waits for: on a busy machine they say more. The study
is ended at its first step, which is told by a hook of torch's that is written below a copy of its
file.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
ADVISOR = (sys.executable, "-m", "advisor")
REFERENCE = "import torch; torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])"
"""What is paid by whoever trains with torch."""
HOOK = """

def _tell_first_step(*_, told=[]):
    if not told:
        import os, pathlib, time
        told.append(pathlib.Path({place!r}).write_text(repr(time.time())))

__import__("importlib").import_module("torch.op" + "tim.op" + "timizer").__dict__[
    "register_op" + "timizer_step_post_hook"](_tell_first_step)
"""
"""Below a study file; it does not name what would have more imported for it."""
LONGEST = 300.0
"""Seconds after which a study is given up."""


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and on a processor."""

    clock: float
    processor: float


def clocked(*words: str) -> Took:
    """What a command takes."""
    began, before = time.time(), of_children()
    subprocess.run(words, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return Took(time.time() - began, of_children() - before)


def of_children() -> float:
    """Processor seconds of all commands that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def of_process(number: int) -> float:
    """Processor seconds of a process until now, without those of its children; NaN elsewhere than
    on Linux.
    """
    try:
        _, _, rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")
    except OSError:
        return math.nan
    return (int(rest.split()[11]) + int(rest.split()[12])) / os.sysconf("SC_CLK_TCK")


def first_step(study: Path) -> Took:
    """From the call of `advisor tune` to the first optimizer step of a worker."""
    with tempfile.TemporaryDirectory() as folder:
        place, copy = Path(folder, "first"), Path(folder, study.name)
        copy.write_text(study.read_text() + HOOK.format(place=str(place)))
        began = time.time()
        words = (*ADVISOR, "tune", copy.name, "--workers", "2", "--quiet", "--storage", "study.db")
        with subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL) as command:
            while not (place.is_file() and place.read_text()):
                if command.poll() is not None or time.time() - began > LONGEST:
                    command.kill()
                    raise SystemExit("the study has come to no step")
                time.sleep(0.01)
            processor = of_process(command.pid)
            command.send_signal(signal.SIGTERM)
            command.wait()
        return Took(float(place.read_text()) - began, processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds, one after the other")
    parser.add_argument("--study", type=Path, default=ROOT / "studies" / "digits.py")
    given = parser.parse_args()
    study = given.study.resolve()
    ways: dict[str, Callable[[], Took]] = {
        "import torch, first optimizer": lambda: clocked(sys.executable, "-c", REFERENCE),
        f"advisor tune {study.name}: first step": lambda: first_step(study),
        "advisor plugins": lambda: clocked(*ADVISOR, "plugins"),
        "advisor techniques": lambda: clocked(*ADVISOR, "techniques"),
    }
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(XDG_CACHE_HOME=cache, OMP_WAIT_POLICY="PASSIVE")
        loaded = clocked(*ADVISOR, "plugins")
        rounds = [{name: way() for name, way in ways.items()} for _ in range(given.rounds)]
    show(rounds)
    name, blank = "advisor plugins, the first time", ""
    print(f"{name:40} {loaded.clock:8.2f} {blank:6} {loaded.processor:10.2f}")


def show(rounds: Sequence[Mapping[str, Took]]) -> None:
    """Print medians, and medians of ratios to the first way."""
    first = next(iter(rounds[0]))
    print(f"{'':40} {'seconds':>8} {'ratio':>6} {'processor':>10} {'ratio':>6}")
    for name in rounds[0]:
        cells = []
        for kind in ("clock", "processor"):
            taken = [(getattr(each[name], kind), getattr(each[first], kind)) for each in rounds]
            cells += [median(own for own, _ in taken), median(own / its for own, its in taken)]
        print(f"{name:40} {cells[0]:8.2f} {cells[1]:6.2f} {cells[2]:10.2f} {cells[3]:6.2f}")


if __name__ == "__main__":
    main()
