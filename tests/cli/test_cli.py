from __future__ import annotations

import csv
import importlib
import io
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import click
import pytest

import advisor
from advisor.cli import COMMANDS

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))

    def forward(self, x):
        if torch.is_grad_enabled() and broken:
            raise RuntimeError("no training today")
        return self.body(x)


broken = False
number = 3
"""
TASK = ("--model", "net.py:Net", "--data", "data.csv", "--target", "label")
SMALL = (*TASK, "--trials", "6", "--epochs", "2", "--workers", "0", "--storage", "studies.db")

KEYS = {
    "techniques": {
        "slot",
        "name",
        "plugin",
        "cite",
        "space",
        "standard",
        "about",
        "does",
        "helps",
        "cost",
        "fights",
        "evidence",
    },
    "check": {"plugin", "source", "seconds", "techniques"},
    "plugins": {"name", "version", "source", "slots", "techniques"},
    "studies": {"name", "verdict", "trials"},
    "query": {"study", "number", "state", "score", "activation", "initializer"},
    "diagnose": {"sites", "layers", "embeddings", "output", "findings", "fits"},
}
"""Keys that design.md 2.1 promises of each command's JSON (of its rows, where it is a list)."""

RECOMMENDATION = {
    "": (
        "study verdict metric direction choices params baseline recommended gain alternatives"
        " reasons findings skipped trials seconds versions warnings"
    ),
    "baseline": "params scores mean test",
    "recommended": "scores mean test",
    "gain": "mean low high p seeds detectable",
    "alternatives": "choices mean why_not",
    "skipped": "slot technique why",
    "trials": "complete pruned failed",
    "seconds": "search confirm",
    "versions": "advisor torch",
}
"""Keys that design.md 2.2 promises of a recommendation and of its parts."""


def data() -> str:
    draw = random.Random(0)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(60)]
    return "a,b,label\n" + "".join(f"{a:.4f},{b:.4f},{int(a + b > 0)}\n" for a, b in rows)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A folder with a model, data and the database of a study that the console script has made; and
    what it said.
    """
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "net.py").write_text(NET)
    (folder / "data.csv").write_text(data())
    script = os.path.join(os.path.dirname(sys.executable), "advisor")
    return folder, subprocess.run(
        [script, "tune", *SMALL, "--json"], cwd=folder, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def here(tuned, tmp_path, monkeypatch):
    """The test's own copy of that folder, as the current one."""
    shutil.copytree(tuned[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(name):
    found = importlib.import_module(f"advisor.cli.{name}").command
    assert isinstance(found, click.Command)
    return found


def is_clean(said, *words):
    """One message for a user's mistake: exit code 2, nothing on stdout, the words on stderr, and no
    traceback.
    """
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert all(word in said.err for word in words), said.err


# --- help ---------------------------------------------------------------------------------------


def test_help_names_every_command_and_how_to_begin(advise):
    said = advise("--help")
    assert said.code == 0
    assert said.err == ""
    assert "advisor tune STUDY.py" in said.out
    assert "--model FILE:NAME --data PATH" in said.out
    lines = said.out.splitlines()
    assert all(
        any(line.startswith(f"  {name} ") and about in line for line in lines)
        for name, about in COMMANDS.items()
    )
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_each_of_its_options(advise, name):
    for flag in ("--help", "-h"):
        said = advise(name, flag)
        assert said.code == 0
        assert f"advisor {name} [OPTIONS]" in said.out
    assert command(name).help
    options = [option for option in command(name).params if isinstance(option, click.Option)]
    assert not [option.name for option in options if not option.help]
    assert all(option.opts[0] in said.out for option in options)


def test_the_options_of_tune_are_those_of_the_documentation():
    documented = (
        "--model --model-arg --data --target --valid --test --unlabeled --task --metric --name"
        " --storage --trials --minutes --epochs --workers --device --seed --plugin --without --only"
        " --json --quiet"
    )
    assert set(documented.split()) <= {
        name for option in command("tune").params for name in option.opts
    }


def test_the_version_is_the_packages(advise):
    said = advise("--version")
    assert said.code == 0
    assert said.out.strip() == f"advisor, version {advisor.__version__}"


def test_no_command_at_all_shows_the_help(advise):
    said = advise()
    assert said.code in (0, 2)
    assert "Commands:" in said.out + said.err


# --- mistakes on the command line ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "near"),
    [("tnue", "tune"), ("technique", "techniques"), ("study", "studies"), ("Show", "show")],
)
def test_a_misspelt_command_names_the_one_that_was_meant(advise, word, near):
    is_clean(advise(word), f"no command {word!r}", f"Did you mean {near!r}?", *COMMANDS)


MISTAKES = [
    (["tune"], ["STUDY.py", "--model FILE:NAME --data PATH"]),
    (["tune", "study.py", "--model", "net.py:Net"], ["not both"]),
    (["tune", "study.py", "--data", "data.csv"], ["leave out --data"]),
    (["tune", "--model", "net.py:Net"], ["--data PATH"]),
    (["tune", "sudy.py"], ["sudy.py", "Did you mean 'study.py'?"]),
    (["tune", "study"], ["no such study", "study.py"]),
    (["tune", "sub/study.py"], ["sub/study.py"]),
    (["tune", "net.py"], ["net.py", "one advisor.Study"]),
    (["tune", "study.py:other"], ["study.py", "'other'"]),
    (["tune", "data.csv"], ["data.csv"]),
    (["tune", *TASK, "--trials", "0"], ["--trials", "0"]),
    (["tune", *TASK, "--trials", "many"], ["--trials", "many"]),
    (["tune", *TASK, "--minutes", "0"], ["--minutes", "0"]),
    (["tune", *TASK, "--workers", "-1"], ["--workers"]),
    (["tune", *TASK, "--task", "clustering"], ["--task", "clustering", "classification"]),
    (["tune", *TASK, "--modle", "x"], ["--modle", "--model"]),
    (["tune", *TASK, "--metric", "acuracy"], ["acuracy", "accuracy"]),
    (["tune", *TASK, "--model-arg", "width"], ["--model-arg", "'width'", "KEY=VALUE"]),
    (["tune", *TASK, "--model-arg", "inputz=3"], ["inputz"]),
    (["tune", *TASK, "--only", "activation"], ["--only", "'activation'", "SLOT=A,B"]),
    (["tune", *TASK, "--only", "activations=elu"], ["'activations'", "Did you mean 'activation'?"]),
    (["tune", *TASK, "--only", "activation=eluu"], ["'eluu'", "Did you mean 'elu'?"]),
    (["tune", *TASK, "--plugin", "mine.py"], ["mine.py"]),
    (["tune", *TASK, "--without", "activatoin"], ["activatoin", "activation"]),
    (["tune", *TASK, "--device", "gpu"], ["--device", "gpu"]),
    (["tune", *TASK, "--device", "cuda:99"], ["cuda:99"]),
    (["tune", *TASK, "--storage", "net.py"], ["net.py", "--storage"]),
    (["tune", *TASK, "--storage", "nonsense://x"], ["nonsense://x", "--storage"]),
    (["tune", *TASK[:4], "--target", "lable"], ["lable", "label"]),
    (["tune", "--model", "net.py:Nett", "--data", "data.csv"], ["net.py", "Did you mean 'Net'?"]),
    (["tune", "--model", "net.py:number", "--data", "data.csv"], ["net.py:number", "int"]),
    (["tune", "--model", "net.py", "--data", "data.csv"], ["net.py", "FILE.py:NAME"]),
    (
        ["tune", "--model", "nets.py:Net", "--data", "data.csv"],
        ["nets.py", "Did you mean 'net.py'?"],
    ),
    (["tune", "--model", "no.such:Net", "--data", "data.csv"], ["no.such"]),
    (["tune", "--model", "net.py:Net", "--data", "dta.csv"], ["dta.csv", "data.csv"]),
    (
        ["show", "nte-data", "--storage", "studies.db"],
        ["'nte-data'", "Did you mean 'net-data-label'?", "studies.db"],
    ),
    (["show", "--storage", "other.db"], ["other.db", "--storage"]),
    (["show", "--storage", "net.py"], ["net.py"]),
    (["studies", "--storage", "other.db"], ["other.db", "--storage"]),
    (
        ["studies", "delete", "net-dta", "--storage", "studies.db"],
        ["'net-dta'", "Did you mean 'net-data-label'?"],
    ),
    (["studies", "delte", "net-data-label"], ["delte"]),
    (["query", "--storage", "studies.db"], ["advisor query", "SELECT", "--schema"]),
    (
        ["query", "advisor_trial", "--storage", "studies.db"],
        ["Did you mean 'advisor_trials'?", "--schema"],
    ),
    (
        ["query", "DROP TABLE trials", "--storage", "studies.db"],
        ["only reads", "DROP TABLE trials"],
    ),
    (["query", "advisor_trials", "--storage", "other.db"], ["other.db", "--storage"]),
    (["techniques", "activations"], ["'activations'", "Did you mean 'activation'?"]),
    (["techniques", "--plugin", "nte.py"], ["nte.py", "Did you mean 'net.py'?"]),
    (["plugins", "--without", "nobody"], ["--without nobody", "activation"]),
]


@pytest.mark.parametrize(
    ("words", "said"), MISTAKES, ids=lambda value: " ".join(value) if value[0] in COMMANDS else ""
)
def test_a_mistake_is_one_message_with_what_was_given_and_no_traceback(advise, here, words, said):
    (here / "study.py").write_text(
        "import advisor\nfrom net import Net\n"
        "study = advisor.Study('s', advisor.Task(Net, 'data.csv'))\n"
    )
    options = (
        []
        if "--storage" in words or words[0] in ("techniques", "plugins")
        else ["--storage", "studies.db"]
    )
    if words[0] == "tune" and "--workers" not in words:
        options = [*options, "--workers", "0"]  # a process of its own takes seconds to begin
    names = (
        "trials",
        "trial_params",
        "advisor_plans",
        "advisor_curves",
        "advisor_confirmations",
        "advisor_recommendations",
    )
    before = {name: table(here / "studies.db", name) for name in names}
    is_clean(advise(*words, *options), *said)
    assert {name: table(here / "studies.db", name) for name in names} == before
    assert not (here / "other.db").exists()


def test_a_study_that_cannot_be_trained_ends_with_1_and_says_why(advise, here):
    (here / "net.py").write_text(NET.replace("broken = False", "broken = True"))
    said = advise("tune", *SMALL, "--name", "bad", "--only", "activation=keep", "--quiet")
    assert said.code == 1
    assert said.out == ""
    assert "'bad'" in said.err
    assert "RuntimeError: no training today (net.py:12 in forward)" in said.err
    assert "Traceback" not in said.err


def test_a_broken_study_file_names_its_line(advise, here):
    (here / "study.py").write_text(
        "import advisor\n\nstudy = advisor.Study('s', advisor.Task(build=3))\n"
    )
    said = advise("tune", "study.py")
    is_clean(said, "Task(build=…)")
    assert re.search(r"study\.py\D+3\b", said.err), said.err
    assert ".." not in said.err, "one sentence, one full stop"


# --- tune, end to end ---------------------------------------------------------------------------


def test_tune_answers_with_the_documented_json_and_nothing_else_on_stdout(tuned):
    ended = tuned[1]
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    found = json.loads(ended.stdout)
    for part, keys in RECOMMENDATION.items():
        inner = found[part] if part else found
        for each in inner if isinstance(inner, list) else [inner]:
            assert set(keys.split()) <= set(each), part
    assert found["study"] == "net-data-label"
    assert found["verdict"] in ("change", "keep", "undecided")
    assert (found["metric"], found["direction"]) == ("accuracy", "maximize")
    assert {"training.lr", "training.weight_decay"} <= set(found["params"])
    assert {"activation", "initializer", "pretraining"} <= set(found["choices"])
    assert sum(found["trials"].values()) == 6
    assert found["alternatives"]
    assert ("embedding", "the model has no embedding table") in {
        (each["slot"], each["why"]) for each in found["skipped"]
    }
    assert found["versions"]["advisor"] == advisor.__version__


def test_the_scores_of_baseline_and_recommendation_are_paired_by_fresh_seeds(tuned):
    found = json.loads(tuned[1].stdout)
    seeds = found["gain"]["seeds"]
    for arm in (found["baseline"], found["recommended"]):
        assert len(arm["scores"]) == seeds
        assert seeds in (5, 10, 20)
        assert arm["mean"] == pytest.approx(sum(arm["scores"]) / seeds)
        assert 0 <= arm["test"] <= 1
    assert found["gain"]["low"] <= found["gain"]["mean"] <= found["gain"]["high"]
    if found["verdict"] != "change":
        assert set(found["choices"].values()) == {"keep"}
        assert found["recommended"]["scores"] == found["baseline"]["scores"]


def test_tune_shows_what_it_understood_and_how_far_it_is_on_stderr(tuned):
    told = tuned[1].stderr
    assert "net-data-label: classification, 2 classes" in told
    assert "rows: train 36 · valid 12 · test 12 · batch" in told
    assert "Net was built with inputs=2, outputs=2, inferred from the data" in told
    assert "6/6" in told


def test_the_same_command_again_adds_no_trial_and_prints_the_same(advise, here, tuned):
    before = table(here / "studies.db", "trials")
    said = advise("tune", *SMALL, "--json")
    assert said.code == 0
    assert said.out == tuned[1].stdout
    assert len(before) == 6
    assert table(here / "studies.db", "trials") == before
    assert len(table(here / "studies.db", "advisor_recommendations")) == 1


def test_more_trials_go_on_where_the_study_stopped(advise, here):
    before = table(here / "studies.db", "trials")
    said = advise("tune", *SMALL, "--trials", "8", "--json", "--quiet")
    assert said.code == 0
    assert said.err == ""
    assert sum(json.loads(said.out)["trials"].values()) == 8
    assert table(here / "studies.db", "trials")[:6] == before


def test_a_study_begun_differently_is_refused_with_the_difference(advise, here):
    is_clean(
        advise("tune", *SMALL, "--epochs", "3", "--quiet"),
        "'net-data-label' was begun differently",
        "epochs was 2 and is 3",
        "--name",
    )


def test_a_study_file_is_tuned_with_its_own_settings_from_anywhere(advise, here, monkeypatch):
    text = "import advisor\nfrom net import Net\n\n"
    text += "only = {slot: ['keep'] for slot in ('initializer', 'pretraining')}\n"
    text += "task = advisor.Task(Net, 'data.csv', target='label')\n"
    text += "study = advisor.Study('own', task, trials=2, epochs=1, seeds=3, only=only)\n"
    (here / "study.py").write_text(text)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    said = advise(
        *("tune", "../study.py", "--storage", "sqlite:///new/own.db", "--workers", "0", "--quiet"),
        "--why",
    )
    assert said.code == 0
    assert "own: " in said.out
    assert "2 trials" in said.out
    (code,) = re.findall(r"\n  (?:apply|train)   .*?(?=\n  cost)", said.out, re.DOTALL)
    assert max(map(len, said.out.replace(code, "").splitlines())) <= 120
    assert len(table(here / "elsewhere/new/own.db", "trials")) == 2


def table(path, name):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()


# --- what is in the database --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net-data-label", None])
def test_show_prints_the_recommendation_again(advise, here, tuned, name):
    words = ["show", *([name] if name else []), "--storage", "studies.db"]
    assert advise(*words, "--json").out == tuned[1].stdout
    said = advise(*words)
    assert said.code == 0
    assert said.out.startswith("net-data-label: ")
    assert len(said.out.splitlines()) <= 16
    assert re.search("\n  (apply|train)   ", said.out)
    why = advise(*words, "--why")
    assert why.out.startswith(said.out), "the evidence stands below the first screen"
    for title in ("Why", "Not chosen", "Not applicable"):
        assert f"\n{title}\n" in why.out
        assert f"\n{title}\n" not in said.out
    assert "\x1b[" not in why.out, "colours have no place in a pipe"


def test_the_storage_can_come_from_the_surroundings(advise, here, tuned, monkeypatch):
    monkeypatch.setenv("ADVISOR_STORAGE", "sqlite:///studies.db")
    assert advise("show", "--json").out == tuned[1].stdout


@pytest.mark.parametrize("name", [name for name in KEYS if name in COMMANDS])
def test_json_has_the_documented_keys(advise, here, name):
    (here / "empty.py").write_text(
        "import advisor\n\n@advisor.hookimpl\ndef techniques():\n    return []\n"
    )
    words = {
        "query": ["advisor_trials", "--storage", "studies.db"],
        "studies": ["--storage", "studies.db"],
        "diagnose": TASK,
    }
    words["check"] = ["empty.py"]
    said = advise(name, *words.get(name, []), "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found
    for each in found if isinstance(found, list) else [found]:
        assert KEYS[name] <= set(each)


def test_the_json_of_every_command_is_tested_here():
    with_json = {
        name for name in COMMANDS if any("--json" in option.opts for option in command(name).params)
    }
    assert with_json == {*KEYS, "tune", "compare", "show"} & set(COMMANDS)


def test_studies_lists_the_study_with_its_counts(advise, here):
    (row,) = json.loads(advise("studies", "--storage", "studies.db", "--json").out)
    assert (row["name"], row["trials"], row["metric"]) == ("net-data-label", 6, "accuracy")
    assert row["kind"] == "study"
    assert row["seconds"] > 0
    said = advise("studies", "--storage", "studies.db")
    assert said.code == 0
    assert all(word in said.out for word in ("study", "verdict", "net-data-label", "accuracy"))


@pytest.mark.parametrize(
    "words",
    [
        ["delete", "net-data-label", "--yes", "--storage", "studies.db"],
        ["--storage", "studies.db", "delete", "net-data-label", "--yes"],
    ],
)
def test_a_deleted_study_is_gone_from_all_tables(advise, here, words):
    said = advise("studies", *words)
    assert said.code == 0
    assert "net-data-label" in said.out
    assert json.loads(advise("studies", "--storage", "studies.db", "--json").out) == []
    for name in (
        "trials",
        "trial_params",
        "advisor_plans",
        "advisor_curves",
        "advisor_costs",
        "advisor_confirmations",
    ):
        assert table(here / "studies.db", name) == []
    is_clean(
        advise("show", "net-data-label", "--storage", "studies.db"), "'net-data-label'", "none"
    )


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "enter", "no terminal"])
def test_a_study_is_deleted_only_when_asked_twice(here, answer):
    words = [
        sys.executable,
        "-m",
        "advisor.cli",
        "studies",
        "delete",
        "net-data-label",
        "--storage",
        "studies.db",
    ]
    ended = subprocess.run(
        words, cwd=here, input=answer, capture_output=True, text=True, timeout=60
    )
    assert len(table(here / "studies.db", "trials")) == 6
    assert "Delete study 'net-data-label'" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    # declining is no interruption, and the same command does not go on where it stopped
    assert "goes on where it stopped" not in ended.stderr
    assert ended.returncode != 130


QUESTION = [
    "query",
    "SELECT number, activation, score FROM advisor_trials WHERE number < 2",
    "--storage",
    "studies.db",
]


def test_a_question_is_answered_as_a_table_as_csv_and_as_json(advise, here):
    rows = json.loads(advise(*QUESTION, "--json").out)
    assert [(row["number"], row["activation"] == "keep") for row in rows] == [(0, True), (1, False)]
    said = advise(*QUESTION, "--csv")
    assert [
        {"number": r["number"], "score": r["score"]} for r in csv.DictReader(io.StringIO(said.out))
    ] == [{"number": str(row["number"]), "score": str(row["score"])} for row in rows]
    assert "\r" not in said.out
    said = advise(*QUESTION)
    header, rule, *lines = said.out.strip().splitlines()
    assert header.split() == ["number", "activation", "score"]
    assert set(rule.strip()) == {"─"}
    assert [line.split()[:2] for line in lines] == [
        [str(row["number"]), row["activation"]] for row in rows
    ]


def test_a_wide_row_is_not_cut_in_a_pipe(advise, here):
    text = "x" * 150
    said = advise("query", f"SELECT '{text}' AS long, 1 AS short", "--storage", "studies.db")
    assert text in said.out
    assert "…" not in said.out


def test_markup_in_the_database_is_text(advise, here):
    assert (
        "[red]x[/red] :smile:"
        in advise("query", "SELECT '[red]x[/red] :smile:' AS a", "--storage", "studies.db").out
    )


def test_no_rows_are_said_to_be_none_in_each_format(advise, here):
    empty = [
        "query",
        "SELECT number FROM advisor_trials WHERE number < 0",
        "--storage",
        "studies.db",
    ]
    assert advise(*empty).out.strip() == "no rows"
    assert advise(*empty, "--csv").out == "number\n"
    assert json.loads(advise(*empty, "--json").out) == []


def test_the_schema_is_printed_without_a_database(advise):
    said = advise("query", "--schema")
    assert said.code == 0
    schema = json.loads(advise("query", "--schema", "--json").out)
    assert {"advisor_studies", "advisor_trials", "advisor_confirmations"} <= set(schema)
    for view, (about, columns) in schema.items():
        assert f"{view}: {about}" in said.out
        assert all(
            f"  {name}" in said.out and meaning in said.out for name, meaning in columns.items()
        )


def test_a_reader_that_goes_away_is_no_error(here):
    words = [sys.executable, "-m", "advisor.cli", "query", "--storage", "studies.db", "--csv"]
    words += [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
        " SELECT i FROM n"
    ]
    with subprocess.Popen(
        words, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "i\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


# --- plugins and techniques ---------------------------------------------------------------------


def test_plugins_are_listed_with_where_they_come_from(advise, plugin):
    path = plugin(
        "mine", "[Named('activation', 'x'), Named('oven', 'slow')]", "[Slot('oven', 'how hot')]"
    )
    said = advise("plugins", "--plugin", path, "--without", "embedding", "--json")
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert {"activation", "initializer", "pretraining", "mine"} <= set(rows)
    assert "embedding" not in rows
    mine = rows["mine"]
    assert (mine["source"], mine["slots"], mine["techniques"]) == (
        path,
        ["oven"],
        ["activation.x", "oven.slow"],
    )
    assert rows["activation"]["version"] == advisor.__version__
    said = advise("plugins", "--plugin", path)
    assert said.code == 0
    assert all(word in said.out for word in ("plugin", "embedding", "mine", "oven"))


def test_techniques_are_listed_by_slot_with_what_may_vary(advise, plugin):
    space = "warm=advisor.Float(1, 4, log=True), times=advisor.Int(1, 5), "
    space += "kind=advisor.Choice('a', 'b', default='b')"
    path = plugin("mine", f"[Named('oven', 'slow', {space})]", "[Slot('oven', 'how hot')]")
    rows = json.loads(advise("techniques", "oven", "--plugin", path, "--json").out)
    assert [(row["slot"], row["name"]) for row in rows] == [("oven", "keep"), ("oven", "slow")]
    assert rows[1]["plugin"] == "mine"
    assert rows[1]["space"] == {
        "warm": {"kind": "float", "low": 1, "high": 4, "log": True, "default": 2.0},
        "times": {"kind": "int", "low": 1, "high": 5, "log": False, "default": 3},
        "kind": {"kind": "choice", "options": ["a", "b"], "default": "b"},
    }
    said = advise("techniques", "oven", "--plugin", path)
    assert "1–4" in said.out
    assert "{a, b}" in said.out
    assert {row["slot"] for row in json.loads(advise("techniques", "--json").out)} > {
        "activation",
        "initializer",
        "pretraining",
    }


def test_the_default_that_is_listed_is_the_one_that_is_tried_first(advise, write):
    text = "import advisor\nclass Own(advisor.Technique):\n    name, slot = 'own', 'activation'\n"
    text += "    space = {'heat': advisor.Float(0, 1)}\n"
    text += "    def apply(self, run, heat=0.125):\n        return None\n"
    text += "@advisor.hookimpl\ndef techniques():\n    return [Own()]\n"
    rows = json.loads(
        advise("techniques", "activation", "--plugin", write("own.py", text), "--json").out
    )
    assert next(row for row in rows if row["name"] == "own")["space"]["heat"]["default"] == 0.125


def test_every_technique_but_keep_names_its_source(advise):
    rows = json.loads(advise("techniques", "--json").out)
    assert not [row["name"] for row in rows if row["name"] != "keep" and not row["cite"]]
