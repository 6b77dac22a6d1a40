"""How long a command takes to begin, against what torch itself takes.

    python benchmarks/start.py [--rounds 5] [--study studies/digits.py]

In each round one after the other: a fresh Python that imports torch and builds its first optimizer;
`advisor tune` of a study, until the first optimizer step of a worker; `advisor plugins` and
`advisor techniques`, which a first call has loaded. Printed are medians of seconds on the clock,
and of their ratio to the first within a round. The study is ended at its first step, which is told
by a hook of torch's that is written below a copy of its file.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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


def clocked(*words: str) -> float:
    """Seconds of a command."""
    began = time.time()
    subprocess.run(words, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.time() - began


def first_step(study: Path) -> float:
    """Seconds from the call of `advisor tune` to the first optimizer step of a worker."""
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
            command.send_signal(signal.SIGTERM)
            command.wait()
        return float(place.read_text()) - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds, one after the other")
    parser.add_argument("--study", type=Path, default=ROOT / "studies" / "digits.py")
    given = parser.parse_args()
    study = given.study.resolve()
    ways: dict[str, Callable[[], float]] = {
        "import torch, first optimizer": lambda: clocked(sys.executable, "-c", REFERENCE),
        f"advisor tune {study.name}: first step": lambda: first_step(study),
        "advisor plugins": lambda: clocked(*ADVISOR, "plugins"),
        "advisor techniques": lambda: clocked(*ADVISOR, "techniques"),
    }
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(XDG_CACHE_HOME=cache, OMP_WAIT_POLICY="PASSIVE")
        loaded = clocked(*ADVISOR, "plugins")
        rounds = [{name: way() for name, way in ways.items()} for _ in range(given.rounds)]
    first = next(iter(ways))
    print(f"{'':40} {'seconds':>8} {'ratio':>6}")
    for name in ways:
        ratio = median(each[name] / each[first] for each in rounds)
        print(f"{name:40} {median(each[name] for each in rounds):8.2f} {ratio:6.2f}")
    print(f"{'advisor plugins, the first time':40} {loaded:8.2f}")


if __name__ == "__main__":
    main()
