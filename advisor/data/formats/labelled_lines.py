"""Reads text files whose lines are rows: tables under any name, and lines of a label and a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from advisor.data.formats.number_cells import DIGITS, DecimalSign
from advisor.data.formats.separators import ONE_COLUMN, SAMPLE_LINES, Separation, separation_of
from advisor.data.formats.table_files import table_of
from advisor.data.formats.text_files import decoded, first_lines, read_utf8
from advisor.data.notes import Notes, plural
from advisor.data.raw import Raw
from advisor.errors import InputError, listing, short

FASTTEXT = re.compile(r"__label__(?P<label>\S+)\s+(?P<text>.*)")
"""A line as fastText reads it."""

LABEL_FIRST = re.compile(r"(?P<label>\S+)\s+(?P<text>.*)")
"""A line that begins with a label."""

LABEL_MARK = ":"
"""What parts a label from finer ones in a line like `DESC:manner How …`."""

LEAST_LINES = 10
"""Lines that show whether they begin with labels."""

ROWS_PER_LABEL = 5
"""Lines for each label, on average, at least."""

BEGINNING = 2**20
"""Bytes that show what a file of an unknown kind is."""

MOSTLY = 0.9
"""The share of lines that have one number of cells, or of cells that are numbers, in a table."""


def read_lines(path: Path, notes: Notes) -> dict[str, Raw]:
    """The rows of a text file: `label<TAB>text`, `label text`, or a table with any separator.

    Raises:
        InputError: the lines are neither.
    """
    content = read_utf8(path, notes)
    lines = first_lines(content, SAMPLE_LINES)
    if not lines:
        raise InputError(f"{path} is empty. Give a file with rows.")
    separation = _blanks(lines) or separation_of(lines)
    is_even = separation.separator != ONE_COLUMN and _is_even(lines, separation)
    if is_even and not (separation.separator == "," and _begin_with_labels(lines)):
        return {"data": Raw(path.name, table_of(content, path, notes, separation))}
    if all(FASTTEXT.match(line) for line in lines):
        return {"data": _labelled(content, FASTTEXT, path, notes)}
    if _begin_with_labels(lines):
        return {"data": _labelled(content, LABEL_FIRST, path, notes)}
    raise InputError(
        f"{path} holds neither a table nor lines of a label and a text; its first line is "
        f"{short(lines[0])!r}. Give a .csv file with a header, or write a function that returns "
        "arrays and give it as FILE.py:NAME."
    )


def are_rows(path: Path) -> bool:
    """Whether a file of an unknown kind holds text in lines, of which each is a row."""
    with path.open("rb") as file:
        content = file.read(BEGINNING)
    if b"\0" in content:
        return False
    # The last line may be cut.
    text, _ = decoded(content[: content.rfind(b"\n") + 1])
    lines = first_lines(text.encode(), SAMPLE_LINES)
    if len(lines) < LEAST_LINES:
        return False
    if _begin_with_labels(lines) or _blanks(lines) is not None:
        return True
    separation = separation_of(lines)
    return separation.separator != ONE_COLUMN and _is_even(lines, separation)


def _is_even(lines: Sequence[str], separation: Separation) -> bool:
    """Whether nearly all lines have the same number of cells."""
    pattern = re.escape(separation.separator) if len(separation.separator) == 1 else r"\s+"
    widths = [len(re.split(pattern, line.strip(" "))) for line in lines[separation.above :]]
    return '"' in "".join(lines) or widths.count(separation.width) >= MOSTLY * len(widths)


def _blanks(lines: Sequence[str]) -> Separation | None:
    """That blanks stand between numbers, in lines of one length; None for other lines."""
    rows = [line.split() for line in lines]
    widths = {len(row) for row in rows[1:]}
    cells = [cell for row in rows[1:] for cell in row]
    pattern = DIGITS[DecimalSign.POINT]
    numbers = sum(pattern.fullmatch(cell.lstrip("+-")) is not None for cell in cells)
    if len(widths) != 1 or widths == {1} or numbers < len(cells) / 2 or "," in lines[0]:
        return None
    return Separation(r"\s+", widths.pop())


def _begin_with_labels(lines: Sequence[str]) -> bool:
    """Whether the first words of the lines are few labels, and texts follow them."""
    found = [LABEL_FIRST.match(line) for line in lines]
    labels = Counter(match["label"].partition(LABEL_MARK)[0] for match in found if match)
    is_text = sum(len(match["text"].split()) > 1 for match in found if match)
    enough = len(lines) >= LEAST_LINES and len(labels) * ROWS_PER_LABEL <= len(lines)
    return enough and all(found) and len(labels) > 1 and is_text >= MOSTLY * len(lines)


def _labelled(content: bytes, pattern: re.Pattern[str], path: Path, notes: Notes) -> Raw:
    """Lines of a label and a text as a table of two columns."""
    rows = []
    for number, line in enumerate(content.decode().split("\n"), start=1):
        if not line.strip():
            continue
        found = pattern.match(line.strip())
        if found is None:
            raise InputError(
                f"line {number} of {path} is {short(line)!r}, without a label and a text; mend it."
            )
        rows.append((found["label"], found["text"]))
    table = pd.DataFrame(rows, columns=["label", "text"])
    labels = listing(sorted(set(table["label"])), 6)
    notes.note(f"{path.name}: {plural(len(table), 'line')} of a label and a text; labels: {labels}")
    return Raw(path.name, table)
