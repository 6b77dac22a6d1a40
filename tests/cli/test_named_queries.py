"""Questions to the study database that have names: advisor's own, and those of plugins."""

from __future__ import annotations

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from advisor.store.confirmed_seeds import Confirmation
from advisor.store.database import Database
from advisor.store.named_queries import QUERIES, composed
from advisor.store.plugin_versions import note_versions
from advisor.store.query import read
from advisor.training.epoch import Epoch

SPACE = {
    "activation": CategoricalDistribution(("keep", "elu", "selu")),
    "oven": CategoricalDistribution(("keep", "hot")),
    "training.lr": FloatDistribution(1e-5, 1.0, log=True),
    "activation.elu.alpha": FloatDistribution(0.1, 2.0),
}
TRIALS = [
    ({"activation": "keep", "oven": "keep", "training.lr": 1e-3}, 0.5),
    ({"activation": "elu", "oven": "keep", "training.lr": 1e-3, "activation.elu.alpha": 1.0}, 0.7),
    ({"activation": "elu", "oven": "keep", "training.lr": 3e-3, "activation.elu.alpha": 0.5}, 0.9),
    ({"activation": "selu", "oven": "hot", "training.lr": 1e-2}, None),
]
ANSWER = {
    "choices": {"activation": "elu", "oven": "keep"},
    # The luckiest trial had other parameters.
    "params": {"training.lr": 1e-3, "activation.elu.alpha": 1.0},
    "gain": {"mean": 0.2, "low": 0.1, "high": 0.3, "seeds": 2, "rows": 40,
             "arm": {"activation": "elu"}},
    "baseline": {"mean": 0.5, "seconds": 1.0},
    "recommended": {"mean": 0.7, "seconds": 2.0},
    "seconds": {"search": 3.0, "confirm": 4.0},
    "min_gain": 0.01,
}  # fmt: skip
SLOW = """
import advisor

@advisor.hookimpl
def queries():
    return [advisor.NamedQuery("{name}", "which took long", {sql!r}, "study", {{"least": "seconds"}})]
"""
SQL = (
    "SELECT study, number, '1:2' AS mark FROM advisor_trials "
    "WHERE seconds > COALESCE(CAST(:least AS REAL), 0)"
)


def write_study(database, name, direction="maximize"):
    sign = 1 if direction == "maximize" else -1
    records = database.study(name)
    plan = {"options": {"activation": ["keep", "elu", "selu"], "oven": ["keep", "hot"]},
            "identity": {"model": "Net with 9 parameters", "data": "90 rows"}}  # fmt: skip
    ref = {"file": None, "flags": json.dumps({"model": "net.py:Net", "data": "a b.csv"}),
           "changes": '{"trials": 4}', "plugins": [], "without": []}  # fmt: skip
    records.begin("accuracy", direction, plan, json.dumps(ref))
    versions, marks = {"advisor": "0.9", "torch": "2.1"}, {"waves": "1.0", "own": "0.9"}
    note_versions(database.engine, name, versions, marks, {"own"})
    for number, (params, score) in enumerate(TRIALS):
        trial = records.add_trial(number, params, {key: SPACE[key] for key in params}, {})
        epochs = [Epoch(1, sign * (score or 0), 1.0, 0.5, None)]
        records.save_progress(trial, number, epochs, {"activation": 0.5, "training": 2.0}, {})
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        facts = {"why": "it blew up"} if score is None else {}
        records.close_trial(trial, state, score and sign * score, 1, facts)
    for seed in (1, 2):
        for arm, score in (("keep", 0.5), ("activation=elu", 0.7)):
            for phase in ("choose", "measure"):
                scored = Confirmation(phase, arm, "{}", seed, sign * score, 1 + score)
                records.save_confirmation(scored)
    records.save_recommendation("change", json.dumps(ANSWER), "better")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A database with two studies, one of which is better where it is lower."""
    path = tmp_path_factory.mktemp("named") / "a.db"
    with Database(f"sqlite:///{path}", ("activation", "oven")) as database:
        write_study(database, "digits")
        write_study(database, "loss", "minimize")
    return path


@pytest.fixture(autouse=True)
def _storage(path, monkeypatch):
    monkeypatch.setenv("ADVISOR_STORAGE", str(path))


@pytest.fixture
def asked(advise):
    """The rows of a named question."""

    def asked(*words):
        said = advise("query", "--named", *words, "--json")
        assert (said.code, said.err) == (0, "")
        return json.loads(said.out)

    return asked


def test_the_questions_are_listed_with_what_they_answer(advise, asked):
    listed = asked()
    assert [each["name"] for each in listed] == [query.name for query in QUERIES]
    assert all(each["question"] and each["plugin"] == "advisor" for each in listed)
    assert "gain-per-cost" in advise("query", "--named").out


@pytest.mark.parametrize("name", [query.name for query in QUERIES])
def test_each_question_is_answered_for_all_studies_and_for_one(asked, name):
    assert {row["study"] for row in asked(name)} == {"digits", "loss"}
    assert {row["study"] for row in asked(name, "loss")} == {"loss"}


@pytest.mark.parametrize("study", ["digits", "loss"])
def test_what_the_questions_answer_is_what_was_written(asked, study):
    best = {row["slot"]: row for row in asked("best", study)}
    assert best["activation"]["technique"] == "elu"
    assert best["activation"]["gain_over_keep"] == pytest.approx(0.4)
    (cost,) = asked("gain-per-cost", study)
    assert cost["gain"] == pytest.approx(0.2)
    assert cost["times_as_long"] == pytest.approx(1.7 / 1.5)
    (failed,) = asked("failures", study)
    assert (failed["what"], failed["arm"]) == ("trial 3", "activation=selu oven=hot")
    assert failed["why"] == "it blew up"
    assert [row["number"] for row in asked("curves", study)] == [0, 1]
    assert [row["number"] for row in asked("curves", study, "--with", "trial=3")] == [3]
    (elu,) = asked("technique", study, "--with", "technique=activation.elu")
    assert (elu["trials"], elu["failed"], elu["recommended"]) == (2, 0, 1)
    assert elu["gain_alone"] == 0.2
    winner = {row["name"]: row["value"] for row in asked("winner", study)}
    assert winner == {"activation": "elu", "oven": "keep", "training.lr": "0.001",
                      "activation.elu.alpha": "1.0"}  # fmt: skip
    assert [row["gain"] for row in asked("seeds", study)] == pytest.approx([0.2, 0.2])
    (rate,) = [row for row in asked("rates", study) if row["arm"] == "activation=elu"]
    assert (rate["lowest_lr"], rate["highest_lr"], rate["best_lr"]) == (1e-3, 3e-3, 3e-3)
    seconds = {(row["part"], row["technique"]): row for row in asked("seconds", study)}
    assert seconds["activation", "elu"]["seconds"] == 1.0
    versions = {row["plugin"]: row["version"] for row in asked("plugins", study)}
    assert versions == {"waves": "1.0", "own": "0.9", "advisor": "0.9", "torch": "2.1"}
    (of_study,) = asked("studies", study)
    assert of_study["model"] == "Net with 9 parameters"
    assert of_study["command"] == "advisor tune --model net.py:Net --data 'a b.csv' --trials 4"


def test_a_server_answers_as_a_file_does(path, server_url):
    with Database(server_url, ("activation", "oven")) as database:
        write_study(database, "digits")
        write_study(database, "loss", "minimize")
    for query in QUERIES:
        for words in ({}, dict.fromkeys(query.words or (), "3")):
            sql = composed(query, ["digits", "loss"], words)
            there, here = read(server_url, sql), read(f"sqlite:///{path}", sql)
            assert there[0] == here[0]
            times = [place for place, name in enumerate(here[0]) if name in ("created", "since")]
            for one, other in zip(there[1], here[1], strict=True):
                assert [v for i, v in enumerate(one) if i not in times] == pytest.approx(
                    [v for i, v in enumerate(other) if i not in times]
                )
    for view in ("advisor_trials", "advisor_studies", "advisor_recommendations"):
        assert len(read(server_url, view)[1]) == len(read(f"sqlite:///{path}", view)[1])


def test_columns_of_the_tables_say_the_same_without_json(advise):
    sql = (
        "SELECT r.gain, r.low, r.high, r.seeds, r.rows, r.activation, r.oven, r.seconds, r.trial, "
        "t.score, t.oven AS hot, t.lr, s.torch, s.plugins FROM advisor_recommendations r "
        "JOIN advisor_trials t ON t.study = r.study AND t.recommended = 1 "
        "JOIN advisor_studies s ON s.study = r.study WHERE r.latest AND r.study = 'digits'"
    )
    (row,) = json.loads(advise("query", sql, "--json").out)
    assert list(row.values()) == [0.2, 0.1, 0.3, 2, 40, "elu", "keep", 7.0, 1, 0.7, "keep", 1e-3,
                                  "2.1", "waves 1.0"]  # fmt: skip


def test_optunas_attributes_say_which_trial_is_recommended_and_not_the_luckiest(path):
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{path}")
    assert study.best_trial.number == 2
    assert study.user_attrs["recommended_trial"] == 1
    assert (study.user_attrs["verdict"], study.user_attrs["gain"]) == ("change", 0.2)
    marked = [trial.number for trial in study.trials if trial.user_attrs.get("recommended")]
    assert marked == [1]
    study._storage.remove_session()
    study._storage._backend.engine.dispose()


def test_a_plugin_adds_a_question_which_advisor_check_judges(advise, tmp_path):
    file = tmp_path / "slow.py"
    file.write_text(SLOW.format(name="slow", sql=SQL))
    said = advise("query", "--named", "slow", "digits", "--with", "least=2", "--plugin", file)
    assert said.code == 0, said.err
    assert said.out.count("1:2") == 4
    assert "slow" in advise("query", "--named", "--plugin", file).out
    checked = advise("check", file)
    assert (checked.code, checked.out.splitlines()[-1]) == (0, "✓ question slow")
    file.write_text(SLOW.format(name="slow", sql=SQL.replace("study, ", "")))
    checked = advise("check", file)
    assert checked.code == 1
    assert "no such column: study" in checked.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--named", "bets"], "Did you mean 'best'?"),
        (["--named", "best", "digit"], "Did you mean 'digits'?"),
        (["--named", "best", "--with", "trial=1"], "no such word"),
        (["--named", "curves", "--with", "trial"], "write WORD=VALUE"),
        (["SELECT", "1"], "put quotes around"),
        (["SELECT 1", "--with", "trial=1"], "--named NAME"),
    ],
)
def test_what_is_no_question_is_one_message(advise, words, said):
    answered = advise("query", *words)
    assert answered.code == 2
    assert said in answered.err


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('"slow"', "must return advisor.NamedQuery objects"),
        ('advisor.NamedQuery("a b", "", "SELECT 1")', "letters, digits"),
        ('advisor.NamedQuery("slow", "", "DELETE FROM trials")', "must be a SELECT"),
        ('advisor.NamedQuery("slow", None, "SELECT 1")', "about must be text"),
        ('advisor.NamedQuery("slow", "", "SELECT 1", "", ["a"])', "words must map"),
    ],
)
def test_a_plugin_s_question_that_is_none_is_refused_with_its_line(advise, tmp_path, query, said):
    file = tmp_path / "slow.py"
    hook = f"@advisor.hookimpl\ndef queries():\n    return [{query}]\n"
    file.write_text(f"import advisor\n\n{hook}")
    answered = advise("query", "--named", "--plugin", file)
    assert answered.code == 2
    assert "Plugin 'slow' at line 3" in answered.err
    assert said in answered.err


def test_a_quote_in_a_word_is_no_sql(asked):
    assert asked("technique", "--with", "technique=x' OR '1'='1") == []


def test_two_questions_of_one_name_are_refused(advise, tmp_path):
    file = tmp_path / "slow.py"
    file.write_text(SLOW.format(name="best", sql=SQL))
    said = advise("query", "--named", "--plugin", file)
    assert said.code == 2
    assert "both bring a question 'best'" in said.err
