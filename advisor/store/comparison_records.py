"""What the database holds about one comparison, and how many verdicts some rows have given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import optuna
import sqlalchemy as sa

from advisor.errors import InputError
from advisor.store.database import Database
from advisor.store.read_back import json_object, read_back, version_in
from advisor.store.rows import now
from advisor.store.tables import comparisons, plans


class ComparisonRecords:
    """The records of one comparison, for the one process that writes them.

    Its trainings are in `advisor_confirmations`, as those of a study are.

    Attributes:
        name: of the comparison.
    """

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._engine = database.engine
        self._storage = database.storage
        self._mine = comparisons.c.study == name

    def plan(self) -> dict[str, Any] | None:
        """What was recorded when the comparison began, or None for a new one."""
        row = self._row()
        if row is None:
            return None
        with self.reading("plan", version_in(row.plan)):
            return json_object(row.plan)

    def reading(self, part: str, version: str = "") -> AbstractContextManager[None]:
        """Read a part of the comparison back; what is wrong with it is an `InputError`."""
        return read_back(self.name, part, version)

    def check_free(self) -> None:
        """Raise `InputError` where a study has the name."""
        named = sa.select(plans.c.study).where(plans.c.study == self.name)
        with self._engine.connect() as connection:
            is_study = connection.execute(named).first() is not None
        if is_study or self.name in optuna.get_all_study_names(self._storage):
            raise InputError(f"The database has a study {self.name!r}; give another --name.")

    def begin(self, metric: str, direction: str, plan: Mapping[str, Any]) -> None:
        """Record a new comparison.

        Arguments:
            metric: the name of what sides are compared by.
            direction: `maximize` or `minimize`.
            plan: what is compared, as plain data.
        """
        row = {
            "study": self.name,
            "created": now(),
            "metric": metric,
            "direction": direction,
            "plan": json.dumps(plan),
            "seconds": 0.0,
        }
        with self._engine.begin() as connection:
            connection.execute(comparisons.insert(), row)

    def spend(self, seconds: float) -> None:
        """Add to the time that the comparison has taken, in seconds."""
        with self._engine.begin() as connection:
            added = comparisons.update().where(self._mine)
            connection.execute(added.values(seconds=comparisons.c.seconds + seconds))

    def spent(self) -> float:
        """Seconds that the comparison has taken, over all resumes."""
        row = self._row()
        with self.reading("time"):
            return 0.0 if row is None else float(row.seconds)

    def answer(self) -> str | None:
        """The answer as JSON, or None where there is none yet."""
        row = self._row()
        return None if row is None or row.json is None else str(row.json)

    def save(self, verdict: str, evidence: str, text: str) -> None:
        """Write the answer, in place of an earlier one.

        Arguments:
            verdict: of the answer.
            evidence: of the answer.
            text: all of it as JSON.
        """
        values = {"verdict": verdict, "evidence": evidence, "json": text, "answered": now()}
        with self._engine.begin() as connection:
            connection.execute(comparisons.update().where(self._mine).values(**values))

    def _row(self) -> sa.Row[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(sa.select(comparisons).where(self._mine)).first()
