"""What lines of Python name that an answer itself does not know: its database and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from advisor.errors import InputError
from advisor.loading.references import Reference
from advisor.store.location import DEFAULT, storage_text
from advisor.work.study_ref import StudyRef
from advisor.work.trust import Trust, code_named_by, file_of

ELSEWHERE = "where the study was asked; elsewhere os.chdir(…) there first"
"""Where the lines run as they are."""
UNSAID = "; ADVISOR_STORAGE must hold the URL of the database"
"""What is said where the URL of the database has a password."""
CALL = re.compile(r'advisor\.recommendation\("(?:[^"\\]|\\.)*"|advisor\.tune\(study')
"""The begin of the call that gives a recommendation."""


def said_where(lines: Sequence[str], url: str, ref: StudyRef | None) -> list[str]:
    """The lines with what an answer itself does not know.

    A password is no part of what is printed.

    Arguments:
        lines: as an answer has them.
        url: of the database.
        ref: the study; None where it is not known.
    """
    text = storage_text(url)
    given = [] if ref is None or ref.pickled is not None else list(trust_given(ref))
    if url != DEFAULT and text is not None:
        given.append(f"storage={quoted(text)}")
    more = "".join(f", {each}" for each in given)
    elsewhere = ELSEWHERE if text is not None else f"{ELSEWHERE}{UNSAID}"
    return [
        CALL.sub(lambda found: found[0] + more, line).replace(ELSEWHERE, elsewhere)
        for line in lines
    ]


def trust_given(ref: StudyRef) -> Iterator[str]:
    """The argument that says which code may run when a study is opened."""
    files = list(dict.fromkeys(files_of(ref)))
    try:
        Trust.in_files(*files).check(ref, "")
    except InputError:
        # What is installed, or made by a call, is in no file of the user's.
        yield "trust=True"
        return
    yield f"files=[{', '.join(quoted(short(file)) for file in files)}]"


def files_of(ref: StudyRef) -> Iterator[Path]:
    """The user's files that a reference names."""
    for text in code_named_by(ref):
        file = file_of(Reference.parse(text).place)
        if file is not None and file.is_file():
            yield file


def short(path: Path) -> str:
    """A path as it is called in the current folder, whole where it lies elsewhere."""
    here = Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def quoted(text: str) -> str:
    """A text as Python writes it between double quotes."""
    return json.dumps(text, ensure_ascii=False)
