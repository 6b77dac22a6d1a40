"""What the database holds about one study: its trials, curves, costs, fresh seeds and answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from advisor.errors import InputError
from advisor.store.begun_with import begun_with
from advisor.store.confirmed_seeds import Confirmation, forget_seed, unpack, write_seed
from advisor.store.location import shown
from advisor.store.read_back import json_object, read_back, version_in
from advisor.store.recommended import write_answer
from advisor.store.rows import has_comparison, now, param_rows, stored_score, write_facts
from advisor.store.tables import (
    DIRECTIONS,
    FACTS,
    PARAMS,
    STEPS,
    STUDIES,
    TRIALS,
    VALUES,
    confirmations,
    costs,
    curves,
    measured_rows,
    plans,
    recommendations,
)
from advisor.training.epoch import Epoch
from advisor.training.row_values import RowValues

Direction = Literal["maximize", "minimize"]
"""Whether a higher or a lower score is better, in Optuna's words."""


class StudyRecords:
    """The records of one study, for the one process that writes them.

    Attributes:
        url: of the database.
        name: of the study.
    """

    def __init__(self, url: str, storage: RDBStorage, name: str) -> None:
        self.name = name
        self.url = url
        self._storage = storage
        self._engine = storage.engine
        self._id: int | None = None  # in Optuna's tables
        self._version = ""  # of the advisor that wrote the plan

    # --- the study ------------------------------------------------------------------------------

    def plan(self) -> dict[str, Any] | None:
        """What was recorded when the study began, or None for a new one."""
        row = self._first(sa.select(plans.c.plan).where(plans.c.study == self.name))
        if row is None:
            return None
        self._version = version_in(row.plan)
        with self.reading("plan"):
            return json_object(row.plan)

    def reading(self, part: str) -> AbstractContextManager[None]:
        """Read a part of the study back; what is wrong with it is an `InputError`."""
        return read_back(self.name, part, self._version)

    def begin(
        self, metric: str, direction: Direction, plan: Mapping[str, Any], ref: str | None
    ) -> None:
        """Record a new study with its plan, in one transaction.

        Arguments:
            metric: the name of what arms are compared by.
            direction: which of its values are better.
            plan: what is searched, as plain data.
            ref: the reference of the study as JSON, or None where it means nothing elsewhere.

        Raises:
            InputError: the database has an Optuna study, or a comparison, of this name.
        """
        if self.name in optuna.get_all_study_names(self._storage):
            raise InputError(
                f"The database {shown(self.url)} has an Optuna study {self.name!r} that is not "
                "advisor's; use --name."
            )
        if has_comparison(self._engine, self.name):
            raise InputError(f"The database has a comparison {self.name!r}; use another --name.")
        text = json.dumps(plan)
        row = {"study": self.name, "created": now(), "metric": metric, "direction": direction}
        row |= {"plan": text, "question": ref, "seconds": 0.0, **begun_with(text, ref)}
        side = {"direction": StudyDirection[direction.upper()], "objective": 0}
        with self._engine.begin() as connection:
            named = STUDIES.insert().returning(STUDIES.c.study_id)
            study_id = connection.execute(named, {"study_name": self.name}).scalar_one()
            connection.execute(DIRECTIONS.insert(), {**side, "study_id": study_id})
            connection.execute(plans.insert(), row)

    def replace_plan(self, plan: Mapping[str, Any], ref: str | None) -> None:
        """Write the plan to which techniques were added, with the reference that brings them.

        Arguments:
            plan: as plain data.
            ref: the reference of the study as JSON, or None where it means nothing elsewhere.
        """
        text = json.dumps(plan)
        values = {"plan": text, "question": ref, "command": begun_with(text, ref)["command"]}
        with self._engine.begin() as connection:
            connection.execute(plans.update().where(plans.c.study == self.name).values(**values))

    def spend(self, seconds: float) -> None:
        """Add to the time that the study has taken, in seconds."""
        # The database adds, so that nothing needs to be read first.
        mine = plans.update().where(plans.c.study == self.name)
        with self._engine.begin() as connection:
            connection.execute(mine.values(seconds=plans.c.seconds + seconds))

    def spent(self) -> float:
        """Seconds that the study has taken, over all resumes."""
        row = self._first(sa.select(plans.c.seconds).where(plans.c.study == self.name))
        with self.reading("time"):
            return 0.0 if row is None else float(row.seconds)

    # --- the trials of the search ---------------------------------------------------------------

    def trials(self) -> list[FrozenTrial]:
        """All trials of the search by number, as Optuna keeps them."""
        with self.reading("trials"):
            trials = self._storage.get_all_trials(self._study_id(), deepcopy=False)
            trials = sorted(trials, key=lambda trial: trial.number)
            if [trial.number for trial in trials] != list(range(len(trials))):
                raise ValueError("some are missing")
            return trials

    def add_trial(
        self,
        number: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        facts: Mapping[str, Any],
    ) -> int:
        """Add a running trial and return its id in Optuna's tables.

        All of it is one transaction, so that a kill leaves all of it or nothing. Optuna's storage
        writes the same rows, in ten times the CPU time.

        Arguments:
            number: of the trial, from 0.
            params: one technique per slot, and every parameter by its full name.
            distributions: what each of them was drawn from.
            facts: user attributes, such as the trial's stage.
        """
        trial = {
            "number": number,
            "study_id": self._study_id(),
            "state": TrialState.RUNNING,
            "datetime_start": now(),
        }
        with self._engine.begin() as connection:
            added = connection.execute(TRIALS.insert().returning(TRIALS.c.trial_id), trial)
            trial_id = int(added.scalar_one())
            rows = param_rows(trial_id, params, distributions)
            connection.execute(PARAMS.insert(), rows)
            write_facts(connection, trial_id, facts)
        return trial_id

    def change_params(
        self,
        trial_id: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        facts: Mapping[str, Any],
    ) -> None:
        """Give a running trial other parameters than it was asked with, in one transaction.

        Arguments:
            trial_id: in Optuna's tables.
            params: one technique per slot, and every parameter by its full name.
            distributions: what each of them was drawn from.
            facts: user attributes.
        """
        with self._engine.begin() as connection:
            connection.execute(PARAMS.delete().where(PARAMS.c.trial_id == trial_id))
            connection.execute(PARAMS.insert(), param_rows(trial_id, params, distributions))
            write_facts(connection, trial_id, facts)

    def save_progress(
        self,
        trial_id: int,
        number: int,
        epochs: Sequence[Epoch],
        seconds: Mapping[str, float],
        facts: Mapping[str, Any],
    ) -> None:
        """Write what a job brought to a running trial, in place of what is there about the same.

        Arguments:
            trial_id: in Optuna's tables.
            number: of the trial.
            epochs: those that the job has trained.
            seconds: that the trial has taken so far, by part of its work.
            facts: user attributes, such as why the trial ended.
        """
        # A job that was lost with its state has been done again from its first epoch.
        key = {"study": self.name, "number": number}
        curve = (curves.c.study == self.name) & (curves.c.number == number)
        again = [epoch.epoch for epoch in epochs]
        with self._engine.begin() as connection:
            connection.execute(curves.delete().where(curve & curves.c.epoch.in_(again)))
            connection.execute(
                costs.delete().where((costs.c.study == self.name) & (costs.c.number == number))
            )
            if epochs:
                connection.execute(curves.insert(), [{**key, **vars(epoch)} for epoch in epochs])
            if seconds:
                parts = [{**key, "part": part, "seconds": each} for part, each in seconds.items()]
                connection.execute(costs.insert(), parts)
            write_facts(connection, trial_id, facts)

    def close_trial(
        self,
        trial_id: int,
        state: TrialState,
        score: float | None,
        epoch: int,
        facts: Mapping[str, Any],
    ) -> None:
        """Close a trial.

        Arguments:
            trial_id: in Optuna's tables.
            state: complete, pruned or failed.
            score: after the last epoch, also of a pruned trial; None where there is none.
            epoch: the last one.
            facts: further user attributes.
        """
        with self._engine.begin() as connection:
            write_facts(connection, trial_id, facts)
            if score is not None:
                number, kind = stored_score(score)
                step = {"step": epoch, "intermediate_value": number}
                value = {"objective": 0, "value": number, "value_type": kind}
                connection.execute(
                    STEPS.insert().values(trial_id=trial_id, intermediate_value_type=kind, **step)
                )
                connection.execute(VALUES.insert().values(trial_id=trial_id, **value))
            ended = {"state": state, "datetime_complete": now()}
            connection.execute(TRIALS.update().where(TRIALS.c.trial_id == trial_id).values(**ended))

    def reopen_trials(
        self,
        trials: Mapping[int, int],
        facts: Mapping[int, Mapping[str, Any]],
        forgotten: Collection[str],
        seeds: Sequence[Confirmation],
        seconds: float,
    ) -> None:
        """Take back what trials and fresh seeds brought: the trials run again, in one transaction.

        Arguments:
            trials: by their ids in Optuna's tables, the numbers of the trials.
            facts: user attributes that they get, by the same ids.
            forgotten: names of user attributes that they lose.
            seeds: fresh seeds that are no evidence any more.
            seconds: what all this had taken, given back to the study.
        """
        ids, numbers = list(trials), list(trials.values())
        with self._engine.begin() as connection:
            for table in (curves, costs):
                mine = (table.c.study == self.name) & table.c.number.in_(numbers)
                connection.execute(table.delete().where(mine))
            for table in (VALUES, STEPS):
                connection.execute(table.delete().where(table.c.trial_id.in_(ids)))
            lost = FACTS.c.trial_id.in_(ids) & FACTS.c.key.in_(list(forgotten))
            connection.execute(FACTS.delete().where(lost))
            for trial_id in ids:
                write_facts(connection, trial_id, facts[trial_id])
            begun = {"state": TrialState.RUNNING, "datetime_complete": None}
            connection.execute(TRIALS.update().where(TRIALS.c.trial_id.in_(ids)).values(**begun))

            for seed in seeds:
                forget_seed(connection, self.name, seed)
            left = plans.update().where(plans.c.study == self.name)
            connection.execute(left.values(seconds=plans.c.seconds - seconds))

    def curves(self) -> dict[int, list[Epoch]]:
        """The learning curves so far: epochs in order, by trial number."""
        select = sa.select(curves).where(curves.c.study == self.name)
        by_number: dict[int, list[Epoch]] = {}
        with self.reading("learning curves"):
            for row in self._rows(select.order_by(curves.c.number, curves.c.epoch)):
                early = None if row.early_loss is None else float(row.early_loss)
                score, loss, seconds = float(row.score), float(row.loss), float(row.seconds)
                epoch = Epoch(int(row.epoch), score, loss, seconds, early)
                by_number.setdefault(row.number, []).append(epoch)
        return by_number

    def costs(self) -> dict[int, dict[str, float]]:
        """Seconds by part, by trial number."""
        by_number: dict[int, dict[str, float]] = {}
        with self.reading("costs"):
            for row in self._rows(sa.select(costs).where(costs.c.study == self.name)):
                by_number.setdefault(row.number, {})[row.part] = float(row.seconds)
        return by_number

    # --- fresh seeds and answers ----------------------------------------------------------------

    def save_confirmation(
        self, confirmation: Confirmation, rows: Mapping[str, RowValues] | None = None
    ) -> bool:
        """Write one fresh seed of one arm, in place of what is there about it.

        `rows` are what each measured row adds to its score. Returns whether these are kept: not
        where there are none, or too many.
        """
        with self._engine.begin() as connection:
            return write_seed(connection, self.name, confirmation, rows or {})

    def confirmations(self) -> list[Confirmation]:
        """All fresh seeds of the study."""
        select = sa.select(confirmations).where(confirmations.c.study == self.name)
        seeds = []
        with self.reading("fresh seeds"):
            for row in self._rows(select):
                columns = row._asdict()
                del columns["study"]
                # A training that broke has no score.
                for number in ("score", "seconds"):
                    if number == "seconds" or columns[number] is not None:
                        columns[number] = float(columns[number])
                seeds.append(Confirmation(**columns))
        return seeds

    def seeds_with_rows(self) -> list[tuple[str, str, int]]:
        """The arms, parameters and seeds that measured, and whose rows are kept."""
        table = measured_rows.c
        select = sa.select(table.arm, table.params, table.seed).where(table.study == self.name)
        return [(row.arm, row.params, row.seed) for row in self._rows(select.distinct())]

    def row_values(self, arm: str, params: str, seed: int) -> dict[str, RowValues]:
        """What each row adds to the score of a training that measured, by what they are called."""
        table = measured_rows.c
        mine = (table.study == self.name) & (table.arm == arm) & (table.params == params)
        select = sa.select(measured_rows).where(mine & (table.seed == seed))
        with self.reading("measured rows"):
            return {row.part: unpack(row._asdict()) for row in self._rows(select)}

    def save_recommendation(self, verdict: str, text: str, evidence: str | None = None) -> None:
        """Write a recommendation as JSON, in one transaction with what people and Optuna's tools
        ask of it; the last one counts.
        """
        with self._engine.begin() as connection:
            write_answer(connection, self.name, verdict=verdict, evidence=evidence, json=text)

    def recommendations(self) -> list[dict[str, Any]]:
        """All recommendations as JSON, the oldest first."""
        select = sa.select(recommendations.c.json).where(recommendations.c.study == self.name)
        found = []
        for (text,) in self._rows(select.order_by(recommendations.c.created)):
            with read_back(self.name, "recommendation", version_in(text)):
                found.append(json_object(text))
        return found

    def recommendation(self) -> str | None:
        """The last recommendation as JSON, or None."""
        select = sa.select(recommendations.c.json).where(recommendations.c.study == self.name)
        row = self._first(select.order_by(recommendations.c.created.desc()))
        if row is None:
            return None
        with read_back(self.name, "recommendation", version_in(row.json)):
            json_object(row.json)
        return str(row.json)

    # --------------------------------------------------------------------------------------------

    def _study_id(self) -> int:
        if self._id is None:
            self._id = self._storage.get_study_id_from_name(self.name)
        return self._id

    def _first(self, select: sa.Select[Any]) -> sa.Row[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(select).first()

    def _rows(self, select: sa.Select[Any]) -> Iterable[sa.Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(select).all()
