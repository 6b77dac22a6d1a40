"""The cases whose answer is known: each can be asked, says what is right and why, and the judge of
answers is no rubber stamp.
"""

import importlib.util
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
    assert case.about.endswith(")."), "a sentence with its source in brackets"
    assert {case.expected.get(key, "collapsed") for key in ("finding", "absent")} <= set(BOUNDS)


@pytest.mark.parametrize("name", known.names())
def test_a_case_can_be_asked_and_offers_what_is_right(name):
    case = known.case(name)
    study = StudyRef(file=str(case.path), plugins=case.plugins).load()
    assert isinstance(study, advisor.Study)
    assert study.name == name
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


@pytest.mark.parametrize("name", known.names())
def test_a_line_of_the_table_fits_a_hundred_columns(name):
    assert len(known.row(name, 10, known.case(name).expected, GIVEN, 123.4, True)) <= 100


@pytest.mark.parametrize("name", FASTEST)
def test_the_fastest_cases_are_answered_rightly(name, tmp_path):
    case = known.case(name)
    given = known.ask(case, 0, f"sqlite:///{tmp_path / 'known.db'}", workers=1)
    assert not list(known.wrongs(case.expected, given))
