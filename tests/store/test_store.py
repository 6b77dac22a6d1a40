from __future__ import annotations

import json
import math
import shutil
import sqlite3
import zlib
from contextlib import closing

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from advisor import InputError
from advisor.store import tables
from advisor.store.confirmed_seeds import Confirmation
from advisor.store.database import Database
from advisor.store.location import DEFAULT, sqlite_path, storage_url
from advisor.store.query import read
from advisor.training.epoch import Epoch
from advisor.training.row_values import RowValues

SLOTS = ("activation", "initializer")
PLAN = {
    "options": {"activation": ["keep", "elu"]},
    "rungs": [1, 3],
    "identity": {"model": "Net with 5 parameters"},
    "rates": {"oven.slow": "oven.slow.minutes"},
}
SPACE = {
    "activation": CategoricalDistribution(("keep", "relu", "elu")),
    "initializer": CategoricalDistribution(("keep", "he")),
    "oven": CategoricalDistribution(
        ("keep", "slow")
    ),  # another plugin's slot: a row, and no column
    "training.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "activation.elu.alpha": FloatDistribution(0.5, 2.0),
    "oven.slow.minutes": IntDistribution(1, 90),
    "oven.slow.heat": CategoricalDistribution(("low", "high")),
    "oven.slow.size": CategoricalDistribution((2, 4)),
}
TRIALS = [
    {"activation": "keep", "initializer": "keep", "oven": "keep", "training.lr": 1e-3},
    {
        "activation": "elu",
        "initializer": "keep",
        "oven": "keep",
        "training.lr": 3e-3,
        "activation.elu.alpha": 1.25,
    },
    {
        "activation": "relu",
        "initializer": "he",
        "oven": "slow",
        "training.lr": 1e-2,
        "oven.slow.minutes": 30,
        "oven.slow.heat": "high",
        "oven.slow.size": 4,
    },
]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/deep/studies.db"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database with nothing in it; making one takes Optuna half a second."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    Database(f"sqlite:///{path}", SLOTS).close()
    return path


@pytest.fixture
def database(url, empty):
    sqlite_path(url).parent.mkdir()
    shutil.copy(empty, sqlite_path(url))
    database = Database(url, SLOTS)
    yield database
    database.close()


def begin(database, name="digits", direction="maximize"):
    """A study with three running trials."""
    records = database.study(name)
    records.begin("accuracy", direction, PLAN, '{"file": "digits.py"}')
    for number, params in enumerate(TRIALS):
        distributions = {key: SPACE[key] for key in params}
        records.add_trial(number, params, distributions, {"stage": "open"})
    return records


def ids(records):
    """The trials' ids in the database, by number."""
    return [trial._trial_id for trial in records.trials()]


def ended(database, name="digits"):
    """A study with three trials: complete, failed, pruned."""
    records = begin(database, name)
    first, second, third = ids(records)
    seconds = {"training": 2.0, "activation": 0.5}
    records.save_progress(first, 0, [epoch(1, 0.5), epoch(2, 0.75)], seconds, {})
    records.close_trial(first, TrialState.COMPLETE, 0.75, 2, {})
    records.save_progress(second, 1, [], {}, {"why": "it blew up"})
    records.close_trial(second, TrialState.FAIL, None, 0, {})
    records.save_progress(third, 2, [epoch(1, 0.25)], {"training": 1.0}, {})
    facts = {"why": "others were better", "ended": "outranked"}
    records.close_trial(third, TrialState.PRUNED, 0.25, 1, facts)
    return records


def epoch(number, score, early_loss=None):
    return Epoch(number, score, 2.0 / number, 0.5, early_loss)


def confirmed(arm="keep", seed=1, score=0.5, params="{}", test=None):
    return Confirmation("measure", arm, params, seed, score, 1.5, test)


def rows(url, sql):
    columns, found = read(url, sql)
    return [dict(zip(columns, row, strict=True)) for row in found]


def test_a_trial_holds_only_the_parameters_of_its_own_arm(database):
    trials = begin(database).trials()
    assert [trial.params for trial in trials] == TRIALS
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert all(
        trial.state == TrialState.RUNNING and trial.user_attrs == {"stage": "open"}
        for trial in trials
    )
    assert all(trial.datetime_start is not None for trial in trials)


def test_the_views_hold_labels_and_no_indexes(database, url):
    begin(database)
    choices = rows(
        url, "SELECT * FROM advisor_choices WHERE study = 'digits' ORDER BY number, slot"
    )
    assert [(c["number"], c["slot"], c["technique"]) for c in choices] == [
        (number, slot, params[slot])
        for number, params in enumerate(TRIALS)
        for slot in ("activation", "initializer", "oven")
    ]
    params = {
        (row["number"], row["name"]): row["value"]
        for row in rows(url, "SELECT * FROM advisor_params")
    }
    assert set(params) == {
        (number, name) for number, trial in enumerate(TRIALS) for name in trial if "." in name
    }
    assert params[1, "activation.elu.alpha"] == 1.25
    assert params[2, "training.lr"] == pytest.approx(1e-2)
    assert params[2, "oven.slow.minutes"] == 30
    assert params[2, "oven.slow.heat"] == "high"
    assert str(params[2, "oven.slow.size"]) == "4"


def test_the_rate_of_a_trial_is_that_of_its_technique_where_it_brings_one(database, url):
    begin(database)
    rates = [t["lr"] for t in rows(url, "SELECT lr FROM advisor_trials ORDER BY number")]
    assert rates == pytest.approx([1e-3, 3e-3, 30])


def test_the_trials_have_a_column_for_each_slot_of_the_built_in_plugins(database, url):
    ended(database)
    trials = rows(url, "SELECT * FROM advisor_trials ORDER BY number")
    assert [(t["activation"], t["initializer"]) for t in trials] == [
        ("keep", "keep"),
        ("elu", "keep"),
        ("relu", "he"),
    ]
    assert "oven" not in trials[0], "the database has seen no plugin with such a slot"
    assert [t["state"] for t in trials] == ["COMPLETE", "FAIL", "PRUNED"]
    assert [t["score"] for t in trials] == [0.75, None, 0.25]
    assert [t["seconds"] for t in trials] == [2.5, None, 1.0]
    assert [t["why"] for t in trials] == [None, "it blew up", "others were better"]
    assert {t["stage"] for t in trials} == {"open"}


@pytest.mark.parametrize(("direction", "best"), [("maximize", 0.75), ("minimize", 0.25)])
def test_a_study_is_one_row_with_its_counts_and_best_full_trial(database, url, direction, best):
    records = begin(database, direction=direction)
    first, second, third = ids(records)
    records.close_trial(first, TrialState.COMPLETE, 0.75, 2, {})
    records.close_trial(second, TrialState.COMPLETE, 0.25, 2, {})
    best_pruned = 0.99 if direction == "maximize" else 0.01
    records.close_trial(third, TrialState.PRUNED, best_pruned, 1, {})
    records.spend(1.5)
    records.spend(2.0)
    (row,) = rows(url, "advisor_studies")
    assert row.pop("created")
    assert row == {
        "study": "digits",
        "verdict": None,
        "evidence": None,
        "trials": 3,
        "complete": 2,
        "pruned": 1,
        "failed": 0,
        "best": best,
        "metric": "accuracy",
        "direction": direction,
        "seconds": 3.5,
        **dict.fromkeys(("gain", "low", "high", "trial", "torch", "plugins")),
        "model": "Net with 5 parameters",
        "data": "",
        "command": "advisor tune digits.py",
        "advisor": "",
    }
    assert records.spent() == 3.5


def test_a_running_trial_is_in_no_count(database, url):
    begin(database)
    (row,) = rows(url, "advisor_studies")
    assert (row["trials"], row["complete"], row["best"]) == (0, 0, None)


def test_curves_come_back_in_order_and_an_epoch_done_again_replaces_the_first(database, url):
    records = begin(database)
    first, second, _ = ids(records)
    early = epoch(1, 0.5, early_loss=2.5)
    records.save_progress(first, 0, [early, epoch(2, 0.6)], {"training": 1.0}, {})
    seconds = {"training": 3.0, "activation": 0.5}
    records.save_progress(first, 0, [epoch(2, 0.7), epoch(3, 0.8)], seconds, {})
    records.save_progress(second, 1, [], {}, {})
    assert records.curves() == {0: [early, epoch(2, 0.7), epoch(3, 0.8)]}
    assert records.costs() == {0: seconds}
    assert [row["epoch"] for row in rows(url, "advisor_curves")] == [1, 2, 3]
    assert {row["part"]: row["seconds"] for row in rows(url, "advisor_costs")} == {
        "training": 3.0,
        "activation": 0.5,
    }
    other = database.study("other")
    assert other.curves() == other.costs() == {}


def test_a_confirmation_is_kept_once_and_its_test_score_joins_it(database, url):
    records = begin(database)
    elu = confirmed(seed=2**62, arm="activation=elu", score=0.75, params='{"a": 1}')
    for confirmation in (confirmed(), elu, confirmed(test=0.625)):
        records.save_confirmation(confirmation)
    kept = sorted(records.confirmations(), key=lambda each: each.seed)
    assert kept == [confirmed(test=0.625), elu]
    assert len(rows(url, "advisor_confirmations")) == 2
    assert database.study("other").confirmations() == []


def test_what_measured_rows_add_comes_back_to_the_last_digit_and_goes_with_its_seed(database, url):
    records = begin(database)
    draws = np.random.default_rng(0)
    numbers = np.sort(draws.permutation(5000)[:1000])
    values = {
        "test": RowValues(numbers, draws.normal(size=1000)),
        "held out": RowValues(np.array([7]), np.array([np.nan])),
    }
    seed = confirmed(score=0.25)
    assert records.save_confirmation(seed, values)
    assert not records.save_confirmation(confirmed("elu"))
    assert records.seeds_with_rows() == [("keep", "{}", 1)]
    back = database.study("digits").row_values("keep", "{}", 1)
    assert set(back) == set(values)
    for name, each in back.items():
        assert each.rows.tolist() == values[name].rows.tolist()
        assert each.added.tobytes() == values[name].added.tobytes()
    (kept,) = rows(url, "SELECT * FROM advisor_measured_rows WHERE part = 'test'")
    assert len(kept["numbers"]) < 700

    records.save_confirmation(Confirmation("choose", "keep", "{}", 1, 0.5, 1.0))
    assert records.seeds_with_rows(), "a seed that chose is another one"
    ended(database, "wine").save_confirmation(seed, values)
    records.reopen_trials({}, {}, (), [seed], 0.0)
    assert not records.seeds_with_rows()
    assert database.study("wine").seeds_with_rows()
    database.delete("wine")
    assert not rows(url, "SELECT * FROM advisor_measured_rows")


@pytest.mark.parametrize(
    "damage",
    [
        {"dtype": "|O"},
        {"numbers": b"no bits"},
        {"added": zlib.compress(bytes(8000))[:-9]},
        {"added": zlib.compress(bytes(10**7))},
        {"measured": 2},
        {"total": 10},
    ],
)
def test_measured_rows_that_are_damaged_are_told(database, damage):
    records = begin(database)
    values = RowValues(np.arange(1000), np.zeros(1000))
    records.save_confirmation(confirmed(), {"test": values})
    with database.engine.begin() as connection:
        connection.execute(tables.measured_rows.update().values(**damage))
    with pytest.raises(InputError, match=r"its measured rows cannot be read .*damaged"):
        records.row_values("keep", "{}", 1)


def test_the_last_recommendation_counts_and_all_are_kept(database, url):
    records = begin(database)
    assert records.recommendation() is None
    for verdict, evidence in (("undecided", "open"), ("change", "better")):
        text = json.dumps({"verdict": verdict, "ä": 1}, ensure_ascii=False)
        records.save_recommendation(verdict, text, evidence)
    assert json.loads(records.recommendation()) == {"verdict": "change", "ä": 1}
    assert [
        row["verdict"]
        for row in rows(url, "SELECT * FROM advisor_recommendations ORDER BY created")
    ] == [
        "undecided",
        "change",
    ]
    found = rows(url, "SELECT verdict, evidence FROM advisor_studies")
    assert found == [{"verdict": "change", "evidence": "better"}]
    assert database.study("other").recommendation() is None


def everything(database, url):
    tables = [
        row["name"]
        for row in rows(
            url, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        )
    ]
    return {name: sorted(map(repr, rows(url, name))) for name in tables}


def test_what_was_written_is_there_when_the_file_is_opened_again(database, url):
    records = ended(database)
    records.save_confirmation(confirmed())
    records.save_recommendation("keep", "{}")
    database.close()
    before = everything(database, url)
    again = Database(url, SLOTS)
    assert everything(again, url) == before
    assert [trial.params for trial in again.study("digits").trials()] == TRIALS
    assert again.study("digits").plan() == PLAN
    assert rows(again.url, "SELECT question FROM advisor_plans") == [
        {"question": '{"file": "digits.py"}'}
    ]
    assert again.study("other").plan() is None
    again.close()


def test_the_closed_database_is_one_file(database, url, tmp_path):
    ended(database)
    database.close()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["studies.db"]


def test_another_plugins_slot_is_one_more_column_and_stays_when_the_plugin_is_gone(database, url):
    records = ended(database)
    choices = {"activation": "keep", "initializer": "keep", "oven": "keep"}
    records.save_recommendation("keep", json.dumps({"choices": choices}))
    seen = list(SLOTS)
    for slots in (("activation",), ("oven", "pretraining"), (), None):
        database.close()
        database = Database(url, slots)
        seen += [slot for slot in slots or () if slot not in seen]
        found = rows(url, "SELECT * FROM advisor_trials ORDER BY number")
        assert [name for name in found[0] if name in {*SLOTS, "oven", "pretraining"}] == seen
        if "oven" in seen:
            assert [row["oven"] for row in found] == ["keep", "keep", "slow"]
            assert [row["pretraining"] for row in found] == [None] * 3
        assert len(rows(url, "advisor_choices")) == 9
    # What is recommended from now on has it, too.
    database.study("digits").save_recommendation("keep", json.dumps({"choices": choices}))
    answers = rows(url, "SELECT latest, activation, oven FROM advisor_recommendations ORDER BY 1")
    assert [(row["activation"], row["oven"]) for row in answers] == [
        ("keep", None),
        ("keep", "keep"),
    ]
    database.close()


def test_a_slot_with_the_name_of_a_column_stands_beside_it(database, url):
    database.close()
    database = Database(url, ("state", "Score", "x" * 80, "naïve"))
    columns = read(url, "SELECT * FROM advisor_trials")[0]
    assert {"state", "slot.state", "score", "slot.Score", "naïve"} <= set(columns)
    assert "x" * 80 not in columns
    assert len({column.casefold() for column in columns}) == len(columns)
    database.close()


def test_opening_without_slots_leaves_the_views_as_they_are(database, url):
    ended(database)
    database.close()
    before = rows(url, "advisor_trials")
    Database(url, None).close()
    assert rows(url, "advisor_trials") == before


def test_optuna_opens_the_file_and_finds_the_labels(database, url):
    ended(database)
    study = optuna.load_study(study_name="digits", storage=url)
    assert [trial.params for trial in study.trials] == TRIALS
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.PRUNED,
    ]
    assert study.best_trial.number == 0
    assert study.best_value == 0.75
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.trials[2].intermediate_values == {1: 0.25}
    study._storage.remove_session()
    study._storage._backend.engine.dispose()


def test_a_study_of_optunas_own_with_the_same_name_is_refused_and_left_alone(url, tmp_path):
    (tmp_path / "deep").mkdir()
    theirs = optuna.create_study(storage=url, study_name="digits")
    theirs.add_trial(optuna.trial.create_trial(value=1.0))
    database = Database(url, SLOTS)
    assert database.study("digits").plan() is None
    with pytest.raises(InputError, match=r"'digits' that is not advisor's; use --name"):
        database.study("digits").begin("accuracy", "maximize", PLAN, None)
    assert database.study("digits").plan() is None
    assert len(theirs.trials) == 1
    begin(database, "mine")
    assert [row["study"] for row in rows(url, "advisor_studies")] == ["mine"]
    assert {row["study"] for row in rows(url, "advisor_trials")} == {"mine"}
    database.close()
    theirs._storage.remove_session()
    theirs._storage._backend.engine.dispose()


def test_a_deleted_study_leaves_no_row_and_its_neighbour_untouched(database, url):
    for name in ("digits", "wine"):
        records = ended(database, name)
        records.save_confirmation(confirmed())
        records.save_recommendation("keep", "{}")
        if name == "digits":
            alone = {table: len(found) for table, found in everything(database, url).items()}
    both = everything(database, url)
    assert all(
        len(both[name]) == 2 * alone[name]
        for name in both
        if name.startswith("advisor_") and alone[name] and name != "advisor_slots"
    )
    database.delete("wine")
    left = everything(database, url)
    assert {table: len(found) for table, found in left.items()} == alone
    assert "wine" not in str(left)
    database.delete("digits")
    left = everything(database, url)
    # The slots are those of the database.
    left.pop("advisor_slots")
    per_study = [n for n in left if n.startswith(("advisor_", "trial", "stud"))]
    assert len(per_study) > 12
    assert not any(left[name] for name in per_study)


def test_a_deleted_name_can_be_used_again(database):
    ended(database)
    database.delete("digits")
    records = begin(database)
    assert [trial.number for trial in records.trials()] == [0, 1, 2]
    assert records.curves() == {}


def test_a_score_that_is_no_number_does_not_break_the_views(database, url):
    records = begin(database)
    first, *_ = ids(records)
    records.save_progress(first, 0, [epoch(1, math.inf)], {}, {})
    records.close_trial(first, TrialState.PRUNED, math.inf, 1, {})
    assert records.trials()[0].value == math.inf, "as Optuna reads it"
    assert rows(url, "SELECT number, state FROM advisor_trials WHERE number = 0") == [
        {"number": 0, "state": "PRUNED"}
    ]


def test_any_text_is_a_name(database, url):
    for name in ("it's", 'two "words"', "naïve — study", "a;b", "100%", "x" * 200):
        ended(database, name)
        assert len(read(url, "SELECT * FROM advisor_trials WHERE study = ?", (name,))[1]) == 3
        database.delete(name)
        assert read(url, "advisor_studies")[1] == []


def test_readers_read_while_the_study_is_written(database, url):
    records = begin(database)
    with closing(sqlite3.connect(sqlite_path(url))) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("BEGIN")
        assert other.execute("SELECT COUNT(*) FROM trials").fetchone() == (3,)
        records.save_confirmation(confirmed())
        records.spend(1.0)
        assert len(rows(url, "advisor_confirmations")) == 1


@pytest.mark.parametrize("given", ["notes.txt", "folder"])
def test_what_is_no_database_is_refused_with_its_name_and_unchanged(tmp_path, given):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("not a database at all, " * 100)
    with pytest.raises(InputError) as refused:
        Database(f"sqlite:///{tmp_path / given}", SLOTS)
    assert given in str(refused.value)
    assert "--storage" in str(refused.value)
    assert (tmp_path / "notes.txt").read_text() == "not a database at all, " * 100


@pytest.mark.parametrize(
    "url", ["nonsense://host/name", "sqlite", "postgresql+nodriver://host/name", "://"]
)
def test_an_url_of_no_known_database_is_refused_with_its_name(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be") as refused:
        Database(url, SLOTS)
    assert url in str(refused.value)


@pytest.mark.parametrize(
    ("given", "surroundings", "url"),
    [
        (None, None, DEFAULT),
        (None, "sqlite:///here.db", "sqlite:///here.db"),
        (None, "here.db", "sqlite:///here.db"),
        ("there.db", "sqlite:///here.db", "sqlite:///there.db"),
        ("postgresql://host/name", None, "postgresql://host/name"),
    ],
)
def test_the_database_is_what_was_given_or_what_the_surroundings_say_or_the_default(
    monkeypatch, given, surroundings, url
):
    if surroundings:
        monkeypatch.setenv("ADVISOR_STORAGE", surroundings)
    assert storage_url(given) == url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:///b.db?timeout=3", "b.db"),
        ("sqlite:///with%20space.db", "with space.db"),
        ("postgresql://host/name", "None"),
    ],
)
def test_the_file_of_an_sqlite_url_is_found(url, path):
    assert str(sqlite_path(url)) == path


def test_a_file_name_with_a_percent_sign_or_a_space_is_the_same_file_for_writer_and_reader(
    tmp_path,
):
    url = storage_url(str(tmp_path / "100% a.db"))
    database = Database(url, SLOTS)
    ended(database)
    database.close()
    assert len(rows(url, "advisor_trials")) == 3


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("not trained: The signal collapses", "not_trained"),
        ("training loss 1.62 after 20 steps; no good trial was above 1.59", "early_loss"),
        ("the training loss became nan", "not_finite"),
    ],
)
def test_the_reason_of_a_trial_of_version_0_1_is_told_apart_when_its_database_is_opened(
    database, url, sentence, reason
):
    records = begin(database)
    first, second, third = ids(records)
    records.save_progress(first, 0, [], {}, {"why": sentence, "ended": "hopeless"})
    records.save_progress(second, 1, [], {}, {"why": "ValueError", "ended": "failed"})
    records.save_progress(third, 2, [], {}, {"why": "accuracy 0.1, and 3 of 8 were better"})
    records.close_trial(third, TrialState.PRUNED, 0.1, 1, {})
    database.close()
    again = Database(url, None)
    facts = [trial.user_attrs for trial in again.study("digits").trials()]
    assert [each.get("ended") for each in facts] == [reason, "failed", "outranked"]
    assert [each["why"] for each in facts[:2]] == [sentence, "ValueError"]
    again.close()


def test_a_study_is_begun_as_a_whole_or_not_at_all(database, url, monkeypatch):
    before = everything(database, url)
    records = database.study("digits")
    monkeypatch.setattr("advisor.store.study_records.plans", sa.table("no_such_table"))
    with pytest.raises(InputError, match="no_such_table"):
        records.begin("accuracy", "maximize", PLAN, None)
    assert everything(database, url) == before


def test_a_study_is_deleted_as_a_whole_or_not_at_all(database, url, monkeypatch):
    ended(database)
    before = everything(database, url)
    column = sa.column("study_id")
    monkeypatch.setattr(tables, "OPTUNA_TABLES", [sa.table("no_such_table", column)])
    with pytest.raises(InputError, match="no_such_table"):
        database.delete("digits")
    assert everything(database, url) == before
