"""Dates and times of day as people write them in cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

TIME = re.compile(
    r"(?:^|[T ,:]+)(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?))?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$"
)
"""A time of day at the end of a cell."""

DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y")
"""Formats of dates in numbers that begin with the day."""

MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y", "%m-%d-%y", "%m.%d.%y")
"""The same formats with the month before the day."""

OTHER_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%Y %b %d",
    "%d %b %y",
    "%b %Y",
    "%B %Y",
    "%b %y",
    "%Y-%m",
    "%m/%Y",
    "%Y/%m",
)
"""Formats of which none contradicts another one; a month's name stands between blanks."""

SAMPLE = 200
"""Distinct days by which a format is chosen."""

MOST_FORMATS = 3
"""Formats in which the dates of one column may be written."""


@dataclass(frozen=True)
class WrittenDates:
    """Distinct cells as dates, or as times of day.

    Attributes:
        values: by cell, datetime64 in UTC without a zone, or timedelta64 for times of day; NaT for
            a cell that is neither.
        formats: the formats by which the days were read; none for times of day.
        is_ambiguous: whether day and month could as well be the other way round.
    """

    values: Any
    formats: tuple[str, ...]
    is_ambiguous: bool = False

    @property
    def count(self) -> int:
        """How many of the cells are dates."""
        return int(self.values.notna().sum())

    @property
    def order(self) -> str:
        """In what order day and month are read, where they are numbers."""
        if set(self.formats) & set(DAY_FIRST):
            return "day first"
        return "month first" if set(self.formats) & set(MONTH_FIRST) else ""


def written_dates(cells: Any, is_day_first: bool | None = None) -> WrittenDates:
    """Distinct texts as dates.

    Arguments:
        cells: the texts.
        is_day_first: what to think where day and month may be exchanged; None takes the month
            first, or the day where points stand between them.
    """
    # The time of day is read apart, so that each format is tried once.
    texts = cells.str.strip()
    times = texts.str.extract(TIME)
    has_time = times["hour"].notna()
    days = texts.str.replace(TIME, "", regex=True)
    since_midnight = _since_midnight(times)
    if bool(has_time.all()) and bool((days == "").all()):
        clock = since_midnight.where(times["hour"].astype("float64") < 24)
        return WrittenDates(clock.set_axis(pd.Index(cells)), ())

    dates, formats, is_ambiguous = _read_days(days, is_day_first)
    dates = dates + since_midnight.where(has_time, pd.Timedelta(0))
    return WrittenDates(dates.set_axis(pd.Index(cells)), formats, is_ambiguous)


def _plain_days(days: Any) -> Any:
    """Dates without weekdays, commas and the endings of `1st`, months' names between blanks."""
    plain = days.str.lower().str.replace(
        r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s+", "", regex=True
    )
    plain = plain.str.replace(r"(?<=\d)(?:st|nd|rd|th)\b", "", regex=True)
    plain = plain.str.replace(r"\bsept\b", "sep", regex=True).str.replace(",", " ")
    plain = plain.str.replace(r"(?<=[a-z])[-/.]\s*|[-/.]\s*(?=[a-z])", " ", regex=True)
    return plain.str.replace(r"\s+", " ", regex=True).str.strip()


def _since_midnight(times: Any) -> Any:
    """Times of day in UTC as timedelta64, 0 where there is none."""
    hours = times["hour"].astype("float64").fillna(0)
    half = times["half"].str.lower().str[0]
    hours = hours.where(half.isna(), hours % 12) + 12 * (half == "p")
    seconds = times["second"].str.replace(",", ".").astype("float64").fillna(0)
    minutes = times["minute"].astype("float64").fillna(0)

    # Hours and minutes east of Greenwich are taken off.
    zones = times["zone"].str.extract(r"([+-])(\d{2}):?(\d{2})")
    east = zones[1].astype("float64") * 60 + zones[2].astype("float64")
    east = (east * np.where(zones[0] == "-", -1, 1)).fillna(0)
    return pd.to_timedelta(hours * 3600 + (minutes - east) * 60 + seconds, unit="s")


def _read_days(days: Any, is_day_first: bool | None) -> tuple[Any, tuple[str, ...], bool]:
    """Dates, the formats by which they were read, and whether day and month may be exchanged."""
    # One order of day and month holds for the whole column.
    distinct = days.unique()
    plain = _plain_days(pd.Series(distinct))
    is_first, is_ambiguous = _order(plain, is_day_first)
    formats = (*(DAY_FIRST if is_first else MONTH_FIRST), *OTHER_FORMATS)
    dates = pd.Series(pd.NaT, plain.index, dtype="datetime64[us]")
    used: list[str] = []

    # The format of most of the cells that are left comes next; a sample shows which one that is.
    while len(used) < MOST_FORMATS:
        rest = plain[dates.isna()]
        best = _most_frequent(rest.iloc[:: max(1, len(rest) // SAMPLE)], formats)
        if best is None:
            break
        dates.loc[rest.index] = _parsed(rest, best)
        used.append(best)
    by_day = dates.set_axis(pd.Index(distinct))
    return by_day.reindex(days).set_axis(days.index), tuple(used), is_ambiguous


def _most_frequent(days: Any, formats: Sequence[str]) -> str | None:
    """The format of most of the days, None where no format fits."""
    counts = {name: int(_parsed(days, name).notna().sum()) for name in formats}
    best = max(formats, key=lambda name: counts[name])
    return best if counts[best] else None


def _order(days: Any, is_day_first: bool | None) -> tuple[bool, bool]:
    """Whether the day comes before the month, and whether nothing in the cells shows it."""
    numbers = days.str.extract(r"^(\d{1,2})([-/.])(\d{1,2})[-/.]\d{2,4}$").dropna()
    first, second = numbers[0].astype(int), numbers[2].astype(int)
    day_count = int(((first <= 31) & (second <= 12)).sum())
    month_count = int(((first <= 12) & (second <= 31)).sum())
    if day_count != month_count:
        return day_count > month_count, False
    if len(numbers) and (numbers[1] == ".").all():
        return True, False
    return bool(is_day_first), len(numbers) > 0 and is_day_first is None


def _parsed(days: Any, name: str) -> Any:
    """Dates of one format, NaT for all others."""
    return pd.to_datetime(days, format=name, errors="coerce")
