"""FILE.py:NAME and package.module:NAME, taken apart in one place."""

import pytest

from advisor.loading.references import Reference


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("study.py", "study.py", ""),
        ("study.py:", "study.py", ""),
        ("study.py:study", "study.py", "study"),
        ("a/b.py:Net.Inner", "a/b.py", "Net.Inner"),
        ("my_model.py:Net-2", "my_model.py", "Net-2"),
        ("package.module:NAME", "package.module", "NAME"),
        ("torch.nn:Linear", "torch.nn", "Linear"),
        ("C:\\models\\net.py:Net", "C:\\models\\net.py", "Net"),
        ("C:\\rows.csv", "C:\\rows.csv", ""),
        ("rows:2024.csv", "rows:2024.csv", ""),
        ("a/rows:train", "a/rows:train", ""),
        (":Net", ":Net", ""),
        ("Net", "Net", ""),
        ("", "", ""),
    ],
)
def test_a_text_is_split_where_a_file_or_module_ends(text, place, name):
    assert Reference.parse(text) == Reference(place, name)


def test_a_reference_is_made_absolute_where_it_names_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("")
    (tmp_path / "package").mkdir()
    whole = {
        "net.py:Net": f"{tmp_path}/net.py:Net",
        "study.py": f"{tmp_path}/study.py",
        "rows.csv": f"{tmp_path}/rows.csv",
        "package:Net": "package:Net",
        "missing.csv": "missing.csv",
        "": "",
    }
    for text, absolute in whole.items():
        assert str(Reference.parse(text).absolute()) == absolute
