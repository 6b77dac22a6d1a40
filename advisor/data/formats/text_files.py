"""Reads text files in UTF-8, UTF-16, UTF-32, Windows-1252 or Latin-1."""

from __future__ import annotations

import codecs
import io
import itertools
import re
from pathlib import Path

from advisor.data.notes import Notes, plural

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the byte order mark at the beginning; UTF-32 begins like UTF-16."""

BEGINNING = 1000
"""Bytes that show whether a text without a mark is UTF-16."""

MOST_NULLS = 0.2
"""The share of zero bytes above which a text is UTF-16."""


def read_text(path: Path, notes: Notes) -> str:
    """The text of a file, with a note on an encoding other than UTF-8."""
    text, encoding = decoded(path.read_bytes())
    if encoding:
        notes.note(f"{path.name}: not UTF-8, read as {encoding}")
    return text


def read_utf8(path: Path, notes: Notes) -> bytes:
    """The text of a file as bytes in UTF-8 without a byte order mark, lines ended by a line feed.

    Bytes take less memory than text while they are parsed.
    """
    content = path.read_bytes()
    if content.startswith(codecs.BOM_UTF8) or not _is_utf8(content):
        text, encoding = decoded(content)
        if encoding:
            notes.note(f"{path.name}: not UTF-8, read as {encoding}")
        content = text.encode()
    # Old Macs ended lines by a carriage return alone.
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content


def first_lines(content: bytes, count: int) -> list[str]:
    """The first lines in UTF-8 that are not blank."""
    lines = (line.decode().rstrip("\n") for line in io.BytesIO(content))
    return list(itertools.islice((line for line in lines if line.strip()), count))


def decoded(content: bytes) -> tuple[str, str]:
    """A text, and the name of its encoding where a person should know of it, else ''."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace"), ""
    beginning = content[:BEGINNING]
    if beginning.count(0) > MOST_NULLS * len(beginning):
        encoding = "utf-16-be" if beginning[:1] == b"\0" else "utf-16-le"
        return content.decode(encoding, "replace"), encoding.upper()
    if _is_utf8(content):
        return content.decode(), ""
    return _without_utf8(content)


def _without_utf8(content: bytes) -> tuple[str, str]:
    """A text that is not all UTF-8, and the name of its encoding."""
    # A few wrong bytes among letters of UTF-8 are no other encoding of the whole.
    valid = re.findall(r"[^\x00-\x7f]+", content.decode("utf-8", "ignore"))
    good = sum(len(letters.encode()) for letters in valid)
    wrong = len(re.findall(rb"[\x80-\xff]", content)) - good
    if good > wrong:
        text = content.decode("utf-8", _WRONG_BYTES)
        return text, f"UTF-8 with {plural(wrong, 'byte')} of Windows-1252"
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1"), "Latin-1"
    return text, "Windows-1252" if re.search(rb"[\x80-\x9f]", content) else "Latin-1"


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8 as letters of Windows-1252, for the decoder of Python."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", "replace"), error.end


_WRONG_BYTES = "advisor-windows-1252"
"""The name under which Python's decoder finds `_as_windows`."""

codecs.register_error(_WRONG_BYTES, _as_windows)
