"""How long each named question to a study database takes, beside a count of its trials.

    python benchmarks/questions.py [--terminal]

It fills new SQLite files with 100 studies of 100 trials and with one of 5,000, and prints the CPU
seconds of `advisor query --named NAME`, the best of three, with what they are of the seconds of
`advisor query "SELECT count(*) FROM trials"`. With `--terminal` they write to a terminal of 120
columns, whose tables another library draws; else into a pipe.
"""

from __future__ import annotations

import json
import random
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
import views
from optuna.distributions import CategoricalDistribution

from advisor.store import tables
from advisor.store.confirmed_seeds import Confirmation, write_seed
from advisor.store.database import Database
from advisor.store.named_queries import QUERIES
from advisor.store.recommended import write_answer

SIZES = ((100, 100), (1, 5000))
CHOICES = {"activation": 32, "initializer": 18, "embedding": 6, "pretraining": 6}
"""Techniques of each slot, besides `keep`."""
SEEDS = 20
"""Measuring seeds of each study."""
COUNT = ["SELECT count(*) FROM trials"]


def names(slot: str) -> tuple[str, ...]:
    """The techniques of a slot."""
    return ("keep", *(f"technique_{number}" for number in range(CHOICES[slot])))


def fill(url: str, studies: int, trials: int) -> None:
    """Write studies as `benchmarks/views.py` does, with trials that differ, and with answers."""
    views.SPACE |= {slot: CategoricalDistribution(names(slot)) for slot in CHOICES}
    views.PARAMS |= dict.fromkeys(CHOICES, "technique_3")
    views.fill(url, studies, trials)
    draw = random.Random(0)
    with Database(url, None) as database, database.engine.begin() as connection:
        # A slot is an index into its techniques, and half of the slots keep what is there.
        for slot, many in CHOICES.items():
            connection.exec_driver_sql(
                f"UPDATE trial_params SET param_value = max(0, random() % {many + 1}) "
                f"WHERE param_name = '{slot}'"
            )
        connection.exec_driver_sql("UPDATE trial_values SET value = abs(random() % 1000) / 1000.0")
        connection.exec_driver_sql("UPDATE trials SET state = 'FAIL' WHERE trial_id % 10 = 3")
        for name in connection.execute(sa.select(tables.plans.c.study)).scalars().all():
            answer(connection, name, draw)


def answer(connection: sa.Connection, study: str, draw: random.Random) -> None:
    """Write the fresh seeds and the answer of one study."""
    arm = {slot: draw.choice(names(slot)) for slot in CHOICES}
    changed = " ".join(f"{slot}={name}" for slot, name in arm.items() if name != "keep")
    for phase in ("choose", "measure"):
        for label in ("keep", changed or "activation=technique_1"):
            for seed in range(SEEDS):
                score = draw.random()
                write_seed(
                    connection, study, Confirmation(phase, label, "{}", seed, score, 1.0), {}
                )
    plain = {
        "choices": arm,
        "params": {"training.lr": 0.1, "training.weight_decay": 0.0},
        "gain": {"mean": draw.random(), "low": 0.0, "high": 1.0, "seeds": SEEDS, "arm": arm},
        "reasons": ["because " * 2000],
    }
    write_answer(connection, study, verdict="change", evidence="better", json=json.dumps(plain))


def seconds(path: Path, words: list[str]) -> float:
    """CPU seconds of `advisor query`, the best of three."""
    line = [sys.executable, "-m", "advisor", "query", *words, "--storage", str(path)]
    if "--terminal" in sys.argv:
        line = ["script", "-qec", f"stty cols 120; {shlex.join(line)}", "/dev/null"]
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(line, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, used)
    return best


def main() -> None:
    """Fill, measure, print."""
    measured: dict[str, list[str]] = {query.name: [] for query in QUERIES}
    with tempfile.TemporaryDirectory() as folder:
        for studies, trials in SIZES:
            path = Path(folder) / f"{studies}x{trials}.db"
            fill(f"sqlite:///{path}", studies, trials)
            least = seconds(path, COUNT)
            for query in QUERIES:
                took = seconds(path, ["--named", query.name])
                measured[query.name].append(f"{took:.2f} s, {took / least:.1f} ×")
    print("| question |", " | ".join(f"{studies} × {trials:,}" for studies, trials in SIZES), "|")
    print("| --- |", " | ".join("---:" for _ in SIZES), "|")
    for name, cells in measured.items():
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
