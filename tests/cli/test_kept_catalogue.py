"""`advisor plugins` and `advisor techniques` say the same whether plugins are loaded or were
remembered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli import kept_catalogue

COMMANDS = [
    ("plugins",),
    ("plugins", "--json"),
    ("techniques",),
    ("techniques", "--json"),
    ("techniques", "oven"),
    ("techniques", "slow"),
]
SPACE = (
    "warm=advisor.Float(1e-5, 4, log=True), times=advisor.Int(1, 5), kind=advisor.Choice('ä', 'b')"
)


def folder() -> Path:
    return Path(os.environ["XDG_CACHE_HOME"], "torch-advisor")


@pytest.fixture
def loads(monkeypatch):
    """How often the plugins were loaded."""
    from advisor.host import host

    load, count = host.load, []

    def counted(*words):
        count.append(words)
        return load(*words)

    monkeypatch.setattr(host, "load", counted)
    return count


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_is_remembered_is_printed_byte_by_byte(advise, plugin, loads, words):
    path = plugin("mine", f"[Named('oven', 'slow', {SPACE})]", "[Slot('oven', 'how hot')]")
    first = advise(*words, "--plugin", path)
    assert first.code == 0, first.err
    assert len(loads) == 1
    assert advise(*words, "--plugin", path) == first
    assert len(loads) == 1


def test_an_edited_plugin_or_a_file_that_it_reads_is_loaded_again(advise, write, plugin, loads):
    more = "import helper_of_mine, pathlib\n"
    more += "heat = (pathlib.Path(__file__).parent / 'heat.txt').read_text()\n"
    write("helper_of_mine.py", "x = 1\n")
    write("heat.txt", "hot")
    path = plugin("mine", "[Named('activation', 'slow')]", more=more)
    assert "slow" in advise("techniques", "--plugin", path).out
    (kept,) = folder().iterdir()
    for name, text in (("helper_of_mine.py", "x = 2\n"), ("heat.txt", "cold")):
        before = Path(path).with_name(name).read_text()
        assert kept_catalogue.read(kept) is not None
        write(name, text)
        assert kept_catalogue.read(kept) is None
        write(name, before)
    assert len(loads) == 1
    plugin("mine", "[Named('activation', 'quick')]")
    said = advise("techniques", "--plugin", path)
    assert "quick" in said.out
    assert " slow " not in said.out


def test_other_plugins_are_another_catalogue(advise, plugin, loads):
    one = plugin("one", "[Named('activation', 'slow')]")
    assert "slow" in advise("techniques", "--plugin", one).out
    assert " slow " not in advise("techniques").out
    assert "pretraining" not in advise("plugins", "--without", "pretraining").out
    assert "pretraining" in advise("plugins").out
    assert len(loads) == 3


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"files": {}, "catalogue": {}}', '{"files": [], "catalogue": 1}', "\0"],
)
def test_a_damaged_catalogue_is_made_again(advise, loads, text):
    first = advise("techniques", "--json")
    (kept,) = folder().iterdir()
    whole = kept.read_text()
    kept.write_text(text)
    assert advise("techniques", "--json") == first
    assert len(loads) == 2
    assert kept.read_text() == whole


def test_a_folder_that_cannot_be_written_is_no_error(advise, monkeypatch, tmp_path, loads):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert advise("techniques").code == 0
    said = advise("techniques")
    assert (said.code, said.err) == (0, "")
    assert len(loads) == 2


def test_what_is_broken_is_not_remembered(advise, plugin, monkeypatch, loads):
    from advisor.host import host

    entry = type("Entry", (), {"name": "bad", "value": "no.module", "dist": None})()
    entry.load = lambda: 1 / 0
    entries = [*host.built_in_entries(), entry]
    monkeypatch.setattr(host, "_entry_points", lambda: entries)
    for _ in range(2):
        assert "plugin 'bad'" in advise("plugins").err
    assert len(loads) == 2
    assert not folder().exists()
    wrong = plugin("wrong", "1 / 0")
    assert advise("plugins", "--plugin", wrong).code == 2


def test_a_remembered_answer_loads_nothing_heavy_and_is_that_of_a_new_process(advise):
    first = advise("techniques", "--json")
    program = "import sys\nfrom advisor.cli import main\nsys.argv[1:] = ['techniques', '--json']\n"
    program += "try:\n    main()\nfinally:\n    print(sorted(sys.modules), file=sys.stderr)\n"
    said = []
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        said.append(ended.stdout)
        modules = ended.stderr
    assert said == [first.out, first.out]
    assert "'json'" in modules
    for heavy in ("torch", "numpy", "pandas", "sqlalchemy", "optuna"):
        assert f"'{heavy}'" not in modules


def test_what_is_kept_is_plain_and_names_the_code_of_the_plugins(advise):
    advise("plugins")
    (kept,) = folder().iterdir()
    files = json.loads(kept.read_text())["files"]
    names = {Path(path).parent.name for path in files}
    assert {"activation", "initializer", "pretraining", "embedding"} <= names
    assert all(len(digest) == 64 for digest in files.values())
    assert kept_catalogue.read(kept) is not None
