"""What older versions wrote, put into the form of this one when a database is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from advisor.store.answers import by_column, object_at, replace_last, said_of, with_slots
from advisor.store.begun_with import begun_with, plugins_in, readable, slots_in
from advisor.store.recommended import mark_recommended, trial_of
from advisor.store.slot_columns import add_slots
from advisor.store.tables import FACTS, METADATA, STUDIES, TRIALS, plans, plugins, recommendations

BY_NUMBER = "ix_trials_study_id_number"
"""The index that finds a trial by its study and its number, as queries that join our views ask."""

READ = ("study", "created", "latest", "json")
"""The columns of answers that are read here."""

# Version 0.1 wrote `hopeless` for three reasons, which only the sentence beside it told apart.
_NAMED_BY_SENTENCE = """
UPDATE trial_user_attributes SET value_json = :ended
WHERE key = 'ended' AND value_json = '"hopeless"' AND trial_id IN (
  SELECT trial_id FROM trial_user_attributes WHERE key = 'why' AND value_json LIKE :sentence)
"""
_REST = """
UPDATE trial_user_attributes SET value_json = '"not_finite"'
WHERE key = 'ended' AND value_json = '"hopeless"'
"""

# It wrote no reason, but a sentence, for trials that others outranked or for which the time was up.
_UNNAMED = """
INSERT INTO trial_user_attributes (trial_id, key, value_json)
SELECT t.trial_id, 'ended',
  CASE WHEN w.value_json = '"the time was up"' THEN '"out_of_time"' ELSE '"outranked"' END
FROM trials t
JOIN studies s ON s.study_id = t.study_id
JOIN advisor_plans p ON p.study = s.study_name
JOIN trial_user_attributes w ON w.trial_id = t.trial_id AND w.key = 'why'
WHERE CAST(t.state AS TEXT) = 'PRUNED' AND NOT EXISTS (
  SELECT 1 FROM trial_user_attributes e WHERE e.trial_id = t.trial_id AND e.key = 'ended')
"""


def migrate(connection: sa.Connection) -> None:
    """Add the columns and the index that older versions did not have, fill those of studies, and
    give the trials of version 0.1 the reasons for which they ended.
    """
    add_columns(connection)
    index_trials(connection)
    fill_plans(connection)
    sentences = {
        '"not_trained"': '"not trained:%',
        '"early_loss"': '"training loss % after % steps%',
    }
    for ended, sentence in sentences.items():
        connection.execute(sa.text(_NAMED_BY_SENTENCE), {"ended": ended, "sentence": sentence})
    connection.execute(sa.text(_REST))
    connection.execute(sa.text(_UNNAMED))


def add_columns(connection: sa.Connection) -> None:
    """Add the columns that advisor's tables have now and those of an older version lack.

    They are empty in the rows that are there.
    """
    there = sa.inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    for table in METADATA.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(connection.dialect)
                added = f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"
                connection.execute(sa.text(added))


def index_trials(connection: sa.Connection) -> None:
    """Let a trial be found by its number: Optuna's table has no index for that."""
    # On a copy of its description, so that Optuna's own stays as it is.
    trials = TRIALS.to_metadata(sa.MetaData())
    index = sa.Index(BY_NUMBER, trials.c.study_id, trials.c.number)
    index.create(connection, checkfirst=True)


def fill_plans(connection: sa.Connection) -> None:
    """Fill the columns that older versions did not write about a study from its JSON."""
    unfilled = sa.select(plans.c.study, plans.c.plan, plans.c.question)
    for study, plan, ref in connection.execute(unfilled.where(plans.c.model.is_(None))).all():
        mine = plans.update().where(plans.c.study == study)
        connection.execute(mine.values(**begun_with(plan, ref)))
        add_slots(connection, slots_in(plan))
        fill_plugins(connection, study)


def fill_plugins(connection: sa.Connection, study: str) -> None:
    """Write the plugins of a study's trials, where an older version wrote none."""
    there = sa.select(plugins.c.study).where(plugins.c.study == study)
    if connection.execute(there).first() is not None:
        return
    # The last trial has what was loaded last.
    known: dict[tuple[str, str], bool] = {}
    for text in dict.fromkeys(connection.execute(marks_of(study)).scalars()):
        known = {**dict.fromkeys(known, False), **dict.fromkeys(plugins_in(text), True)}
    for (name, version), is_loaded in known.items():
        row = {"study": study, "plugin": name, "version": version, "loaded": is_loaded}
        connection.execute(plugins.insert(), row)


def marks_of(study: str) -> sa.Select[Any]:
    """The plugins of a study's trials as JSON, by the numbers of the trials."""
    mine = (STUDIES.c.study_name == study) & (FACTS.c.key == "plugins")
    return (
        sa.select(FACTS.c.value_json)
        .join(TRIALS, TRIALS.c.trial_id == FACTS.c.trial_id)
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .where(mine)
        .order_by(TRIALS.c.number)
    )


def fill_answers(connection: sa.Connection, columns: Mapping[str, str]) -> None:
    """Fill the columns that older versions did not write about an answer from its JSON.

    `columns` are those of slots, by slot. An older version may have given the last answer of a
    study of which a newer one gave the others.
    """
    # In SQLite a time is text, which is found again as it is, also where it is no time.
    is_text = connection.dialect.name == "sqlite"
    times = sa.String() if is_text else recommendations.c.created.type
    table = with_slots(READ, times).c
    unfilled = sa.select(table.study, table.created, table.json).where(table.latest.is_(None))
    rows = connection.execute(unfilled).all()
    for study, when, text in rows:
        said = said_of(text)
        values = {"latest": False, **said.columns, **by_column(said, columns)}
        values["trial"] = trial_of(connection, study, said)
        filled = with_slots(["study", "created", *values], times)
        mine = (filled.c.study == study) & (filled.c.created == when)
        connection.execute(filled.update().where(mine).values(values))
    for study in sorted({study for study, _, _ in rows}):
        mark_last(connection, study, with_slots(READ, times))


def mark_last(connection: sa.Connection, study: str, table: sa.TableClause) -> None:
    """Note which answer of a study is the last one, and what Optuna's tools and people ask of it.

    `table` is the one of answers, with the type as which times are read.
    """
    mine = table.c.study == study
    newest = sa.select(table.c.created, table.c.json).where(mine)
    when, text = connection.execute(newest.order_by(table.c.created.desc()).limit(1)).one()
    connection.execute(table.update().where(mine).values(latest=table.c.created == when))
    replace_last(connection, study, said_of(text))
    mark_recommended(connection, study)
    versions = object_at(readable(text), "versions")
    known = {name: str(versions[name]) for name in ("advisor", "torch") if name in versions}
    if known:
        unknown = (plans.c.study == study) & plans.c.torch.is_(None)
        connection.execute(plans.update().where(unknown).values(**known))
