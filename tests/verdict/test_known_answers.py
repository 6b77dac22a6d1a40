"""The cases whose answer is known: each can be asked, says what is right and why, and the judge of
answers is no rubber stamp.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

import advisor
from advisor.diagnosis.finding import BOUNDS
from advisor.work.study_ref import StudyRef

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location(
    "known_answers", ROOT / "benchmarks" / "known_answers.py"
)
known = importlib.util.module_from_spec(spec)
sys.modules["known_answers"] = known
spec.loader.exec_module(known)

sys.path.insert(0, str(ROOT / "benchmarks"))
truths = importlib.import_module("known_problems")
sys.path.pop(0)
MEASURED = json.loads((ROOT / "benchmarks" / "known_truths.json").read_text(encoding="utf-8"))

FASTEST = ["rate_trap", "identical_relu"]
GIVEN = {
    "verdict": "change",
    "choices": {"activation": "elu", "initializer": "keep"},
    "gain": {"mean": 0.2, "low": 0.1, "high": 0.3},
    "findings": [{"kind": "collapsed"}],
    "alternatives": [{"why_not": "worse"}],
}


@pytest.mark.parametrize("name", known.names())
def test_a_case_says_what_is_right_and_by_which_source(name):
    case = known.case(name)
    assert set(case.expected) <= known.KEYS
    assert case.expected["verdict"]
    assert set(case.expected["verdict"]) <= {"change", "keep", "undecided"}
    assert case.expected["source"]
    assert case.expected["fixes"]
    assert case.about.endswith(")."), "a sentence with its source in brackets"
    assert {case.expected.get(key, "collapsed") for key in ("finding", "absent")} <= set(BOUNDS)


@pytest.mark.parametrize("name", known.names())
def test_a_case_can_be_asked_and_offers_what_is_right(name):
    case = known.case(name)
    study = StudyRef(file=str(case.path), plugins=case.plugins).load()
    assert isinstance(study, advisor.Study)
    assert study.name == name
    pinned = (study.epochs, study.min_gain, study.task.batch, study.task.loss, study.task.metric)
    assert None not in pinned, "a default that changes would change what is true"
    for slot, right in case.expected.get("choices", {}).items():
        assert set(right) <= {*study.only[slot], "keep"}


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ({"verdict": ["change"]}, []),
        ({"verdict": ["keep"]}, ["the verdict is change"]),
        ({"verdict": ["change"], "choices": {"activation": ["elu", "selu"]}}, []),
        ({"verdict": ["change"], "choices": {"activation": ["relu"]}}, ["activation is elu"]),
        ({"verdict": ["change"], "choices": {"initializer": ["he"]}}, ["initializer is keep"]),
        ({"verdict": ["change"], "gain": (0.1, 0.3)}, []),
        (
            {"verdict": ["change"], "gain": (0.31, 0.4)},
            ["the interval [+0.1, +0.3] excludes the true gain"],
        ),
        ({"verdict": ["change"], "finding": "collapsed"}, []),
        ({"verdict": ["change"], "finding": "vanishing"}, ["vanishing is not among"]),
        ({"verdict": ["change"], "absent": "collapsed"}, ["collapsed is found"]),
        ({"verdict": ["change"], "identical": True}, ["the techniques are the model itself"]),
    ],
)
def test_an_answer_is_held_to_all_that_is_expected(expected, wrong):
    said = list(known.wrongs(expected, GIVEN))
    assert len(said) == len(wrong)
    assert all(one.startswith(start) for one, start in zip(said, wrong, strict=True))


def test_a_finding_is_missed_where_nothing_was_found():
    assert list(
        known.wrongs({"verdict": ["change"], "finding": "collapsed"}, {**GIVEN, "findings": []})
    )


def test_twins_pass_when_they_score_alike_or_are_called_identical():
    expected = {"verdict": ["change"], "identical": True}
    assert not list(
        known.wrongs(expected, {**GIVEN, "gain": {"mean": 0.0, "low": 0.0, "high": 0.0}})
    )
    assert not list(
        known.wrongs(expected, {**GIVEN, "alternatives": [{"why_not": "identical to keep"}]})
    )


@pytest.mark.parametrize(
    ("verdict", "choice", "wrong"),
    [("keep", "keep", 0), ("undecided", "keep", 0), ("undecided", "elu", 1), ("change", "elu", 1)],
)
def test_where_nothing_helps_an_answer_may_be_undecided_and_name_no_change(verdict, choice, wrong):
    answer = {**GIVEN, "verdict": verdict, "choices": {"activation": choice}}
    assert len(list(known.wrongs({"verdict": ["keep"]}, answer))) == wrong


def test_where_something_helps_undecided_is_wrong():
    answer = {**GIVEN, "verdict": "undecided", "choices": {"activation": "keep"}}
    assert list(known.wrongs({"verdict": ["change"]}, answer))


def test_the_summary_counts_each_verdict_and_keeps_fitted_cases_apart():
    null, fitted = {"verdict": ["keep"]}, {"verdict": ["keep"], "fitted": "was otherwise"}
    judged = [known.Judged(null, "keep", True, 5), known.Judged(null, "undecided", True, 20)]
    judged += [known.Judged({"verdict": ["change"]}, "raised", False)]
    judged += [known.Judged(fitted, "keep", True)]
    assert list(known.summary(judged)) == [
        "nothing helps: 2 of 2 right (keep 1, undecided 1), 12.5 pairs each",
        "something helps: 0 of 1 right (raised 1), 0.0 pairs each",
        "fitted: 1 of 1 right (keep 1), 0.0 pairs each",
    ]


@pytest.mark.parametrize("name", truths.measured_cases())
def test_what_is_expected_is_what_was_measured(name):
    expected = known.case(name).expected
    study = StudyRef(file=str(known.FOLDER / f"{name}.py")).load()
    measured = MEASURED[name]
    offered = {arm for names in study.only.values() for arm in names}
    assert set(measured) == offered
    right = {arm for names in expected.get("choices", {}).values() for arm in names} - {"keep"}
    for arm, truth in measured.items():
        if expected["verdict"] == ["change"]:
            assert (truth["low"] > study.min_gain) or arm not in right
        else:
            assert truth["low"] <= 0
    low, high = expected.get("gain", (-1, 1))
    for arm in right or offered:
        assert measured[arm]["low"] <= high
        assert measured[arm]["high"] >= low


@pytest.mark.parametrize("name", known.names())
def test_the_readme_lists_a_case_and_says_whether_it_is_fitted(name):
    lines = (known.FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| [{name}]({name}.py) |")]
    assert ("fitted" in line) == ("fitted" in known.case(name).expected)


def test_what_is_offered_where_nothing_helps_was_measured_to_bring_nothing():
    for name in truths.NULLS:
        assert set(MEASURED[name]) == set(truths.problem_of(name).arms)
        for truth in MEASURED[name].values():
            assert truth["gain"] < truths.problem_of(name).min_gain


def test_a_measured_problem_trains_and_the_same_seed_gives_the_same_score():
    problem = truths.problem_of("iris_starts")
    scores = [problem.train("xavier", {"rate": 0.01}, seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1]
    assert min(scores) > problem.constant() + 0.3


@pytest.mark.parametrize("name", known.names())
def test_a_line_of_the_table_fits_a_hundred_columns(name):
    assert len(known.row(name, 10, known.case(name).expected, GIVEN, 123.4, True)) <= 100


@pytest.mark.parametrize("name", FASTEST)
def test_the_fastest_cases_are_answered_rightly(name, tmp_path):
    case = known.case(name)
    given = known.ask(case, 0, f"sqlite:///{tmp_path / 'known.db'}", workers=1)
    assert not list(known.wrongs(case.expected, given))
