"""The study database: Optuna's tables hold the trials, advisor's own hold curves, costs,
confirmations and recommendations.

Only the coordinator opens it for writing; every write is one short transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage, get_storage
from optuna.trial import FrozenTrial, TrialState, create_trial

from advisor.errors import InputError, explain
from advisor.store.location import sqlite_path
from advisor.store.views import statements

Direction = Literal["maximize", "minimize"]

_tables = sa.MetaData()

plans = sa.Table(
    "advisor_plans",
    _tables,
    sa.Column("study", sa.String(512), primary_key=True),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("metric", sa.String(64), nullable=False),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("question", sa.Text),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),
)
curves = sa.Table(
    "advisor_curves",
    _tables,
    sa.Column("study", sa.String(512), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("loss", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("early_loss", sa.Float),
)
costs = sa.Table(
    "advisor_costs",
    _tables,
    sa.Column("study", sa.String(512), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("part", sa.String(128), primary_key=True),
    sa.Column("seconds", sa.Float),
)
confirmations = sa.Table(
    "advisor_confirmations",
    _tables,
    sa.Column("study", sa.String(512), primary_key=True),
    sa.Column("phase", sa.String(16), primary_key=True),
    sa.Column("arm", sa.String(512), primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("test", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("params", sa.Text, primary_key=True),
)
recommendations = sa.Table(
    "advisor_recommendations",
    _tables,
    sa.Column("study", sa.String(512), primary_key=True),
    sa.Column("created", sa.DateTime, primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("json", sa.Text, nullable=False),
)


class Database:
    """One open study database, for the one process that writes it.

    `slots` are the columns of the view `advisor_trials`; None leaves the views as they are. Raises
    `InputError` when the file is no database or cannot be written.
    """

    def __init__(self, url: str, slots: Sequence[str] | None) -> None:
        self.url = url
        path = sqlite_path(url)
        try:
            if path is not None and path != Path(":memory:"):
                path.parent.mkdir(parents=True, exist_ok=True)
            self._rdb = _open(url)
            self._storage = get_storage(self._rdb)  # with Optuna's cache of finished trials
            with self.engine.begin() as connection:
                _tables.create_all(connection)
                for statement in (
                    statements(self.engine.dialect.name, slots) if slots is not None else ()
                ):
                    connection.execute(sa.text(statement))
        except (
            sa.exc.SQLAlchemyError,
            optuna.exceptions.StorageInternalError,
            OSError,
            RuntimeError,
            ImportError,
        ) as problem:
            cause = explain(getattr(problem, "orig", None) or problem)
            raise InputError(
                f"The study database {url} cannot be opened: {cause}. {_help(problem)}"
            ) from problem

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine that Optuna uses, too."""
        return self._rdb.engine

    def close(self) -> None:
        """Give the file back, as one file: SQLite folds its log into it, unless another process is
        reading.
        """
        self._rdb.remove_session()
        if self.engine.dialect.name == "sqlite":
            with suppress(sa.exc.OperationalError), self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        self.engine.dispose()

    def plan(self, study: str) -> dict[str, Any] | None:
        """What was recorded when the study began, or None for a new one."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(plans.c.plan).where(plans.c.study == study)).first()
        return None if row is None else dict(json.loads(row.plan))

    def begin(
        self,
        study: str,
        metric: str,
        direction: Direction,
        plan: Mapping[str, Any],
        question: str | None,
    ) -> None:
        """Record a new study with its plan."""
        if study in optuna.get_all_study_names(self._storage):
            raise InputError(
                f"The database {self.url} has an Optuna study {study!r} that is not advisor's; use --name."
            )
        optuna.create_study(storage=self._storage, study_name=study, direction=direction)
        row = {
            "study": study,
            "created": _now(),
            "metric": metric,
            "direction": direction,
            "plan": json.dumps(plan),
        }
        with self.engine.begin() as connection:
            connection.execute(plans.insert().values(**row, question=question, seconds=0.0))

    def trials(self, study: str) -> list[FrozenTrial]:
        """All trials of the study's search by number."""
        return sorted(self._study(study).get_trials(deepcopy=False), key=lambda trial: trial.number)

    def add_trial(
        self,
        study: str,
        params: Mapping[str, Any],
        distributions: Mapping[str, optuna.distributions.BaseDistribution],
        attributes: Mapping[str, Any],
    ) -> None:
        """Add a running trial with all its parameters in one transaction, so that a kill leaves all
        of it or nothing.
        """
        self._study(study).add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=dict(params),
                distributions=dict(distributions),
                user_attrs=dict(attributes),
            )
        )

    def save_progress(
        self,
        study: str,
        trial: FrozenTrial,
        epochs: Iterable[Mapping[str, Any]],
        spent: Mapping[str, float],
    ) -> None:
        """Write what a job brought: epochs of the learning curve, and seconds by part (replacing
        those of the same name).
        """
        key = {"study": study, "number": trial.number}
        rows = [{**key, **epoch} for epoch in epochs]
        with self.engine.begin() as connection:
            for row in rows:
                connection.execute(
                    curves.delete().where(
                        (curves.c.study == study)
                        & (curves.c.number == trial.number)
                        & (curves.c.epoch == row["epoch"])
                    )
                )
            connection.execute(
                costs.delete().where((costs.c.study == study) & (costs.c.number == trial.number))
            )
            if rows:
                connection.execute(curves.insert(), rows)
            if spent:
                connection.execute(
                    costs.insert(),
                    [{**key, "part": part, "seconds": seconds} for part, seconds in spent.items()],
                )

    def curve(self, study: str) -> dict[int, list[dict[str, Any]]]:
        """The learning curves so far: epochs in order, by trial number."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(curves)
                .where(curves.c.study == study)
                .order_by(curves.c.number, curves.c.epoch)
            ).mappings()
            found: dict[int, list[dict[str, Any]]] = {}
            for row in rows:
                found.setdefault(row["number"], []).append(
                    {k: row[k] for k in ("epoch", "score", "loss", "seconds", "early_loss")}
                )
        return found

    def costs(self, study: str) -> dict[int, dict[str, float]]:
        """Seconds by part, by trial number."""
        with self.engine.connect() as connection:
            found: dict[int, dict[str, float]] = {}
            for row in connection.execute(sa.select(costs).where(costs.c.study == study)):
                found.setdefault(row.number, {})[row.part] = row.seconds
        return found

    def note(self, trial: FrozenTrial, key: str, value: Any) -> None:
        """Keep a fact about a running trial, such as why it ended, before the trial itself is
        closed.
        """
        self._storage.set_trial_user_attr(trial._trial_id, key, value)

    def tell(
        self, trial: FrozenTrial, state: TrialState, score: float | None, step: int | None
    ) -> None:
        """Close a trial; `score` after epoch `step` is kept also for a pruned one."""
        if score is not None and step is not None:
            self._storage.set_trial_intermediate_value(trial._trial_id, step, score)
        self._storage.set_trial_state_values(
            trial._trial_id, state, None if score is None else [score]
        )

    def spend(self, study: str, seconds: float) -> None:
        """Add to the time that the study has taken."""
        with self.engine.begin() as connection:
            connection.execute(
                plans.update()
                .where(plans.c.study == study)
                .values(seconds=plans.c.seconds + seconds)
            )

    def spent(self, study: str) -> float:
        """Seconds that the study has taken, over all resumes."""
        with self.engine.connect() as connection:
            return float(
                connection.execute(
                    sa.select(plans.c.seconds).where(plans.c.study == study)
                ).scalar_one()
            )

    def save_confirmation(self, study: str, row: Mapping[str, Any]) -> None:
        """Write one fresh seed of one arm, or its test score when the row is there already."""
        table = confirmations
        same = sa.and_(
            table.c.study == study,
            *(table.c[key] == row[key] for key in ("phase", "arm", "seed", "params")),
        )
        with self.engine.begin() as connection:
            connection.execute(table.delete().where(same))
            connection.execute(table.insert().values(study=study, **row))

    def confirmations(self, study: str) -> list[dict[str, Any]]:
        """All fresh-seed results of the study."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(confirmations).where(confirmations.c.study == study)
            ).mappings()
            return [dict(row) for row in rows]

    def save_recommendation(self, study: str, verdict: str, text: str) -> None:
        """Write a recommendation; the last one counts."""
        with self.engine.begin() as connection:
            connection.execute(
                recommendations.insert().values(
                    study=study, created=_now(), verdict=verdict, json=text
                )
            )

    def recommendation(self, study: str) -> str | None:
        """The last recommendation as JSON, or None."""
        query = sa.select(recommendations.c.json).where(recommendations.c.study == study)
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(recommendations.c.created.desc())).first()
        return None if row is None else str(row.json)

    def delete(self, study: str) -> None:
        """Remove a study with everything that was written about it."""
        optuna.delete_study(study_name=study, storage=self._storage)
        with self.engine.begin() as connection:
            for table in _tables.sorted_tables:
                connection.execute(table.delete().where(table.c.study == study))

    def _study(self, name: str) -> optuna.Study:
        return optuna.load_study(study_name=name, storage=self._storage)


def _open(url: str) -> RDBStorage:
    """Optuna's storage; for SQLite with a write-ahead log, which is 8 times faster here and lets
    readers read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(
        url, engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    )
    if storage.engine.dialect.name == "sqlite":
        sa.event.listen(storage.engine, "connect", _pragmas)
        storage.remove_session()
        storage.engine.dispose()  # so that every connection from here on has the pragmas
    return storage


def _help(problem: Exception) -> str:
    if isinstance(problem, ImportError):
        return "For PostgreSQL: pip install 'torch-advisor[postgresql]'."
    return "Give another with --storage sqlite:///FILE.db."


def _pragmas(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
