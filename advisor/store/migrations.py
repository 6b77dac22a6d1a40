"""What older versions wrote, put into the form of this one when a database is opened."""

from __future__ import annotations

import sqlalchemy as sa

# Trials of version 0.1 that the sentence beside their reason tells apart.
_EARLY = """
UPDATE trial_user_attributes SET value_json = :ended
WHERE key = 'ended' AND value_json = '"hopeless"' AND trial_id IN (
  SELECT trial_id FROM trial_user_attributes WHERE key = 'why' AND value_json LIKE :sentence)
"""
# All others of these: their loss was not finite.
_REST = """
UPDATE trial_user_attributes SET value_json = '"not_finite"'
WHERE key = 'ended' AND value_json = '"hopeless"'
"""


def migrate(connection: sa.Connection) -> None:
    """Give the trials of version 0.1 their reasons.

    It wrote `hopeless` for three reasons, which only the sentence beside it told apart.
    """
    sentences = {
        '"not_trained"': '"not trained:%',
        '"early_loss"': '"training loss % after % steps%',
    }
    for ended, sentence in sentences.items():
        connection.execute(sa.text(_EARLY), {"ended": ended, "sentence": sentence})
    connection.execute(sa.text(_REST))
