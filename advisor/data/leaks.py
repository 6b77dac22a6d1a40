"""Columns that tell the target, or that only count the rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from advisor.data.classes import Target
from advisor.data.known_columns import Cells, KnownColumns
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes
from advisor.errors import listing

# Rows that are looked at first; what they show is looked for in all rows.
SAMPLE = 2_000
# How likely chance may make a column of a table look like the target, over all columns.
CHANCE = 1e-6
# Rows that the sum of columns is looked for in, for each column.
ROWS_FOR_EACH = 4
# How far a sum may be from the target, as a share of the target's deviation, to equal it.
SUM_TOLERANCE = 1e-4
# The same as a share of the target's size: targets are float32.
ROUNDING = 2.0**-22
# Effect of a column on a sum, as a share of the target's deviation, below which it is no part.
LEAST_PART = 1e-3
# Cells from here on are no part of a sum, for their squares may be infinite; nor are columns whose
# cells differ by less than one divided by it.
LARGEST = 1e100
# How many columns a sum names.
NAMED = 6

# What to do about a column that tells the target.
ADVICE = "leave out what is known only when the target is, else the scores mean nothing"

# Names of columns of numbers that say when a row was.
TIME_NAMES = re.compile(r"(.*[ _-])?(year|date|datetime|timestamp)", re.IGNORECASE)
# Names of columns that say whom or what a row is about.
GROUP_NAMES = re.compile(
    r"(.*[ _-])?(id|patient|subject|user|customer|speaker|session|household)", re.IGNORECASE
)


def warn_of_leaks(
    columns: KnownColumns, target: Target, pool: RowNumbers, rows: int, notes: Notes
) -> None:
    """Warnings of columns that count the rows, tell the target, or add up to it.

    Arguments:
        columns: the columns of all rows.
        target: the targets as the user gave them; several columns of them are not looked at.
        pool: the rows that may be looked at, none of them twice.
        rows: how many rows the first split has, which are numbered from 0 in the order of the file.
        notes: gets the warnings.
    """
    counters = [name for name in columns.names if _counts(columns, name, rows)]
    for name in counters:
        notes.warn(
            f"column {name!r} only counts the rows, which says nothing of new ones: leave it out, "
            f"or split by it, if it is a time, with time={name!r} (--time)"
        )
    if target.values.ndim == 1:
        others = [name for name in columns.names if name not in counters]
        _warn_of_telling(columns, others, target, pool, notes)


def _warn_of_telling(
    columns: KnownColumns, names: list[str], target: Target, pool: RowNumbers, notes: Notes
) -> None:
    """Warnings of those of some columns that tell one column of targets, or add up to it."""
    answers = target.values.numpy()
    telling = [name for name in names if _tells_in_all(columns, name, answers, target, pool)]
    equal = [name for name in telling if _equals(columns, name, answers, target, pool)]
    _warn_of_each(equal, "equals the target in", notes)
    told = [name for name in telling if name not in equal]
    _warn_of_each(told, "alone tells the target of", notes)
    if target.classes is not None:
        return

    # A column that tells the target by itself would be the whole sum.
    others = [name for name in names if name in columns.numbers and name not in telling]
    text = _sum_of({name: columns.numbers[name] for name in others}, answers, pool)
    if text:
        notes.warn(f"the target is {text} in every row: {ADVICE}")


def _warn_of_each(names: list[str], what: str, notes: Notes) -> None:
    """One warning of all columns that do the same."""
    if names:
        whose = "column" if len(names) == 1 else "each of the columns"
        notes.warn(f"{whose} {listing(map(repr, names), NAMED)} {what} every row: {ADVICE}")


def note_times_and_groups(
    columns: KnownColumns, pool: RowNumbers, splits_by_time: bool, groups: bool, notes: Notes
) -> None:
    """What a table's columns say of an order in time or of rows that belong together, where the
    rows are split as if there were none.

    Arguments:
        columns: the columns of all rows.
        pool: the rows that may be looked at.
        splits_by_time: whether the user said which column is the time.
        groups: whether the user said which rows belong together.
        notes: gets the sentences.
    """
    times = list(columns.dates)
    times += [name for name in columns.numbers if TIME_NAMES.fullmatch(name) and name not in times]
    if times and not splits_by_time:
        notes.warn(
            f"the rows have times ({listing(map(repr, times), NAMED)}) and are split at random, so "
            "later rows are among those to train on; to score later rows only, give "
            f"time={times[0]!r} (--time)"
        )
    if groups:
        return
    named = [name for name in columns.names if GROUP_NAMES.fullmatch(name)]
    for name in named:
        cells = _cells(columns, name)[pool]
        # Levels with one row each group nothing, and few levels with many rows are classes.
        distinct = len(np.unique(cells))
        if 10 <= distinct <= len(pool) / 2:
            notes.note(
                f"rows of one {name!r} may belong together and are split at random; to keep them "
                f"in one split, give group={name!r} (--group)"
            )


def _cells(columns: KnownColumns, name: str) -> Cells:
    """The cells of a column, whatever it holds."""
    return columns.numbers[name] if name in columns.numbers else columns.levels[name]


def _counts(columns: KnownColumns, name: str, rows: int) -> bool:
    """Whether a column of whole numbers numbers the rows, in their order or in another."""
    if name not in columns.numbers or name in columns.dates or rows < 2:
        return False
    # A number that is missing, infinite or broken counts nothing; the first rows often have one.
    for count in (min(rows, SAMPLE), rows):
        cells = columns.numbers[name][:count]
        if not np.isfinite(cells).all() or not (cells == np.floor(cells)).all():
            return False
    if float(np.abs(cells).max()) >= LARGEST:
        return False
    steps = np.diff(cells)
    if steps[0] and (steps == steps[0]).all():
        return True
    return bool(np.ptp(cells) == rows - 1 and len(np.unique(cells)) == rows)


def _equals(
    columns: KnownColumns, name: str, answers: Cells, target: Target, pool: RowNumbers
) -> bool:
    """Whether a column of numbers is the target of a regression itself."""
    if target.classes is not None or name not in columns.numbers:
        return False
    return bool(np.allclose(columns.numbers[name][pool], answers[pool], rtol=ROUNDING, atol=0))


def _tells_in_all(
    columns: KnownColumns, name: str, answers: Cells, target: Target, pool: RowNumbers
) -> bool:
    """Whether a column tells the targets of the rows `pool`, first of some of them, then of all."""
    limit = math.log(CHANCE / len(columns.names))
    some = pool[np.linspace(0, len(pool) - 1, min(SAMPLE, len(pool))).astype(np.int64)]
    for rows in (some, pool):
        cells, own = _cells(columns, name)[rows], answers[rows]
        if not _tells(cells, own, target.classes is not None, limit):
            return False
    return True


def _tells(cells: Cells, answers: Cells, are_classes: bool, limit: float) -> bool:
    """Whether cells tell the answers: each value has one answer, or the answers follow the order of
    the cells; and chance would not do that with a probability of e to the `limit`.
    """
    levels = np.unique(cells, return_inverse=True)[1]
    labels = np.unique(answers, return_inverse=True)[1]
    if _is_pure(levels, labels) and _chance_of_purity(levels, labels) < limit:
        return True
    if cells.dtype.kind != "f":
        return False
    # Where a number is missing may tell all.
    is_gap = np.isnan(cells)
    if is_gap.any():
        gaps = is_gap.astype(np.int64)
        return _is_pure(gaps, labels) and _chance_of_purity(gaps, labels) < limit
    return _chance_of_order(labels, are_classes) < limit and _follow(cells, labels, are_classes)


def _is_pure(levels: Cells, labels: Cells) -> bool:
    """Whether all rows of each level have one label."""
    lowest = np.full(levels.max() + 1, labels.max())
    highest = np.zeros(levels.max() + 1, labels.dtype)
    np.minimum.at(lowest, levels, labels)
    np.maximum.at(highest, levels, labels)
    return bool((lowest == highest)[levels].all())


def _chance_of_purity(levels: Cells, labels: Cells) -> float:
    """The logarithm of the probability that levels of these sizes are pure by chance."""
    shares = np.bincount(labels) / len(labels)
    sizes, times = np.unique(np.bincount(levels), return_counts=True)
    logarithms = [math.log(max((shares**size).sum(), 1e-300)) for size in sizes if size]
    return float(np.dot(logarithms, times[sizes > 0]))


def _chance_of_order(labels: Cells, are_classes: bool) -> float:
    """The logarithm of the probability that labels of these counts stand in order by chance."""
    counts = np.bincount(labels)
    orders = math.lgamma(len(labels) + 1) - sum(math.lgamma(count + 1) for count in counts)
    # Classes may stand in any order, and numbers in two.
    ways = math.lgamma(len(counts) + 1) if are_classes else math.log(2)
    return ways - orders


def _follow(cells: Cells, labels: Cells, are_classes: bool) -> bool:
    """Whether the labels follow the order of the cells: numbers rise or fall with them, and each
    class has an interval of its own.
    """
    if are_classes:
        ordered = labels[np.argsort(cells, kind="stable")]
        bounds = np.flatnonzero(np.diff(ordered)) + 1
        values = np.sort(cells)
        # Between two classes the cells must differ, too.
        is_cut = bool((values[bounds] > values[bounds - 1]).all())
        return is_cut and len(bounds) + 1 == len(np.unique(labels))
    rising = labels[np.lexsort((labels, cells))]
    falling = labels[np.lexsort((-labels, cells))]
    return bool((np.diff(rising) >= 0).all() or (np.diff(falling) <= 0).all())


def _sum_of(columns: Mapping[str, Cells], answers: Cells, pool: RowNumbers) -> str:
    """Of which columns the answers are a sum, as a person writes it; else the empty text."""
    rows = pool[: 2 * SAMPLE]
    complete = {}
    for name, column in columns.items():
        cells = column[rows].astype(np.float64)
        if (
            np.isfinite(cells).all()
            and np.abs(cells).max() < LARGEST
            and np.ptp(cells) > 1 / LARGEST
        ):
            complete[name] = cells
    if len(complete) < 2 or len(rows) < ROWS_FOR_EACH * (len(complete) + 1):
        return ""
    names, cells = list(complete), np.column_stack(list(complete.values()))
    target = answers[rows].astype(np.float64)
    found = _linear(cells, target)
    if found is None:
        return ""

    # Columns that stand for nothing in it are left out.
    factors, offset = found
    least = LEAST_PART * target.std()
    parts = np.flatnonzero(np.abs(factors * cells.std(axis=0)) > least)
    are_ones = np.allclose(np.abs(factors[parts]), 1, atol=1e-3) and abs(offset) <= least
    if are_ones and len(parts) <= NAMED:
        return _written([names[part] for part in parts], factors[parts])
    return f"a linear function of {listing([repr(names[part]) for part in parts], NAMED)}"


def _linear(cells: Cells, target: Cells) -> tuple[Cells, float] | None:
    """The factor of each column and the offset that give the target, float64; None where none do.

    They are found on every other row and must hold on the rest.
    """
    means, deviations = cells.mean(axis=0), cells.std(axis=0)
    scaled = np.column_stack([(cells - means) / deviations, np.ones(len(cells))])
    solution = np.linalg.lstsq(scaled[::2], target[::2], rcond=None)[0]
    wrong = np.abs(scaled[1::2] @ solution - target[1::2]).max()
    if wrong > SUM_TOLERANCE * target.std() + ROUNDING * np.abs(target).max():
        return None
    factors = solution[:-1] / deviations
    return factors, float(solution[-1] - np.dot(factors, means))


def _written(names: Iterable[str], factors: Iterable[float]) -> str:
    """`'a' + 'b' - 'c'`."""
    text = " ".join(
        f"{'+' if factor > 0 else '-'} {name!r}"
        for name, factor in zip(names, factors, strict=True)
    )
    return text.removeprefix("+ ")
