from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

import advisor
from advisor.errors import InputError

STUDY = """\
import advisor, torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

def data():
    y = torch.arange(60) % 2
    return torch.randn(60, 4, generator=torch.Generator().manual_seed(0)) + y[:, None], y

only = {"activation": ["elu"], "initializer": [], "pretraining": []}
study = advisor.Study("NAME", advisor.Task(net, data), trials=TRIALS, epochs=1, seeds=3, only=only)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two studies in one database, and a longer form of one of them."""
    folder = tmp_path_factory.mktemp("damaged")
    for name in ("good", "bad"):
        file = folder / f"{name}.py"
        file.write_text(STUDY.replace("NAME", name).replace("TRIALS", "2"))
        advisor.tune(str(file), storage=str(folder / "studies.db"))
    file.write_text(STUDY.replace("NAME", "bad").replace("TRIALS", "4"))
    return folder


@pytest.fixture
def here(made, tmp_path):
    """The test's own copy of that folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def spoil(here, *statements):
    """Change what the database says by SQL."""
    with closing(sqlite3.connect(here / "studies.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def of_key(table, column, value, key):
    """SQL that gives all trials of the bad study another value of one of their facts."""
    return (
        f"UPDATE {table} SET {column} = '{value}' WHERE {key} AND trial_id IN (SELECT trial_id "
        "FROM trials JOIN studies USING (study_id) WHERE study_name = 'bad')"
    )


def fact(name, value):
    return of_key("trial_user_attributes", "value_json", value, f"key = '{name}'")


def param(column, value):
    return of_key("trial_params", column, value, "param_name = 'activation'")


BAD = "WHERE study = 'bad'"
NUMBER_0 = "WHERE study = 'bad' AND number = 0"
IN_BAD = "study_id IN (SELECT study_id FROM studies WHERE study_name = 'bad')"

# What a damaged or foreign database may say of a study, with what is then said of it.
DAMAGES = {
    "a plan that is no JSON": (f"UPDATE advisor_plans SET plan = '{{' {BAD}", "its plan"),
    "a plan that is cut": (
        f"UPDATE advisor_plans SET plan = substr(plan, 1, 200) {BAD}",
        "its plan",
    ),
    "a plan that is a list": (f"UPDATE advisor_plans SET plan = '[]' {BAD}", "its plan"),
    "a plan that is empty": (f"UPDATE advisor_plans SET plan = '' {BAD}", "its plan"),
    "a plan that is bytes": (f"UPDATE advisor_plans SET plan = x'00ff80' {BAD}", "its plan"),
    "a plan without rungs": (
        f"UPDATE advisor_plans SET plan = json_remove(plan, '$.rungs') {BAD}",
        "its plan",
    ),
    "rungs that are words": (
        f"UPDATE advisor_plans SET plan = json_set(plan, '$.rungs', 'one') {BAD}",
        "its plan",
    ),
    "options that are null": (
        f"UPDATE advisor_plans SET plan = json_set(plan, '$.options', null) {BAD}",
        "its plan",
    ),
    "a space that is none": (
        f"UPDATE advisor_plans SET plan = json_set(plan, '$.space.\"training.lr\"', 'x') {BAD}",
        "its plan",
    ),
    "an unknown part of a plan": (
        f"UPDATE advisor_plans SET plan = json_set(plan, '$.wings', 2) {BAD}",
        "its plan",
    ),
    "seconds that are none": (f"UPDATE advisor_plans SET seconds = 'long' {BAD}", "its time"),
    "an unknown stage": (fact("stage", '"dream"'), "its trial 0"),
    "a stage that is null": (fact("stage", "null"), "its trial 0"),
    "a stage that is no JSON": (fact("stage", '"op'), "cannot be read"),
    "no facts at all": (
        f"DELETE FROM trial_user_attributes WHERE trial_id IN (SELECT trial_id FROM trials WHERE {IN_BAD})",
        "its trial 0",
    ),
    "a distribution that is no JSON": (param("distribution_json", "{"), "its trials"),
    "an unknown distribution": (
        param("distribution_json", '{"name": "Wild", "attributes": {}}'),
        "its trials",
    ),
    "a choice that is none": (param("param_value", "77"), "its trials"),
    "an unknown technique": (
        param(
            "distribution_json",
            '{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}}',
        ),
        "its trial 0",
    ),
    "an unknown slot": (param("param_name", "wheels"), "its trial 0"),
    "an unknown state": (f"UPDATE trials SET state = 'ASLEEP' WHERE {IN_BAD}", "its trials"),
    "a trial that is missing": (
        f"UPDATE trials SET number = number + 1 WHERE {IN_BAD}",
        "its trials",
    ),
    "a study that Optuna does not know": (
        "UPDATE studies SET study_name = 'other' WHERE study_name = 'bad'",
        "its trials",
    ),
    "a score that is null": (
        f"UPDATE advisor_curves SET score = NULL {NUMBER_0}",
        "its learning curves",
    ),
    "a loss that is words": (
        f"UPDATE advisor_curves SET loss = 'much' {NUMBER_0}",
        "its learning curves",
    ),
    "a cost that is words": (f"UPDATE advisor_costs SET seconds = 'long' {NUMBER_0}", "its costs"),
    "an unknown phase": (
        f"UPDATE advisor_confirmations SET phase = phase || '?' {BAD}",
        "its fresh seeds",
    ),
    "a fresh score that is words": (
        f"UPDATE advisor_confirmations SET score = 'good' {BAD}",
        "its fresh seeds",
    ),
    "an answer that is no JSON": (
        f"UPDATE advisor_recommendations SET json = '{{' {BAD}",
        "its recommendation",
    ),
    "an answer that is a number": (
        f"UPDATE advisor_recommendations SET json = '7' {BAD}",
        "its recommendation",
    ),
    "an answer without a gain": (
        f"UPDATE advisor_recommendations SET json = json_remove(json, '$.gain') {BAD}",
        "its recommendation",
    ),
    "a gain that is words": (
        f"UPDATE advisor_recommendations SET json = json_set(json, '$.gain.mean', 'big') {BAD}",
        "its recommendation",
    ),
    "choices that are null": (
        f"UPDATE advisor_recommendations SET json = json_set(json, '$.choices', null) {BAD}",
        "its recommendation",
    ),
    "an unknown verdict": (
        f"UPDATE advisor_recommendations SET json = json_set(json, '$.verdict', 'maybe') {BAD}",
        "its recommendation",
    ),
    "a reason that is none": (
        f"UPDATE advisor_recommendations SET json = json_set(json, '$.pruned', json('[7]')) {BAD}",
        "its recommendation",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_study_is_one_message_with_its_name_and_what_to_do(here, damage):
    statement, words = DAMAGES[damage]
    spoil(here, statement)
    with pytest.raises(InputError) as told:
        advisor.tune(str(here / "bad.py"), storage=str(here / "studies.db"), workers=0)
    assert str(told.value).startswith("Study 'bad': its ")
    assert words in str(told.value)
    assert "--name" in str(told.value)
    assert "advisor studies delete bad" in str(told.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_reads_lists_the_good_study_and_says_what_is_wrong_with_the_bad_one(
    here, advise, damage
):
    spoil(here, DAMAGES[damage][0])
    listed = advise("studies", "--storage", "studies.db", "--json")
    assert listed.code == 0, listed.err
    assert {"good", "bad"} <= {study["name"] for study in json.loads(listed.out)}
    for words in (
        ["studies"],
        ["show", "bad"],
        ["show", "bad", "--json"],
        ["report", "bad", "-o", "bad.html"],
        ["query", "advisor_trials"],
    ):
        said = advise(*words, "--storage", "studies.db")
        assert said.code in (0, 2), (words, said)
        if said.code == 2:
            assert said.err.startswith("advisor: Study 'bad': its "), (words, said)
            assert said.out == ""
        elif "--json" in words:
            json.loads(said.out)
    assert advise("show", "good", "--storage", "studies.db").code == 0

    # What is damaged can be removed, and the good study goes on.
    assert advise("studies", "delete", "bad", "--yes", "--storage", "studies.db").code == 0
    assert "bad" not in advise("studies", "--storage", "studies.db").out
    assert advise("report", "good", "-o", "good.html", "--storage", "studies.db").code == 0


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        (
            "UPDATE advisor_plans SET plan = json_set(plan, '$.versions.advisor', '99.1.0',"
            f" '$.wings', 2) {BAD}",
            "plan",
        ),
        (
            "UPDATE advisor_recommendations SET json = json_set(json, '$.versions.advisor',"
            f" '99.1.0', '$.verdict', 'maybe') {BAD}",
            "recommendation",
        ),
    ],
)
def test_what_a_newer_version_wrote_asks_for_an_upgrade(here, statement, part):
    spoil(here, statement)
    with pytest.raises(InputError, match=f"'bad': its {part} cannot be read") as told:
        advisor.tune(str(here / "bad.py"), storage=str(here / "studies.db"), workers=0)
    assert "a newer advisor (99.1.0; this is " in str(told.value)
    assert "pip install -U torch-advisor" in str(told.value)
    assert "delete" not in str(told.value)


def test_a_newer_version_that_wrote_what_this_one_knows_can_be_read(here, advise):
    spoil(
        here,
        "UPDATE advisor_recommendations SET json = json_set(json, '$.versions.advisor', '99.1.0',"
        f" '$.wings', 2) {BAD}",
    )
    assert advise("show", "bad", "--storage", "studies.db").code == 0


def test_a_reference_that_cannot_be_read_is_told(here):
    spoil(here, f"UPDATE advisor_plans SET question = '{{\"wings\": 2}}' {BAD}")
    with pytest.raises(InputError, match="'bad': its reference cannot be read"):
        advisor.recommendation("bad", storage=str(here / "studies.db"))


def test_the_plan_says_which_version_wrote_it(here):
    with closing(sqlite3.connect(here / "studies.db")) as connection:
        ((text,),) = connection.execute(f"SELECT plan FROM advisor_plans {BAD}").fetchall()
    assert json.loads(text)["versions"] == {"advisor": advisor.__version__}
