"""What goes through the doors of a command: standard output is the answer's, nothing that is shown
obeys a terminal, and no message has a password.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest

from advisor.errors import visible
from advisor.events import NOTE, Event
from advisor.report.html import render
from advisor.report.progress import progress
from advisor.report.text import console, show_table

PRINTING = """\
import ctypes, os, sys
print("imported")
os.write(1, b"by its number\\n")
sys.__stdout__.write("by another name\\n")
sys.__stdout__.flush()

import advisor
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        print("built")
        os.system("echo a child")
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, x):
        print("forward")
        ctypes.CDLL(None).puts(b"from C")
        ctypes.CDLL(None).fflush(None)
        return self.body(x)

def rows():
    print("rows")
    return torch.linspace(-1, 1, 120).reshape(60, 2), torch.arange(60) % 2

study = advisor.Study("loud", advisor.Task(Net, rows), trials=3, epochs=1, seeds=3)

@advisor.hookimpl
def techniques():
    print("plugin")
    return []
"""
HOSTILE = "a\x1b]0;owned\x07[red]b\x9b31m\u202ec\u2066d\x7f"
"""A text with what a terminal obeys: OSC, BEL, CSI in both forms, and turns of direction."""
BASE = [sys.executable, "-m", "advisor"]


def run(*words, cwd, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([*BASE, *words], cwd=cwd, timeout=180, check=False, **streams)


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """A folder with a study whose every part prints, and what `tune --json` said of it."""
    folder = tmp_path_factory.mktemp("loud")
    (folder / "loud.py").write_text(PRINTING)
    words = ["tune", "loud.py", "--workers", "1", "--storage", "s.db", "--json"]
    return folder, run(*words, "--plugin", "loud.py", "--only", "activation=keep", cwd=folder)


# --- standard output ----------------------------------------------------------------------------


def test_the_answer_of_tune_is_alone_on_standard_output(loud):
    _, ended = loud
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["study"] == "loud"
    for word in (
        "imported",
        "by its number",
        "by another name",
        "built",
        "a child",
        "forward",
        "from C",
        "rows",
        "plugin",
    ):
        assert word.encode() in ended.stderr


def test_the_answer_of_a_command_that_loads_plugins_is_alone_there(loud):
    ended = run("plugins", "--plugin", "loud.py", "--json", cwd=loud[0])
    assert ended.returncode == 0, ended.stderr
    assert "loud" in [each["name"] for each in json.loads(ended.stdout)]
    assert b"imported" in ended.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
@pytest.mark.parametrize("words", [("--help",), ("show",), ("query", "--schema")])
def test_a_full_standard_output_is_one_line(loud, words):
    storage = ["--storage", "s.db"] if words[0] == "show" else []
    with open("/dev/full", "wb") as full:
        ended = run(*words, *storage, cwd=loud[0], stdout=full)
    assert ended.returncode == 1
    assert re.fullmatch(rb"advisor: The answer cannot be written .*\n", ended.stderr), ended.stderr


def closed(number, *words, cwd):
    """Run a command one of whose standard streams is closed."""
    line = ["sh", "-c", f'exec "$@" {number}', "sh", *BASE, *words]
    return subprocess.run(line, cwd=cwd, capture_output=True, timeout=180, check=False)


def test_a_closed_standard_output_is_one_line(loud):
    ended = closed(">&-", "show", "--storage", "s.db", cwd=loud[0])
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert re.fullmatch(rb"advisor: Standard output is closed.*\n", ended.stderr), ended.stderr


def test_a_closed_standard_error_or_input_changes_no_answer(loud):
    usual = run("show", "--storage", "s.db", cwd=loud[0]).stdout
    assert usual.startswith(b"loud: ")
    for number in ("2>&-", "<&- 2>&-"):
        ended = closed(number, "show", "--storage", "s.db", cwd=loud[0])
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, usual, b"")


def test_an_encoding_without_a_letter_loses_no_answer(loud):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = run("show", "--storage", "s.db", cwd=loud[0], env=environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"loud: " in ended.stdout


# --- letters that a terminal obeys --------------------------------------------------------------


def is_harmless(text):
    return visible(text) == text


def test_nothing_that_a_query_returns_obeys_a_terminal(advise, tmp_path):
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (?)", (HOSTILE,))
    sql = f'SELECT x AS "{HOSTILE}" FROM t'
    for form in ((), ("--csv",), ("--json",)):
        said = advise("query", sql, "--storage", "s.db", *form)
        assert said.code == 0
        assert is_harmless(said.out)
        assert "[red]b" in said.out
    assert json.loads(said.out) == [{HOSTILE: HOSTILE}]


def test_nothing_in_a_message_obeys_a_terminal(advise):
    for words in (
        ("show", HOSTILE),
        (HOSTILE,),
        ("show", HOSTILE, HOSTILE),
        ("tune", "--trials", HOSTILE),
        ("query", HOSTILE, "--storage", HOSTILE),
        ("tune", f"{HOSTILE}.py"),
        ("check", f"{HOSTILE}.py"),
        ("techniques", HOSTILE),
    ):
        said = advise(*words)
        assert said.code == 2
        assert is_harmless(said.err), words


def test_no_name_is_markup_or_obeyed_in_tables_and_in_the_lists_of_plugins(advise, plugin, capsys):
    name = HOSTILE.encode("unicode_escape").decode()
    path = plugin("mine", f"[Named('activation', 'x', k=advisor.Choice('{name}', 'b'))]")
    for words in (("techniques",), ("techniques", "x"), ("techniques", "--json")):
        said = advise(*words, "--plugin", path)
        assert said.code == 0, said.err
        assert is_harmless(said.out)
    assert "[red]b" in said.out
    show_table([HOSTILE, "[bold]b"], [[HOSTILE, "[/]"]], "none")
    out = capsys.readouterr().out
    assert is_harmless(out)
    assert "[bold]b" in out


def test_no_note_obeys_a_terminal(capsys):
    with progress(False) as on:
        on(Event(NOTE, 0, 0, HOSTILE))
        on(Event("explore", 1, 1, HOSTILE))
    console(stderr=True).print(HOSTILE)
    said = capsys.readouterr().err
    assert said.count("[red]b") == 3
    assert is_harmless(said)


def test_a_page_holds_no_control_character():
    page = render("catalogue.html", catalogue=[(SimpleNamespace(name=HOSTILE, about=HOSTILE), [])])
    assert is_harmless(page)
    assert "owned" in page


# --- passwords ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("show", "postgresql://ann:s3cret@host/x"),
        ("postgresql://ann:s3cret@host/x",),
        ("studies", "postgresql://ann:s3cret@host/x"),
        ("tune", "--trials", "postgresql://ann:s3cret@host/x"),
        ("studies", "--storage", "sqlite+cipher://:s3cret@/x.db"),
        ("studies", "--storage", "sqlite:///x.db?password=s3cret"),
        ("studies", "--storage", "mysql://ann:s3cret@host/x"),
        ("studies", "--storage", "postgres//ann:s3cret@host/x"),
        ("studies", "--storage", "postgresql+psycopg://ann:s3cret/y@localhost:1/x"),
        ("studies", "--storage", "postgresql+psycopg://ann:s3cret y@localhost:1/x"),
        ("studies", "--storage", "postgresql://ann:s3cret@localhost:port/x"),
    ],
    ids=lambda words: words[-1],
)
def test_no_message_has_a_password(advise, words):
    said = advise(*words)
    assert said.code in (1, 2)
    assert "s3cret" not in said.out + said.err
    assert "Traceback" not in said.err


def test_a_command_that_ends_at_once_waits_for_threads_and_writes_what_is_left_open(tmp_path):
    (tmp_path / "late.py").write_text(
        "import threading, time, torch\n"
        "from torch import nn\n"
        "left = open('left.txt', 'w')\n"
        "left.write('whole')\n"
        "def late():\n"
        "    time.sleep(3)\n"
        "    open('late.txt', 'w').write('there')\n"
        "threading.Thread(target=late).start()\n"
        "def rows():\n"
        "    return torch.randn(60, 4), torch.arange(60) % 2\n"
    )
    (tmp_path / "net.py").write_text(
        "from torch import nn\nNet = lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))\n"
    )
    words = ("diagnose", "--model", "net.py:Net", "--data", "late.py:rows")
    assert run(*words, cwd=tmp_path).returncode == 0
    assert (tmp_path / "left.txt").read_text() == "whole"
    assert (tmp_path / "late.txt").read_text() == "there"


def test_locks_that_the_users_code_shares_with_processes_are_given_back(tmp_path):
    # Such as that of a progress bar around the reading of data.
    (tmp_path / "shared.py").write_text(
        "import multiprocessing, torch, advisor\n"
        "from torch import nn\n"
        "locks = []\n"
        "def rows():\n"
        "    locks.append(multiprocessing.get_context('forkserver').RLock())\n"
        "    return torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 2\n"
        "def net():\n"
        "    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))\n"
        "task = advisor.Task(net, rows)\n"
        "study = advisor.Study('shared', task, trials=3, epochs=1, seeds=3)\n"
    )
    said = run("tune", "shared.py", "--workers", "2", "--quiet", cwd=tmp_path)
    assert said.returncode == 0
    assert b"resource_tracker" not in said.stderr
