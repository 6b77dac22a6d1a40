"""With which versions of which plugins a study was worked on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from advisor.store.rows import now
from advisor.store.tables import plans, plugins


def note_versions(
    engine: sa.Engine,
    study: str,
    versions: Mapping[str, str],
    marks: Mapping[str, str],
    built_in: Collection[str],
) -> None:
    """Write with which versions a study is worked on now.

    Arguments:
        engine: of the database.
        study: its name.
        versions: those of `advisor` and `torch`.
        marks: each plugin's version, or the hash of its file, by its name.
        built_in: the plugins that advisor brings.
    """
    with engine.begin() as connection:
        mine = plans.update().where(plans.c.study == study)
        connection.execute(mine.values(**versions))
        write_plugins(connection, study, marks, built_in)


def write_plugins(
    connection: sa.Connection, study: str, marks: Mapping[str, str], built_in: Collection[str]
) -> None:
    """Write the plugins with which a study is worked on now, beside those of earlier times.

    Arguments:
        connection: in a transaction.
        study: its name.
        marks: each plugin's version, or the hash of its file, by its name.
        built_in: the plugins that advisor brings.
    """
    mine = plugins.c.study == study
    connection.execute(plugins.update().where(mine).values(loaded=False))
    known = sa.select(plugins.c.plugin, plugins.c.version).where(mine)
    there = {tuple(row) for row in connection.execute(known)}
    new = []
    for name, mark in marks.items():
        facts = {"loaded": True, "built_in": name in built_in}
        if (name, mark) in there:
            this = mine & (plugins.c.plugin == name) & (plugins.c.version == mark)
            connection.execute(plugins.update().where(this).values(**facts))
        else:
            row = {"study": study, "plugin": name, "version": mark, "since": now()}
            new.append({**row, **facts})
    if new:
        connection.execute(plugins.insert(), new)
