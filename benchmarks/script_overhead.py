"""What a trial of a script costs beside the same script by hand, in a training of ten seconds.

    python benchmarks/script_overhead.py [--seconds 10] [--times 3]

By hand the script is timed from its first line that is not an import to its last one, so that what
Python and torch take to start is left out: a trial has them for nothing, as its process is made
from one that has loaded torch. Seconds of the processor are compared, as other programs may run
beside; and what lies around the script in a trial is timed from outside, from the request to the
answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from advisor.search.script_plan import pilot_of_script, plan_of_script
from advisor.work.crews import crew
from advisor.work.executors import Crew
from advisor.work.scripts.prepared import PreparedScript, open_script
from advisor.work.study_ref import StudyRef

SCRIPT = """
import sys
import time
import torch
from torch import nn
import torch._dynamo  # which the first optimizer imports
import advisor
began, used = time.perf_counter(), time.process_time()
torch.set_num_threads(1)
arm = advisor.arm()
torch.manual_seed(arm.seed)
x, y = torch.randn(2000, 64), torch.randint(0, 10, (2000,))
layers = [each for _ in range(6) for each in (nn.Linear(64, 64), nn.ReLU())]
model = arm.apply(nn.Sequential(*layers, nn.Linear(64, 10)), x[:32])
optimizer = torch.optim.SGD(model.parameters(), lr=arm.lr(0.05), momentum=0.9)
for epoch in range(int(sys.argv[1])):
    for rows in torch.randperm(2000).split(32):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    arm.report((model(x).argmax(1) == y).float().mean())
print(time.perf_counter() - began, time.process_time() - used)
"""
"""A training whose length is the number of its epochs."""


def by_hand(file: Path, epochs: int) -> tuple[float, float]:
    """Seconds of the script by itself, without those of its imports, and those of the processor."""
    command = [sys.executable, str(file), str(epochs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return seconds_in(done.stdout)


def seconds_in(printed: str) -> tuple[float, float]:
    """What the script prints at its end."""
    seconds, used = map(float, printed.split())
    return seconds, used


def opened(file: Path, epochs: int, workforce: Crew) -> PreparedScript:
    """The study of the script."""
    flags = {"name": "overhead", "script": str(file), "words": [str(epochs)], "metric": "accuracy"}
    return open_script(StudyRef(flags=json.dumps(flags)), workforce)


def main() -> None:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, crew(1) as workforce:
        file = Path(folder) / "train.py"
        file.write_text(SCRIPT)
        epochs = max(1, round(10 * asked.seconds / by_hand(file, 10)[0]))
        prepared = opened(file, epochs, workforce)
        plan = plan_of_script(prepared)
        alone, inside, around = [], [], []
        workforce.printed = Path(folder)
        for _ in range(asked.times):
            alone.append(by_hand(file, epochs)[1])
            began = time.perf_counter()
            _, outcome = pilot_of_script(prepared, plan, Path(folder), workforce)
            whole = time.perf_counter() - began
            seconds, used = seconds_in((Path(folder) / "trial-0.txt").read_text())
            inside.append(used)
            around.append(whole - seconds)
            assert len(outcome.curve) == epochs, outcome.why
    hand, own, more = (statistics.median(each) for each in (alone, inside, around))
    share = (own + more) / hand - 1
    print(
        f"{epochs} epochs: by hand {hand:.2f} s; in a trial {own:.2f} s, {more:.2f} s around it "
        f"({share:+.1%})"
    )


if __name__ == "__main__":
    main()
