"""The verdicts that were given on the same rows, by a digest of the rows."""

from __future__ import annotations

import sqlalchemy as sa

from advisor.store.rows import now
from advisor.store.tables import verdicts


def earlier_verdicts(engine: sa.Engine, rows: str, question: str) -> list[str]:
    """The evidence of the verdicts that some rows gave before a question was asked of them.

    Arguments:
        engine: of the database.
        rows: a digest of the rows that are measured.
        question: a digest of what is asked; asked again it is the same verdict.
    """
    mine = sa.select(verdicts).where(verdicts.c.rows == rows).order_by(verdicts.c.place)
    before = []
    with engine.connect() as connection:
        for row in connection.execute(mine):
            if row.question == question:
                break
            before.append(str(row.evidence))
    return before


def count_verdict(engine: sa.Engine, rows: str, question: str, name: str, evidence: str) -> int:
    """Count a verdict on some rows, once for each question, and return the how-manieth it is.

    A study or comparison that is deleted was asked all the same, so its verdict goes on counting.

    Arguments:
        engine: of the database.
        rows: a digest of the rows that are measured.
        question: a digest of what is asked; asked again it is the same verdict.
        name: of the study or comparison.
        evidence: what was shown.
    """
    mine = verdicts.c.rows == rows
    same = mine & (verdicts.c.question == question)
    with engine.begin() as connection:
        place = connection.execute(sa.select(verdicts.c.place).where(same)).scalar()
        if place is not None:
            connection.execute(verdicts.update().where(same).values(evidence=evidence))
            return int(place)
        many = sa.select(sa.func.count()).select_from(verdicts).where(mine)
        place = 1 + int(connection.execute(many).scalar_one())
        row = {"rows": rows, "question": question, "place": place, "name": name}
        connection.execute(verdicts.insert(), {**row, "evidence": evidence, "created": now()})
    return place
