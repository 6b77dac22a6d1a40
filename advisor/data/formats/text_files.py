"""Reads text files in UTF-8, in UTF-16 with a byte order mark, or else as Latin-1."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path

from advisor.data.notes import Notes


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_utf8(path: Path, notes: Notes) -> bytes:
    """The text of a file in UTF-8, UTF-16 or Latin-1 as bytes in UTF-8 without a byte order mark.

    Bytes take less memory than text while they are parsed.
    """
    content = path.read_bytes()
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16").encode()
        # Only whether it can be decoded is of interest here.
        content.decode()
    except UnicodeDecodeError:
        notes.note(f"{path.name}: not UTF-8, read as Latin-1")
        return content.decode("latin-1").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def first_line(content: bytes) -> str:
    """The first line in UTF-8 that is not blank, empty where there is none."""
    for line in io.BytesIO(content):
        text = line.decode()
        if text.strip():
            return text.rstrip("\r\n")
    return ""


def has_decimal_commas(text: str) -> bool:
    """Whether numbers are written with commas and none with a point."""
    return re.search(r"\d,\d", text) is not None and re.search(r"\d\.\d", text) is None
