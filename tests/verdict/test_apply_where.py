"""The lines that apply an answer say where it is when they are printed, and not before."""

import json

import pytest

from advisor.store.location import DEFAULT, storage_url
from advisor.verdict.apply_where import ELSEWHERE, said_where
from advisor.work.study_ref import StudyRef

LINES = [
    f"import advisor  # {ELSEWHERE}",
    'best = advisor.recommendation("a \\"b\\"")',
    "model = best.train().model",
]


@pytest.fixture
def ref(tmp_path, monkeypatch):
    """A study of a file beside the current folder's others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.py").write_text("study = None\n")
    return StudyRef(file=str(tmp_path / "study.py"))


def test_the_usual_database_and_a_study_that_is_not_known_add_nothing():
    assert said_where(LINES, DEFAULT, None) == LINES


def test_files_and_database_are_arguments_of_the_one_call(ref):
    first, call, last = said_where(LINES, storage_url("runs.db"), ref)
    assert (first, last) == (LINES[0], LINES[2])
    given = call.removeprefix('best = advisor.recommendation("a \\"b\\"", ').removesuffix(")")
    files, storage = given.split(", ")
    assert files == 'files=["study.py"]'
    assert storage.startswith('storage="')
    assert "runs.db" in storage


def test_the_same_lines_elsewhere_name_the_file_as_it_is_called_there(ref, tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    _, call, _ = said_where(LINES, DEFAULT, ref)
    assert json.dumps(str(tmp_path / "study.py")) in call


def test_a_password_is_never_printed(ref):
    text = "\n".join(said_where(LINES, "postgresql://ada:secret@host/db", ref))
    assert "secret" not in text
    assert "ADVISOR_STORAGE" in text
