"""`advisor techniques` as a catalogue: what each does, where it helps, and how it did in the user's
own studies.
"""

from __future__ import annotations

import json
import sqlite3

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from advisor.cli.docstring_parts import does, helps
from advisor.store.database import Database

SPACE = {"activation": CategoricalDistribution(("keep", "elu", "gelu"))}
PLAN = {
    "options": {"activation": ["keep", "elu", "gelu"]},
    "identity": {"model": "Net with 9 parameters", "data": "90 rows"},
    "versions": {"advisor": "0.2.0"},
}


@pytest.fixture
def studied(tmp_path):
    """A database: elu is tried in three studies and wins one; one study has no answer yet."""
    path = tmp_path / "own.db"
    answers = {"one": ("change", "elu"), "two": ("keep", "keep"), "three": ("change", "gelu")}
    with Database(f"sqlite:///{path}", ("activation",)) as database:
        for name in ("one", "two", "three", "open"):
            records = database.study(name)
            records.begin("accuracy", "maximize", PLAN, None)
            for number, technique in enumerate(("keep", "elu", "elu", "gelu")):
                trial = records.add_trial(number, {"activation": technique}, SPACE, {})
                costs = {"activation": 0.5 * number, "training": 9.0}
                records.save_progress(trial, number, (), costs, {})
                records.close_trial(trial, TrialState.COMPLETE, 0.5, 1, {})
            if name in answers:
                verdict, choice = answers[name]
                answer = {"choices": {"activation": choice}, "params": {}, "verdict": verdict}
                records.save_recommendation(verdict, json.dumps(answer))
    return str(path)


def listed(said):
    return {row["name"]: row for row in json.loads(said.out)}


def test_evidence_is_how_many_answered_studies_tried_it_and_how_many_recommend_it(advise, studied):
    rows = listed(advise("techniques", "activation", "--json", "--storage", studied))
    assert rows["elu"]["evidence"] == {"studies": 3, "won": 1, "seconds": 0.75}
    assert rows["gelu"]["evidence"] == {"studies": 3, "won": 1, "seconds": 1.5}
    assert rows["relu"]["evidence"] is None
    assert rows["keep"]["evidence"] is None
    said = advise("techniques", "elu", "--storage", studied).out
    assert "Evidence: won 1 of 3 studies where it was tried; 0.75 s before a training" in said
    slot = advise("techniques", "activation", "--storage", studied).out
    assert "evidence: won 1 of 3 studies" in slot
    (row,) = [
        line
        for line in advise("techniques", "--storage", studied).out.splitlines()
        if line.startswith("activation") and " elu " in line
    ]
    assert "1 of 3" in row


def test_a_slot_is_told_with_what_each_technique_does_where_it_helps_and_what_it_costs(advise):
    said = advise("techniques", "initializer")
    assert said.code == 0
    lsuv = said.out.split("\nlsuv (")[1].split("\n\n")[0]
    for part in (
        "  helps: deep nets of any activation",
        "  cost: a pass over at most 256 training rows, before training",
        "  fights: normalization (right after a layer it undoes",
    ):
        assert part in lsuv
    autoinit = said.out.split("\nautoinit (")[1].split("\n\n")[0]
    assert "  tried: only where a search names it: --only initializer=autoinit" in autoinit
    assert "  varies: distribution {truncated_normal" in autoinit


def test_every_technique_of_ours_says_what_it_does_and_a_package_what_it_does_not_go_with(advise):
    rows = [row for row in json.loads(advise("techniques", "--json").out) if row["name"] != "keep"]
    assert not [row["name"] for row in rows if not row["does"].endswith(".")]
    assert not [row["name"] for row in rows if row["helps"].startswith(("Helps", "When it helps"))]
    selu = next(row for row in rows if row["name"] == "selu")
    assert selu["fights"]["initializer"] == "it brings its own"


def test_a_third_party_may_say_all_of_it_or_nothing(advise, plugin):
    more = "class Told(Named):\n    'Turns.'\n    helps, cost, fights = 'here', 'little', {'oven.b': 'too hot'}\n"
    path = plugin("mine", "[Told('oven', 'a'), Named('oven', 'b')]", "[Slot('oven', 'o')]", more)
    rows = listed(advise("techniques", "oven", "--plugin", path, "--json"))
    told = {key: rows["a"][key] for key in ("does", "helps", "cost", "fights")}
    assert told == {
        "does": "Turns.",
        "helps": "here",
        "cost": "little",
        "fights": {"oven.b": "too hot"},
    }
    assert [rows["b"][key] for key in ("helps", "cost", "fights")] == ["", "", {}]


DOCSTRINGS = [
    ("One line\nbroken.\n\nf = 1. Helps deep nets. More.\n\nReference: x.", "deep nets."),
    ("One.\n\nf = 1\n\nWhere e.g. it is so.\n\nArguments:\n    none", "Where e.g. it is so."),
    ("One.\n\nWhen it helps: few labels; more (x). Not so.", "few labels; more (x)."),
    ("One.\n\nArguments:\n    a: Helps nobody.", ""),
    ("", ""),
]


@pytest.mark.parametrize(("docstring", "where"), DOCSTRINGS)
def test_the_parts_of_a_docstring(docstring, where):
    assert helps(docstring) == where
    assert does(docstring) == " ".join(docstring.partition("\n\n")[0].split())


def test_a_database_that_is_named_must_be_there_and_one_that_is_not_is_told(
    advise, monkeypatch, tmp_path
):
    assert advise("techniques", "elu").err == ""
    said = advise("techniques", "elu", "--storage", "none.db")
    assert (said.code, "none.db" in said.err) == (2, True)
    sqlite3.connect(tmp_path / "old.db").execute("CREATE TABLE other (x)").connection.close()
    monkeypatch.setenv("ADVISOR_STORAGE", str(tmp_path / "old.db"))
    said = advise("techniques", "elu")
    assert said.code == 0
    assert "without evidence from your studies" in said.err
    assert "Clevert" in said.out
