"""One fresh seed of one arm in the database: its score, and what each measured row adds to it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from advisor.store.tables import confirmations, measured_rows
from advisor.training.row_values import RowValues

MOST_BYTES = 8 * 2**20
"""The rows of a training that take more than this are not kept; a million take about as much."""
DTYPE = "<f8"
"""How numbers are written: doubles, so that what is read back has every digit."""


@dataclass(frozen=True)
class Confirmation:
    """One arm on one fresh seed.

    Attributes:
        phase: what the seed was for: `choose` an arm or `measure` its gain.
        arm: the arm in words.
        params: its parameters as JSON.
        seed: the fresh seed.
        score: on the validation rows; None where the training broke.
        seconds: of the training with its techniques.
        test: score of the test rows; None where they were not scored.
        why: why the training, or the scoring of the test rows, broke; None where it did not.
    """

    phase: str
    arm: str
    params: str
    seed: int
    score: float | None
    seconds: float
    test: float | None = None
    why: str | None = None


def write_seed(
    connection: sa.Connection, study: str, seed: Confirmation, rows: Mapping[str, RowValues]
) -> bool:
    """Write a fresh seed in place of what is there about it, and say whether its rows are kept.

    Arguments:
        connection: in a transaction.
        study: its name, or that of a comparison.
        seed: what it gave.
        rows: what each measured row adds to its score, by what the rows are called.
    """
    forget_seed(connection, study, seed)
    connection.execute(confirmations.insert(), {"study": study, **asdict(seed)})
    packed = [{**key_of(study, seed), "part": name, **pack(each)} for name, each in rows.items()]
    size = sum(len(each["numbers"]) + len(each["added"]) for each in packed)
    if not packed or size > MOST_BYTES:
        return False
    connection.execute(measured_rows.insert(), packed)
    return True


def forget_seed(connection: sa.Connection, study: str, seed: Confirmation) -> None:
    """Remove a fresh seed of a study, with its rows."""
    key = {**key_of(study, seed), "phase": seed.phase}
    for table in (confirmations, measured_rows):
        if table is measured_rows and seed.phase != "measure":
            continue
        same = [column == key[column.name] for column in table.primary_key if column.name in key]
        connection.execute(table.delete().where(*same))


def key_of(study: str, seed: Confirmation) -> dict[str, Any]:
    """What identifies a seed of an arm, by column."""
    return {"study": study, "arm": seed.arm, "params": seed.params, "seed": seed.seed}


def pack(values: RowValues) -> dict[str, Any]:
    """Row values as columns."""
    total = int(values.rows[-1]) + 1
    is_measured = np.zeros(total, dtype=bool)
    is_measured[values.rows] = True
    return {
        "total": total,
        "measured": len(values.rows),
        "numbers": zlib.compress(np.packbits(is_measured).tobytes()),
        "dtype": DTYPE,
        "added": zlib.compress(values.added.astype(DTYPE).tobytes()),
    }


def unpack(row: Mapping[str, Any]) -> RowValues:
    """Row values from columns. Raises `ValueError` where they are damaged."""
    if row["dtype"] != DTYPE:
        raise ValueError(f"it has numbers of the type {row['dtype']!r}")
    bits = bytes_of(row["numbers"], -(-row["total"] // 8))
    rows = np.flatnonzero(np.unpackbits(bits, count=row["total"])).astype(np.int64)
    added = bytes_of(row["added"], row["measured"] * np.dtype(DTYPE).itemsize)
    if len(rows) != row["measured"]:
        raise ValueError(f"it has {row['measured']} values for {len(rows)} rows")
    return RowValues(rows, added.view(DTYPE).astype(np.float64))


def bytes_of(packed: bytes, size: int) -> NDArray[np.uint8]:
    """What is in packed bytes. Raises `ValueError` where it is not `size` bytes."""
    try:
        # Not more than is expected is unpacked, whatever somebody has written there.
        plain = zlib.decompressobj().decompress(bytes(packed), size + 1)
    except zlib.error as problem:
        raise ValueError(str(problem)) from problem
    if len(plain) != size:
        raise ValueError(f"it has not {size} bytes")
    return np.frombuffer(plain, dtype=np.uint8)
