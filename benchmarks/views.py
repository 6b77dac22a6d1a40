"""How long each view of the study database takes, for few trials and many.

    python benchmarks/views.py [URL]

It fills new databases with studies as a search writes them and prints the seconds of each view, the
best of five, with the ratio of 4,000 trials to 1,000. Without an URL they are SQLite files that are
removed. In the URL of a PostgreSQL server the word DATABASE stands for names like `views_1x4000`,
which must be there and empty.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from advisor.store import tables
from advisor.store.database import Database
from advisor.store.query import read
from advisor.store.rows import now, param_rows
from advisor.store.schema import SCHEMA

SLOTS = ("activation", "initializer", "embedding", "pretraining")
SPACE = {
    **{slot: CategoricalDistribution(("keep", "a", "b")) for slot in SLOTS},
    "training.lr": FloatDistribution(1e-5, 1.0, log=True),
}
PARAMS = {**dict.fromkeys(SLOTS, "a"), "training.lr": 0.1}
SIZES = ((1, 1000), (1, 4000), (1, 5000), (100, 100))
EPOCHS = 8


def fill(url: str, studies: int, trials: int, epochs: int = EPOCHS) -> None:
    """Write studies of so many trials each, with all that a search writes about a trial."""
    database = Database(url, SLOTS)
    with database.engine.begin() as connection:
        for study in range(studies):
            write_study(connection, f"study {studies}x{trials} {study}", trials, epochs)
    database.close()


def write_study(connection: sa.Connection, name: str, trials: int, epochs: int) -> None:
    """Write one study."""
    added = tables.STUDIES.insert().returning(tables.STUDIES.c.study_id)
    study_id = connection.execute(added, {"study_name": name}).scalar_one()
    plan = {"study": name, "created": now(), "metric": "accuracy", "plan": "{}"}
    connection.execute(tables.plans.insert(), {**plan, "direction": "maximize"})

    # What belongs to a trial names it by its id.
    numbers = range(trials)
    last = connection.execute(sa.select(sa.func.max(tables.TRIALS.c.trial_id))).scalar() or 0
    ids = [last + 1 + number for number in numbers]
    trial = {"study_id": study_id, "state": TrialState.COMPLETE, "datetime_start": now()}
    drawn = param_rows(0, PARAMS, SPACE)
    of_study = [{"study": name, "number": number, "seconds": 1.0} for number in numbers]
    value = {"objective": 0, "value": 0.5, "value_type": "FINITE"}
    fact = {"key": "stage", "value_json": '"fair"'}
    rows = {
        tables.TRIALS: [{**trial, "trial_id": ids[number], "number": number} for number in numbers],
        tables.PARAMS: [{**row, "trial_id": trial_id} for trial_id in ids for row in drawn],
        tables.FACTS: [{**fact, "trial_id": trial_id} for trial_id in ids],
        tables.VALUES: [{**value, "trial_id": trial_id} for trial_id in ids],
        tables.costs: [{**row, "part": "training"} for row in of_study],
        tables.curves: [{**row, "epoch": n + 1} for row in of_study for n in range(epochs)],
    }
    for table, written in rows.items():
        connection.execute(table.insert(), written)


def seconds(url: str, view: str) -> tuple[int, float]:
    """How many rows a view gives, and the best of five times that it takes.

    SQLite works in this process, whose own time does not grow where the machine is busy.
    """
    clock = time.process_time if url.startswith("sqlite") else time.perf_counter
    best, rows = float("inf"), 0
    for _ in range(5):
        began = clock()
        rows = len(read(url, view)[1])
        best = min(best, clock() - began)
    return rows, best


def main() -> None:
    """Fill, measure, print."""
    measured: dict[tuple[int, int], dict[str, tuple[int, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            url = f"sqlite:///{Path(folder)}/{size[0]}x{size[1]}.db"
            if len(sys.argv) > 1:  # each size in a database of its own
                url = sys.argv[1].replace("DATABASE", f"views_{size[0]}x{size[1]}")
            fill(url, *size)
            measured[size] = {view: seconds(url, view) for view in SCHEMA}

    heads = [f"{studies} × {trials:,}" for studies, trials in SIZES]
    print("| view |", " | ".join(heads), "| 4,000 to 1,000 |")
    print("| --- |", " | ".join("---:" for _ in heads), "| ---: |")
    for view in SCHEMA:
        cells = [f"{measured[size][view][1]:.3f} s" for size in SIZES]
        ratio = measured[1, 4000][view][1] / measured[1, 1000][view][1]
        print(f"| {view} |", " | ".join(cells), f"| {ratio:.1f} |")


if __name__ == "__main__":
    main()
