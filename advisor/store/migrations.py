"""What older versions wrote, put into the form of this one when a database is opened."""

from __future__ import annotations

import sqlalchemy as sa

from advisor.store.tables import METADATA, TRIALS

BY_NUMBER = "ix_trials_study_id_number"
"""The index that finds a trial by its study and its number, as queries that join our views ask."""

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
    """Add the columns and the index that older versions did not have, and give the trials of
    version 0.1 the reasons for which they ended.
    """
    add_columns(connection)
    index_trials(connection)
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
