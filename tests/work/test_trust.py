"""What a database names is run only where the user has named it, too."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

import advisor
from advisor.errors import InputError
from advisor.work.study_ref import StudyRef
from advisor.work.trust import Trust

NET = """\
import os
from os import system
from torch import nn


class Net(nn.Module):
    class Inner(nn.Module):
        pass

    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))

    def forward(self, x):
        return self.body(x)


def make():
    return Net(2, 2)


number = 3
"""
EVIL = "from pathlib import Path\nPath('ran').touch()\n"
TASK = ("--model", "net.py:Net", "--data", "data.csv", "--target", "label")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model and a file that must not run, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "evil.py").write_text(EVIL)
    rows = "".join(f"{a},{a % 7},{a % 2}\n" for a in range(60))
    (tmp_path / "data.csv").write_text("a,b,label\n" + rows)
    return tmp_path


def ref(**flags):
    plain = {"name": "x", "model": "net.py:Net", "data": "data.csv", **flags}
    return StudyRef(flags=json.dumps(plain))


@pytest.mark.parametrize(
    ("strange", "named"),
    [
        (ref(model="subprocess:getoutput"), "subprocess:getoutput"),
        (ref(model="evil.py:Net"), "evil.py:Net"),
        (ref(model="evil:Net"), "evil:Net"),
        (ref(model="net.py:system"), "net.py:system"),
        (ref(model="net.py:os.system"), "net.py:os.system"),
        (ref(model="net.py:nn.Linear"), "net.py:nn.Linear"),
        (ref(model="net.py:number"), "net.py:number"),
        (ref(data="evil.py:rows"), "evil.py:rows"),
        (ref(data="subprocess:getoutput"), "subprocess:getoutput"),
        (ref(data={"train": "subprocess:getoutput"}), "subprocess:getoutput"),
        (ref(data=["evil:rows"]), "evil:rows"),
        (ref(valid="evil.py:rows"), "evil.py:rows"),
        (ref(test="evil.py:rows"), "evil.py:rows"),
        (ref(unlabeled="evil.py:rows"), "evil.py:rows"),
        (ref(arguments={"act": "evil.thing"}), "act=evil.thing"),
        (ref(arguments={"act": "[1, os.system]"}), "act=[1, os.system]"),
        (StudyRef(file="evil.py"), "evil.py"),
        (StudyRef(file="evil.py:study"), "evil.py:study"),
        (StudyRef(flags=ref().flags, plugins=("evil.py",)), "evil.py"),
        (StudyRef(pickled=b"x"), "a pickle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_user_has_not_named_is_refused_and_not_run(folder, strange, named):
    with pytest.raises(InputError) as refused:
        Trust.in_files("net.py").check(strange, "x")
    assert named in str(refused.value)
    assert "--trust" in str(refused.value)
    assert not (folder / "ran").exists()
    Trust(everything=True).check(strange, "x")


@pytest.mark.parametrize(
    "own",
    [
        ref(),
        ref(model="net.py:make"),
        ref(model="net.py:Net.Inner"),
        ref(model="net:Net"),
        ref(arguments={"width": "3", "rate": "0.5", "name": "relu", "sizes": "[1, 2]"}),
    ],
)
def test_classes_and_functions_of_a_named_file_are_trusted(folder, own):
    Trust.in_files("net.py").check(own, "x")
    with pytest.raises(InputError, match=r"--file net\.py"):
        Trust().check(own, "x")


def test_a_file_that_is_not_there_is_named(folder):
    with pytest.raises(InputError, match=r"nat\.py"):
        Trust.in_files("nat.py")


@pytest.mark.parametrize(
    "text",
    [
        '{"file": 3, "flags": null, "changes": "{}", "plugins": [], "without": []}',
        '{"file": null, "flags": "[]", "changes": "{}", "plugins": [], "without": []}',
        '{"file": null, "flags": "{", "changes": "{}", "plugins": [], "without": []}',
        '{"file": null, "flags": null, "changes": "{}", "plugins": [[]], "without": []}',
    ],
)
def test_a_damaged_reference_is_told_when_it_is_read(text):
    with pytest.raises((TypeError, ValueError)):
        StudyRef.from_json(text)


def set_flags(path, **flags):
    """Write other options into the question of the one study of a database."""
    with closing(sqlite3.connect(path)) as connection, connection:
        (text,) = connection.execute("SELECT question FROM advisor_plans").fetchone()
        plain = json.loads(text)
        plain["flags"] = json.dumps({**json.loads(plain["flags"]), **flags})
        connection.execute("UPDATE advisor_plans SET question = ?", (json.dumps(plain),))
        # A change of activations, so that there is something to show.
        connection.execute(
            "UPDATE advisor_recommendations SET json = json_set(json, '$.verdict', 'change', "
            "'$.choices', json_object('activation', 'elu'))"
        )


def test_a_database_of_others_runs_no_shell_command_and_is_not_changed(advise, folder):
    small = ("--trials", "3", "--epochs", "1", "--only", "activation=elu", "--workers", "0")
    assert advise("tune", *TASK, *small, "--storage", "s.db").code == 0
    set_flags(folder / "s.db", model="subprocess:getoutput", arguments={"cmd": "touch ran"})
    before = hashlib.sha256((folder / "s.db").read_bytes()).hexdigest()
    for words in ((), ("--file", "net.py")):
        said = advise("show", "--diff", "--storage", "s.db", *words)
        assert (said.code, said.out) == (2, "")
        assert "subprocess:getoutput" in said.err
    answer = advisor.recommendation("net-data-label", "s.db", files=["net.py"])
    for use in (answer.diff, answer.recipe, lambda: answer.apply(None)):
        with pytest.raises(InputError, match="subprocess:getoutput"):
            use()
    assert not (folder / "ran").exists()
    assert hashlib.sha256((folder / "s.db").read_bytes()).hexdigest() == before

    # The user's own is opened by its file, or by trust.
    set_flags(folder / "s.db", model=str(folder / "net.py:Net"), arguments={})
    said = advise("show", "--diff", "--storage", "s.db")
    assert said.code == 2
    assert "--file net.py" in said.err
    for words in (("--file", "net.py"), ("--trust",)):
        said = advise("show", "--diff", "--storage", "s.db", *words)
        assert said.code == 0, said.err
        assert "+" in said.out
        assert "ELU" in said.out


def test_a_module_that_the_users_script_has_imported_may_run(folder):
    script = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, '.')\nimport net\n"
        "from advisor.work.trust import Trust\n"
        "loaded = Trust().with_loaded().files\n"
        "assert Path('net.py').resolve() in loaded\n"
        "assert not any('site-packages' in str(path) for path in loaded)\n"
    )
    (folder / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=folder, check=True, timeout=120)
