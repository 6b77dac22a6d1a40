"""`advisor compare` as it is typed."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.body = nn.Linear(in_features, 8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        from layers import act  # when it runs, as some do

        return self.head(act(self.body(x)))
"""
ACT = "import torch\n\n\ndef act(x):\n    return {}\n"
TASK = ("--data", "people.csv", "--target", "income")
SMALL = ("--epochs", "2", "--workers", "0", "--storage", "studies.db", "--seeds", "3", "--quiet")


def people() -> str:
    draw = random.Random(0)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(60)]
    lines = [f"{a:.4f},{b:.4f},{'high' if a + b > 0 else 'low'}" for a, b in rows]
    return "a,b,income\n" + "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a net, its sibling and data."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "layers.py").write_text(ACT.format("torch.relu(x)"))
    (tmp_path / "people.csv").write_text(people())
    # what git is told is that of this test
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path


@pytest.fixture
def repository(folder):
    """The folder as a repository whose data are not tracked, with one commit."""
    (folder / ".gitignore").write_text("people.csv\ntemporary\nstudies.db\n")
    commit(folder, "init", "-q")
    commit(folder, "add", "-A")
    commit(folder, "commit", "-qm", "one")
    return folder


def commit(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    ended = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return ended.stdout


SCRIPT = """\
import sys
import torch
from torch import nn
import advisor
from layers import act

assert sys.argv[1:] == ["--width", "8"]
arm = advisor.arm()
x = torch.randn(80, 4, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()
model = arm.apply(nn.Linear(4, 2), x[:16])
optimizer = torch.optim.SGD(model.parameters(), lr=arm.lr(0.5))
for epoch in range(2):
    nn.functional.cross_entropy(act(model(x[:40])), y[:40]).backward()
    optimizer.step()
    right = (model(x).argmax(1) == y).float()
    arm.report(right[40:60].mean())
    arm.rows(right[60:])
"""


@pytest.mark.parametrize("words", [("--script", "train.py", "--"), ("--", "--script", "train.py")])
def test_a_script_of_a_revision_is_where_its_siblings_are(words, repository):
    from advisor.cli.compare import AfterGit, command

    (repository / "train.py").write_text(SCRIPT)
    commit(repository, "add", "-A")
    commit(repository, "commit", "-qm", "two")
    after = () if "--" in words[1:] else ("--",)
    assert isinstance(command, AfterGit)
    context = command.make_context("compare", ["--git", "HEAD", *words, *after, "--width", "8"])
    assert context.obj == ("--width", "8")
    assert context.params["sides"] == ("train.py",)


@pytest.mark.proof
def test_a_script_is_compared_with_a_revision_of_it(repository, advise):
    (repository / "train.py").write_text(SCRIPT)
    commit(repository, "add", "-A")
    commit(repository, "commit", "-qm", "two")
    options = (
        "--metric",
        "accuracy",
        "--seeds",
        "3",
        "--storage",
        "studies.db",
        "--json",
        "--quiet",
    )
    words = ("compare", "--git", "HEAD", *options, "--script", "train.py", "--", "--width", "8")
    same = json.loads(advise(*words).out)
    assert same["gains"][0]["identical"] == "content"
    # a sibling is what it was then
    (repository / "layers.py").write_text(ACT.format("-x"))
    other = json.loads(advise(*words).out)
    assert other["gains"][0]["identical"] is None
    assert other["sides"][0]["label"].startswith("train.py at HEAD (")
    assert other["gains"][0]["mean"] < 0
    # the same sides under other names
    commit(repository, "add", "-A")
    commit(repository, "commit", "-qm", "three")
    again = json.loads(advise(*(each.replace("HEAD", "HEAD~1") for each in words)).out)
    assert again["gains"] == other["gains"]
    assert "The same was compared before: train.py at HEAD~1" in again["warnings"][-1]


def test_two_models_with_the_flags_of_one_task(folder, advise, monkeypatch):
    (folder / "other.py").write_text(NET.replace("8", "16"))
    said = advise("compare", "net.py:Net", "other.py:Net", *TASK, *SMALL, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["schema"] == 1
    assert [side["label"] for side in found["sides"]] == ["net.py:Net", "other.py:Net"]
    assert [side["parameters"] for side in found["sides"]] == [42, 82]
    assert found["evidence"] in ("better", "worse", "equivalent", "not_better", "open")
    assert found["verdict"] in ("change", "keep", "undecided")

    # the database shows it again, and a page has it
    name = found["comparison"]
    again = advise("show", name, "--storage", "studies.db", "--json")
    assert json.loads(again.out) == found
    assert advise("show", "--storage", "studies.db").out.count("other.py:Net") >= 2
    assert advise("report", name, "--storage", "studies.db", "-o", "page.html").code == 0
    page = (folder / "page.html").read_text()
    assert "other.py:Net" in page
    assert page.count("fresh seed: ") == 2 * 3  # a line and a difference for each pair
    assert page.count("<svg ") == 2
    (listed,) = json.loads(advise("studies", "--storage", "studies.db", "--json").out)
    shown = {"name": name, "kind": "comparison", "evidence": found["evidence"], "trials": None}
    assert shown.items() <= listed.items()
    table = advise("studies", "--storage", "studies.db").out
    assert all(word in table for word in (name, "comparison", found["evidence"]))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    said = advise("studies", "delete", name, "--storage", "studies.db")
    assert f"Delete comparison '{name}' with all its trainings?" in said.err
    rows = advise("query", "advisor_comparisons", "--storage", "studies.db", "--json")
    assert json.loads(rows.out)[0]["evidence"] == found["evidence"]
    assert advise("studies", "delete", name, "--yes", "--storage", "studies.db").code == 0
    assert advise("show", name, "--storage", "studies.db").code == 2
    assert json.loads(advise("studies", "--storage", "studies.db", "--json").out) == []


def test_a_revision_is_compared_with_the_working_tree_which_stays_as_it_is(repository, advise):
    (repository / "layers.py").write_text(ACT.format("x.clamp(min=0)"))
    before = commit(repository, "status", "--porcelain")
    words = ("--git", "HEAD", "--", "--model", "net.py:Net", *TASK, *SMALL, "--json")
    said = advise("compare", *words, "--require", "not-worse")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["gains"][0]["identical"] == "numbers"
    assert found["evidence"] == "equivalent"

    # code that is imported while a side runs is that side's own
    (repository / "layers.py").write_text(ACT.format("0 * x"))
    said = advise("compare", *words, "--require", "better")
    assert said.code == 3, said.err
    changed = json.loads(said.out)
    assert changed["comparison"] != found["comparison"]
    assert changed["gains"][0]["identical"] is None
    assert changed["sides"][0]["scores"] != changed["sides"][1]["scores"]

    assert commit(repository, "status", "--porcelain") == before
    assert not list((repository / "temporary").iterdir())


def test_a_study_file_at_a_revision_reads_the_data_that_are_not_tracked(repository, advise):
    study = (
        "import advisor\nfrom net import Net\n"
        "task = advisor.Task(Net, 'people.csv', target='income')\n"
        "study = advisor.Study('people', task, epochs=2)\n"
    )
    (repository / "study.py").write_text(study)
    commit(repository, "add", "-A")
    commit(repository, "commit", "-qm", "two")
    said = advise("compare", "--git", "HEAD", "--", "study.py", *SMALL, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["gains"][0]["identical"] == "content"


def test_what_a_killed_command_left_of_a_revision_is_removed_by_the_next(repository, monkeypatch):
    from advisor.comparing.revision import exported

    monkeypatch.chdir(repository)
    killed = (
        "import os, signal\nfrom advisor.comparing.revision import exported\n"
        "with exported('HEAD'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    temporary = repository / "temporary"
    subprocess.run(
        [sys.executable, "-c", killed], env={**os.environ, "TMPDIR": str(temporary)}, check=False
    )
    assert len(list(temporary.glob("advisor-compare-*/files/net.py"))) == 1
    with exported("HEAD") as old:
        assert list(temporary.glob("advisor-compare-*/files")) == [old.folder]
    assert not list(temporary.iterdir())


def test_what_is_interrupted_leaves_no_files_of_a_revision(repository, monkeypatch):
    from advisor.comparing.revision import exported

    monkeypatch.chdir(repository)

    def interrupted():
        with exported("HEAD") as old:
            assert Path(old.moved("net.py")).read_text() == NET
            assert (old.folder / "people.csv").is_symlink()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list((repository / "temporary").iterdir())
    assert (repository / "people.csv").exists()


def test_arms_of_a_study_in_the_database(folder, advise, monkeypatch):
    study = (
        "import advisor\nfrom torch import nn\n\n\n"
        "def net():\n    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))\n\n\n"
        "task = advisor.Task(net, 'people.csv', target='income')\n"
        "study = advisor.Study('people', task, trials=2, epochs=2, seeds=3)\n"
    )
    (folder / "study.py").write_text(study)
    common = ("--workers", "0", "--quiet", "--storage", "studies.db")
    assert advise("tune", "study.py", *common).code == 0
    sides = ("people:baseline", "people:recommended")
    said = advise("compare", *sides, "--seeds", "3", *common, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [side["label"] for side in found["sides"]] == list(sides)
    said = advise("compare", "people:baseline", "people:recomended", *common)
    assert said.code == 2
    assert "Did you mean 'recommended'?" in said.err

    # the user means files in the folder where they are; of others the database says nothing
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said = advise("compare", *sides, *common[:-1], "../studies.db")
    assert said.code == 2
    assert "--file ../study.py" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.py:Net",), "needs two sides, and 1 is named"),
        (("net.py:Net", "net.py:Net", "--model", "net.py:Net"), "--model names one side"),
        (
            ("--git", "HEAD", "--", "a.py", "b.py"),
            "--git compares one study file, --model or --script",
        ),
        (("--git", "HEAD", "--", "study.py"), "--git: "),
        (("nothing:baseline", "nothing:recommended"), "No study database"),
        (("net.py:Net", "gone.py:Net", *TASK), "gone.py"),
    ],
)
def test_what_cannot_be_compared_is_one_message(folder, advise, words, said):
    ended = advise("compare", *words, *SMALL)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_revision_or_file_that_is_not_there_is_one_message(repository, advise):
    said = advise("compare", "--git", "HEAD~7", "--", "--model", "net.py:Net", *TASK, *SMALL)
    assert said.code == 2
    assert "there is no such revision" in said.err
    (repository / "new.py").write_text(NET)
    said = advise("compare", "--git", "HEAD", "--", "--model", "new.py:Net", *TASK, *SMALL)
    assert said.code == 2
    assert "has no new.py" in said.err


def test_sides_are_compared_on_the_workers_of_an_engine_as_on_this_machine(repository, advise):
    (repository / "layers.py").write_text(ACT.format("torch.tanh(x)"))
    (repository / "mine.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def two(): return ThreadPoolExecutor(2)\n"
    )
    words = ("compare", "--git", "HEAD", "--", "--model", "net.py:Net", *TASK, *SMALL, "--json")
    place = words.index("--workers") if "--workers" in words else len(words)
    there = (*words[:place], *words[place + 2 :], "--executor", "mine.py:two")
    there = (*there, "--storage", "there.db")
    said = [advise(*each) for each in (words, there)]
    assert [each.code for each in said] == [0, 0], said[1].err
    here, far = (json.loads(each.out) for each in said)
    assert far["sides"][0]["scores"] != far["sides"][1]["scores"]
    for key in ("evidence", "verdict", "comparison"):
        assert far[key] == here[key]
    assert [each["scores"] for each in far["sides"]] == [each["scores"] for each in here["sides"]]
