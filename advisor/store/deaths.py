"""How often the worker of each job of a study has died, in the database."""

from __future__ import annotations

import sqlalchemy as sa

from advisor.store.tables import deaths


class StoredDeaths:
    """The deaths of one study, for the one process that writes them.

    A study that is resumed goes on counting. Nothing is written where no worker dies.
    """

    def __init__(self, engine: sa.Engine, study: str) -> None:
        self._engine = engine
        self._study = study
        # The one reading; from here on it follows what is written.
        self._known: dict[str, tuple[int, str]] = {}
        with engine.connect() as connection:
            for row in connection.execute(sa.select(deaths).where(deaths.c.study == study)):
                self._known[row.job] = (row.deaths, row.why)

    def count(self, job: str) -> int:
        """How many workers have died over a job since it came to its end the last time."""
        return self._known[job][0] if job in self._known else 0

    def why(self, job: str) -> str:
        """How the last of them died."""
        return self._known[job][1]

    def add(self, job: str, why: str) -> None:
        """Count one more."""
        count = self.count(job) + 1
        row = {"study": self._study, "job": job, "deaths": count, "why": why}
        with self._engine.begin() as connection:
            connection.execute(deaths.delete().where(self._rows(job)))
            connection.execute(deaths.insert().values(**row))
        self._known[job] = (count, why)

    def forget(self, job: str | None = None) -> None:
        """Forget those of a job, or of all jobs."""
        forgotten = list(self._known) if job is None else [job]
        if not self._known.keys() & forgotten:
            return
        with self._engine.begin() as connection:
            connection.execute(deaths.delete().where(self._rows(job)))
        for each in forgotten:
            del self._known[each]

    def _rows(self, job: str | None) -> sa.ColumnElement[bool]:
        mine = deaths.c.study == self._study
        return mine if job is None else mine & (deaths.c.job == job)
